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
from service.casework.entries import Entries, Entry

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
    decide(place, "case 0", "one", "a man", 9, "same", asked="words and more")  # by pictures as well
    decide(place, "case 0", "one", "a man", 1, "unsure", asked="words and more")
    capsys.readouterr()
    assert cli.main(["evaluate", "--from-decisions", str(place / "g"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    truth = [
        by_hand(place, query, {3 * ((item - 1) // 3) + crop for crop in (1, 2, 3)})
        for query, item in asked.items()
    ]
    assert (told["queries"], told["cases"], told["items"], told["undecided"]) == (4, 3, 18, 2)
    for k in (1, 5, 10):
        assert told[f"r{k}"] == pytest.approx(100 * np.mean([first <= k for first, _ in truth]))
    assert told["mean_ap"] == pytest.approx(100 * np.mean([precision for _, precision in truth]))
    assert told["r1_interval"][0] <= told["r1"] <= told["r1_interval"][1]
    assert cli.main(["evaluate", "--from-decisions", str(place / "g")]) == 0
    shown = capsys.readouterr().out
    assert f"{told['r1']:.2f}" in shown
    assert "flatter" in shown


def test_in_casework_one_word_is_not_enough(place: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("CSKT_PROFILE", "casework")
    assert cli.main(["evaluate", "--from-decisions", str(place / "g")]) == 2
    assert "Nobody is confirmed" in capsys.readouterr().err
