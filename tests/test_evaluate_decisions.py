"""R@k on one's own gallery from what people decided, against ranking by hand."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from model.embedder import open_embedder
from service import cli
from service.casework.cases import CaseStore
from service.casework.desk import NEEDED, Desk
from service.casework.entries import Entries, Entry
from service.evaluate_decisions import _interval

WORDS = [
    f"a person in a {colour} {thing}" for colour in ("red", "green", "blue") for thing in ("coat", "dress")
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery of eighteen crops of six passages, near to what describes them."""
    folder = tmp_path_factory.mktemp("decided")
    embedder = open_embedder("demo", "cpu", "float32")
    noise = np.random.default_rng(0)
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    with closing(open_gallery(folder / "g", create_for=made_by, write=True)) as gallery:
        rows = []
        for number, vector in enumerate(np.repeat(embedder.embed_texts(WORDS), 3, axis=0)):
            near = vector + 0.08 * noise.standard_normal(len(vector))
            item = GalleryItem(f"k{number}", f"u{number}", "toy", camera="c", track=f"t{number // 3}")
            rows.append(EmbeddedItem(item, (near / np.linalg.norm(near)).astype(np.float32), b"jpeg"))
        gallery.add(rows)
    return folder


@pytest.fixture(autouse=True)
def service_of_one(place: Path) -> None:
    """A service in the open profile has run on it, without cases."""
    (place / "g.state").mkdir(exist_ok=True)
    (place / "g.state" / NEEDED).write_text("1\n")


def decide(place: Path, case: str, key: str, query: str, item: int, verdict: str, **more: str) -> None:
    with closing(Entries(place / "g.state")) as entries:
        entries.add(case, Entry("decision", key, key, item, query, verdict, **more))


def by_hand(place: Path, query: str, wanted: set[int]) -> tuple[int, float]:
    """The rank of the first match and the average precision."""
    with closing(open_gallery(place / "g")) as gallery:
        ids = gallery.ids().tolist()
        scores = (
            np.stack([gallery.vector(id) for id in ids])
            @ open_embedder("demo", "cpu").embed_texts([query])[0]
        )
    order = [ids[index] for index in np.argsort(-scores, kind="stable")]
    places = [place for place, id in enumerate(order, 1) if id in wanted]
    return places[0], float(np.mean([number / place for number, place in enumerate(places, 1)]))


def test_without_decisions_it_says_what_is_missing(place: Path, capsys) -> None:
    assert cli.main(["evaluate", "--from-decisions", str(place / "g")]) == 2
    assert "no decision was ever kept" in capsys.readouterr().err
    decide(place, "a", "one", "coat", 1, "unsure")
    assert cli.main(["evaluate", "--from-decisions", str(place / "g")]) == 2
    assert "Nobody is confirmed" in capsys.readouterr().err
    assert cli.main(["evaluate", "--from-decisions", str(place / "g"), "--data", "folder"]) == 2
    assert "leave --data out" in capsys.readouterr().err
    assert cli.main(["evaluate"]) == 2
    assert "No data set is named" in capsys.readouterr().err


