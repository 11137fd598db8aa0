"""compose.yaml, running: hardened, reached over the proxy alone, and with its data kept."""

import socket
import time
from pathlib import Path

import httpx
import pytest
import yaml
from deployed import GALLERY
from engine import ROOT

MEBIBYTE = 2**20


def status_of(engine, container: str) -> dict[str, str]:
    """/proc/1/status of a container."""
    lines = engine.inside(container, "cat", "/proc/1/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("part", ["service", "proxy", "prometheus", "grafana"])
def test_a_container_may_do_little(deployed, service, part):
    name = service if part == "service" else deployed.container(part)
    status = status_of(deployed.engine, name)
    net_bind_service = 1 << 10
    assert int(status["CapEff"], 16) & ~net_bind_service == 0
    assert int(status["CapBnd"], 16) & ~net_bind_service == 0
    assert status["NoNewPrivs"] == "1"
    facts = deployed.engine.inspect(name)["HostConfig"]
    assert facts["ReadonlyRootfs"] is True
    assert 0 < facts["Memory"] <= 4096 * MEBIBYTE
    assert 0 < facts["PidsLimit"] <= 512
    assert facts["Privileged"] is False


def test_the_service_runs_as_its_own_user_and_writes_to_its_volume_alone(deployed, service):
    assert status_of(deployed.engine, service)["Uid"].split() == ["10001"] * 4
    for place, may in {
        "/opt/cskt/x": False,
        "/etc/x": False,
        "/x": False,
        "/encoders/x": False,
        "/data/x": True,
        "/tmp/x": True,
    }.items():
        told = deployed.engine.inside(
            service, "sh", "-c", f"touch {place} && rm {place} && echo written || true"
        )
        assert (told.splitlines()[-1] == "written") is may, (place, told)


def test_limits_are_in_force(deployed, service):
    """What the kernel holds, not what was asked for; cgroups of the first and of the second version."""
    process = deployed.engine.inspect(service)["State"]["Pid"]
    groups = [line.split(":", 2) for line in Path(f"/proc/{process}/cgroup").read_text().splitlines()]
    own = {kind: path for _, kinds, path in groups for kind in kinds.split(",")}
    first = Path(f"/sys/fs/cgroup/memory{own.get('memory')}/memory.limit_in_bytes")
    second = Path(f"/sys/fs/cgroup{own.get('')}/memory.max")
    held = first if first.exists() else second
    assert int(held.read_text()) == 4096 * MEBIBYTE


def test_no_way_leads_out_of_service_prometheus_and_jobs(deployed, service):
    """They do not even reach what the proxy listens at on its other side, which this machine does."""
    networks = deployed.engine.inspect(deployed.container("proxy"))["NetworkSettings"]["Networks"]
    address = networks["cskt_outside"]["IPAddress"]
    socket.create_connection((address, 443), timeout=3).close()
    code = f"import socket; socket.create_connection(('{address}', 443), timeout=3)"
    for name, python in ((service, "python"), (deployed.container("prometheus"), "python3")):
        told = deployed.engine.inside(name, python, "-c", code, status=1)
        assert "TimeoutError" in told or "Network is unreachable" in told
    code = "import socket; print([name for _, name in socket.if_nameindex()])"
    told = deployed.compose(*deployed.engine.job, "--entrypoint", "python", "indexer", "-c", code)
    assert told.strip().splitlines()[-1] == "['lo']"


def test_a_sentence_finds_people_over_the_proxy(deployed):
    answer = deployed.search("a woman in a red coat")
    assert answer.status_code == httpx.codes.OK
    hits = answer.json()["hits"]
    assert len(hits) > 5
    assert "server" not in answer.headers
    picture = deployed.get(hits[0]["image_url"], headers=deployed.bearer())
    assert picture.headers["content-type"] == "image/jpeg"
    assert len(picture.content) > 500


def test_the_page_is_there(deployed):
    page = deployed.get("/")
    assert page.status_code == httpx.codes.OK
    assert "default-src" in page.headers["content-security-policy"]
    assert "<title>" in page.text


def test_who_comes_by_another_address_is_told_the_right_one(deployed):
    with httpx.Client(verify=False) as client:
        told = client.get(f"https://127.0.0.1:{deployed.port}/readyz")
    assert (told.status_code, told.text) == (httpx.codes.MISDIRECTED_REQUEST, "Open https://localhost")


def test_what_is_not_for_everybody(deployed):
    assert (
        deployed.search("a man", key="cskt_0123456789ab_" + "x" * 43).status_code == httpx.codes.UNAUTHORIZED
    )
    assert deployed.get("/v1/audit", headers=deployed.bearer()).status_code == httpx.codes.FORBIDDEN
    assert (
        deployed.get("/v1/audit", headers=deployed.bearer(deployed.audit_key)).status_code == httpx.codes.OK
    )
    assert deployed.get("/metrics").status_code == httpx.codes.NOT_FOUND
    with deployed.client() as client:
        large = client.post("/v1/search", content=b" " * 30 * MEBIBYTE, headers=deployed.bearer())
    assert large.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_the_health_check_tells_a_working_service_from_another(deployed, service):
    assert deployed.engine.healthy(service)
    deployed.engine.inside(service, "env", "CSKT_PORT=8001", "python", "-m", "service.probe", status=1)


def test_indexing_again_adds_nothing(deployed):
    before = deployed.items()
    told = deployed.indexer("index", "/images", "--gallery", GALLERY)
    assert f"0 new, {before} already known" in told
    assert deployed.items() == before


def test_what_is_indexed_while_it_runs_is_found(deployed, tmp_path):
    before = deployed.items()
    other = tmp_path / "more"
    other.mkdir()
    source = next((ROOT / "service/web/screenshots").glob("*.jpg"))
    (other / "late.jpg").write_bytes(source.read_bytes())
    told = deployed.indexer("index", "/more", "--gallery", GALLERY, volumes=(f"{other}:/more:ro",))
    assert "1 new" in told
    end = time.monotonic() + 30
    while deployed.items() == before and time.monotonic() < end:
        time.sleep(0.2)
    assert deployed.items() == before + 1


def test_the_file_for_gpus_adds_a_device_to_what_stands(deployed):
    """Read by compose itself, which refuses what it cannot put together; nothing is started."""
    told = deployed.compose("-f", "compose.yaml", "-f", "compose.gpu.yaml", "--profile", "jobs", "config")
    services = yaml.safe_load(told)["services"]
    for name in ("service", "indexer"):
        resources = services[name]["deploy"]["resources"]
        assert int(resources["limits"]["pids"]) == 512
        (device,) = resources["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_a_second_first_start_changes_nothing(deployed):
    secrets = {path.name: path.read_text() for path in (deployed.folder / "secrets").iterdir()}
    settings = (deployed.folder / ".env").read_text()
    assert "there already" in deployed.script("first-start.sh")
    assert {path.name: path.read_text() for path in (deployed.folder / "secrets").iterdir()} == secrets
    assert (deployed.folder / ".env").read_text() == settings


def test_it_stops_gracefully_and_keeps_its_data(deployed):
    before = deployed.items()
    opened = "/v1/audit?limit=1000&action=open"
    seen = deployed.get(opened, headers=deployed.bearer(deployed.audit_key)).json()
    name = deployed.replicas()[0]
    deployed.engine.call("stop", "-t", "20", name)
    assert deployed.engine.inspect(name)["State"]["ExitCode"] == 0
    assert "Traceback" not in deployed.engine.call("logs", name)
    deployed.down()
    assert deployed.replicas() == []
    deployed.up()
    assert deployed.items() == before
    assert len(deployed.search("a man with a backpack").json()["hits"]) > 5
    again = deployed.get(opened, headers=deployed.bearer(deployed.audit_key)).json()
    assert len(again["records"]) > len(seen["records"]) > 0
    assert "records hold" in deployed.indexer("audit", "verify", "--gallery", GALLERY)
