"""Two replicas behind the proxy: one gallery, and an upgrade that nobody notices."""

import itertools
import threading
import time
from collections import Counter

import httpx
from deployed import Deployed, wait_for

CLIENTS = 4


class Searching:
    """People who search on and on through the proxy; every tenth search is over a new connection."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0
        self.done = threading.Event()
        self.threads = [threading.Thread(target=self.search_on, args=(who,)) for who in range(CLIENTS)]

    def search_on(self, who: int) -> None:
        """Search until told to end, counting what comes."""
        while not self.done.is_set():
            with self.deployed.client(headers=self.deployed.bearer()) as client:
                for number in range(10):
                    began = time.monotonic()
                    self.answers[self.search(client, f"person {who} in shirt {number}")] += 1
                    self.slowest = max(self.slowest, time.monotonic() - began)
                    time.sleep(0.05)

    @staticmethod
    def search(client: httpx.Client, text: str) -> str:
        """A status with the problem's name, or what went wrong instead."""
        try:
            answer = client.post("/v1/search", json={"text": text})
            told = answer.headers.get("content-type", "").startswith("application/problem")
            return f"{answer.status_code} {answer.json()['type']}" if told else str(answer.status_code)
        except httpx.TransportError as error:
            return type(error).__name__

    def __enter__(self) -> "Searching":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        for thread in self.threads:
            thread.join()


def served(deployed: Deployed) -> dict[str, int]:
    """How many searches each replica answered, as it counts itself."""
    key = (deployed.folder / "secrets/metrics_key").read_text().strip()
    request = f"u.Request('http://127.0.0.1:8000/metrics', headers={{'Authorization': 'Bearer {key}'}})"
    code = f"import urllib.request as u; print(u.urlopen({request}).read().decode())"
    counts = {}
    for name in deployed.replicas():
        lines = deployed.engine.inside(name, "python", "-c", code).splitlines()
        counted = [
            line.rpartition(" ")[2]
            for line in lines
            if line.startswith('cskt_requests_total{operation="search"')
        ]
        counts[name] = int(sum(map(float, counted)))
    return counts


def test_both_answer_and_a_browser_stays_with_one(deployed):
    numbers = itertools.count()

    def both() -> bool:  # one that was still starting a moment ago is left alone for five seconds
        assert deployed.search(f"a man {next(numbers)}").status_code == httpx.codes.OK  # each a new client
        return all(served(deployed).values())

    wait_for(both, "both to be asked")
    before = served(deployed)
    assert len(before) == 2
    with deployed.client(headers=deployed.bearer()) as client:
        for number in range(6):
            client.post("/v1/search", json={"text": f"a woman {number}"})
    after = served(deployed)
    assert sorted(after[name] - before[name] for name in after) == [0, 6]


def test_a_replica_that_dies_is_not_missed(deployed):
    name = deployed.replicas()[0]
    with Searching(deployed) as searching:
        time.sleep(2)
        deployed.engine.call("kill", name)
        time.sleep(6)
    deployed.engine.call("start", name)
    deployed.wait_until_ready()
    lost = {answer: count for answer, count in searching.answers.items() if answer != "200"}
    assert sum(lost.values()) <= CLIENTS, searching.answers  # what it had in hand when it was killed
    assert searching.answers["200"] > 50


def test_an_upgrade_fails_no_request(deployed):
    before = {name: deployed.engine.inspect(name)["Id"] for name in deployed.replicas()}
    with Searching(deployed) as searching:
        time.sleep(2)
        told = deployed.script("upgrade.sh")
        time.sleep(3)
    print(f"an upgrade under load: {searching.answers}, the slowest after {searching.slowest:.1f} s")
    assert "2 of 2 replaced" in told
    after = {deployed.engine.inspect(name)["Id"] for name in deployed.replicas()}
    assert len(after) == 2
    assert not after & set(before.values())
    said = deployed.engine.call("logs", "--tail", "10", deployed.container("proxy"))
    assert set(searching.answers) == {"200"}, (searching.answers, said)
    assert searching.answers["200"] > 100


def test_an_upgrade_to_what_does_not_start_changes_nothing(deployed):
    before = {deployed.engine.inspect(name)["Id"] for name in deployed.replicas()}
    settings = (deployed.folder / ".env").read_text()
    (deployed.folder / ".env").write_text(settings.replace("CSKT_PROFILE=open", "CSKT_PROFILE=nonsense"))
    told = deployed.script("upgrade.sh", status=1)
    (deployed.folder / ".env").write_text(settings)
    assert "the old ones answer as before" in told
    assert "The setting profile (CSKT_PROFILE) cannot be used" in told
    assert {deployed.engine.inspect(name)["Id"] for name in deployed.replicas()} == before
    assert deployed.search("a man").status_code == httpx.codes.OK