def test_figures_are_those_of_ranking_by_hand(place: Path, capsys) -> None:
    asked = {"a person in a red coat": 2, "a person in green": 8, "somebody in a blue dress": 17, "a man": 5}
    for number, (query, item) in enumerate(asked.items()):
        decide(place, f"case {number % 3}", "one", query, item, "same")
    decide(place, "case 0", "one", "a man", 7, "not")
    decide(place, "case 0", "one", "a disputed one", 3, "same")
    decide(place, "case 0", "other", "a disputed one", 3, "not")
    decide(place, "case 0", "one", "gone", 99, "same")  # not in the gallery
    decide(place, "case 0", "one", "a man", 12, "same", mark="of another gallery")
    decide(place, "case 0", "one", "a man", 9, "same", asked="words and more")  # by pictures as well
    decide(place, "case 0", "one", "a man", 1, "unsure", asked="words and more")
    capsys.readouterr()
    assert cli.main(["evaluate", "--from-decisions", str(place / "g"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    truth = [
        by_hand(place, query, {3 * ((item - 1) // 3) + crop for crop in (1, 2, 3)})
        for query, item in asked.items()
    ]
    counts = {name: told[name] for name in ("queries", "cases", "items", "undecided", "gone", "another")}
    assert counts == {"queries": 4, "cases": 3, "items": 18, "undecided": 2, "gone": 1, "another": 1}
    assert (told["unchecked"], told["few_cases"]) == (5, True)
    for k in (1, 5, 10):
        assert told[f"r{k}"] == pytest.approx(100 * np.mean([first <= k for first, _ in truth]))
    assert told["mean_ap"] == pytest.approx(100 * np.mean([precision for _, precision in truth]))
    assert told["r1_interval"][0] <= told["r1"] <= told["r1_interval"][1]
    assert cli.main(["evaluate", "--from-decisions", str(place / "g")]) == 0
    shown = capsys.readouterr().out
    assert f"{told['r1']:.2f}" in shown
    assert "flatter" in shown
    assert "With fewer than 40 cases" in shown
    assert "1 decisions are left out: another item" in shown


def test_where_two_must_agree_one_word_is_not_enough(place: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("CSKT_PROFILE", "casework")  # of whoever evaluates: that says nothing
    command = ["evaluate", "--from-decisions", str(place / "g")]
    assert cli.main(command) == 0
    (place / "g.state" / NEEDED).unlink()
    assert cli.main(command) == 2
    assert "--people-needed" in capsys.readouterr().err
    assert cli.main([*command, "--people-needed", "1"]) == 0
    with closing(Desk(place / "g.state", 2)):
        assert cli.main(command) == 2
    assert "Nobody is confirmed" in capsys.readouterr().err


def test_a_closed_case_is_printed_and_one_that_is_over_goes_on(place: Path, capsys) -> None:
    store, page = CaseStore(place / "g.state"), place / "case.html"
    store.begin("over", "report", "2026-01-01T00:00:00.000Z")
    decide(place, "over", "one", "a red coat", 2, "same")
    given = ["--gallery", str(place / "g")]
    assert cli.main(["case", "extend", "over", "--expires", "2d", *given]) == 0
    assert store.known("over").expires > "2026-01-01T00:00:00.000Z"
    assert cli.main(["case", "close", "over", *given]) == 0
    assert cli.main(["case", "extend", "over", "--expires", "2d", *given]) == 2
    assert "was closed" in capsys.readouterr().err
    report = ["case", "report", "over", "--to", str(page), *given]
    assert cli.main(report) == 0
    assert "Confirmed as the person searched for" in page.read_text()
    assert page.read_text().count("data:image/jpeg") == 1
    assert cli.main(report) == 2  # it overwrites nothing
    assert "cannot be written" in capsys.readouterr().err


def test_a_burst_is_one_match_without_what_was_turned_down(tmp_path: Path, capsys) -> None:
    embedder = open_embedder("demo", "cpu", "float32")
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    vectors = embedder.embed_texts(["a person in a red coat", "blue", "green", "a person in a red coat"])
    with closing(open_gallery(tmp_path / "g", create_for=made_by, write=True)) as gallery:
        items = [GalleryItem(f"k{n}", "u", "toy", attributes={"burst": "b"}) for n in range(3)]
        items.append(GalleryItem("k3", "u", "toy"))
        gallery.add([EmbeddedItem(*pair, b"jpeg") for pair in zip(items, vectors, strict=True)])
    decide(tmp_path, "a", "one", "a person in a red coat", 2, "same")
    decide(tmp_path, "a", "one", "a person in a red coat", 1, "not")
    command = ["evaluate", "--from-decisions", str(tmp_path / "g"), "--people-needed", "1", "--json"]
    assert cli.main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mean_ap"] == pytest.approx(100 * by_hand(tmp_path, "a person in a red coat", {2, 3})[1])


@pytest.mark.parametrize("truth", [60, 95])
@pytest.mark.parametrize("cases", [1, 2, 5, 10, 39])
def test_few_cases_have_intervals_that_hold_the_truth(cases: int, truth: int) -> None:
    generator, held = np.random.default_rng(cases), 0
    for _ in range(300):
        asked = [number for number in range(cases) for _ in range(3)]
        good = generator.beta(truth / 20, (100 - truth) / 20, cases)[asked]
        low, high = _interval(generator.random(len(asked)) < good, asked)
        held += low <= truth <= high
    assert held >= 0.93 * 300
