"""Judging a ranking: what a gallery's background is, and that a judgement is what the calibration says."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from service_toys import ToyEncoder, ToyGallery, embed, person
from test_matching import SEVEN

from indexer.gallery import Gallery, open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from indexer.judging import NOT_CALIBRATED, NOT_ONE_TEXT, TOO_FEW, Judge, NoJudge, open_judge
from model.matching.calibration import RATES, Calibration, Level, SizeReport
from model.matching.likelihood import SAMPLE, Likelihood
from service.app import create_app
from service.searcher import Searcher
from service.settings import Settings


def calibration(threshold: float = 0.5) -> Calibration:
    """One made by hand: the standing of a hit decides."""
    levels = tuple(
        Level(rate=rate, threshold=threshold, false_alarms=rate / 2, detected=0.4, mistaken=0.01)
        for rate in RATES
    )
    return Calibration(
        fingerprint=SEVEN,
        data="toy people",
        people=600,
        date="2026-11-26",
        calibration_error=0.01,
        likelihood=Likelihood(intercept=-2, cosine=1, standing=0.8, tail=-0.1, passages=-0.2),
        sizes=tuple(
            SizeReport(passages=size, questions=100, r1=0.9, calibration_error=0.01, levels=levels)
            for size in (50, 100)
        ),
    )


def toys(rows: int) -> ToyGallery:
    """Rows of different words."""
    return ToyGallery([person(f"word{number} coat", number) for number in range(1, rows + 1)])


def test_probabilities_are_those_of_a_loop_over_the_whole_gallery() -> None:
    gallery = toys(80)
    judge = open_judge(gallery, calibration(), 0.02)
    question = embed("word7 coat")
    hits = gallery.search(question[None], 5)[0]
    judged = judge.judge(question, hits[0].score, [hit.score for hit in hits])
    every = [float(question @ embed(f"word{number} coat")) for number in range(1, 81)]
    mean, deviation = np.mean(every), np.std(every)
    tail = (np.quantile(every, 0.95) - mean) / deviation
    for hit, p in zip(hits, judged.probabilities, strict=True):
        standing = (hit.score - mean) / deviation
        log_odds = -2 + hit.score + 0.8 * standing - 0.1 * tail - 0.2 * math.log(80)
        assert p == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-4)
    assert list(judged.probabilities) == sorted(judged.probabilities, reverse=True)
    assert judged.convincing == (judged.probabilities[0] >= 0.5)


def test_the_best_hit_decides_wherever_the_page_begins() -> None:
    gallery, question = toys(80), embed("word7 coat")
    scores = [hit.score for hit in gallery.search(question[None], 10)[0]]
    for threshold, convincing in ((0.01, True), (0.999999, False)):
        judge = open_judge(gallery, calibration(threshold), 0.02)
        whole = judge.judge(question, scores[0], scores)
        page = judge.judge(question, scores[0], scores[4:])
        assert whole.convincing is page.convincing is convincing
        assert page.probabilities == whole.probabilities[4:]


def test_nobody_let_through_is_no_convincing_match() -> None:
    judged = open_judge(toys(80), calibration(0.0), 0.02).judge(embed("coat"), None, [])
    assert judged.convincing is False
    assert judged.probabilities == ()


def test_what_is_not_known_is_not_said() -> None:
    for judge, reason in (
        (open_judge(toys(80), None, 0.02), NOT_CALIBRATED),
        (open_judge(toys(49), calibration(), 0.02), TOO_FEW),
        (open_judge(toys(0), calibration(), 0.02), TOO_FEW),
    ):
        assert isinstance(judge, NoJudge)
        judged = judge.judge(embed("coat"), 0.5, [0.5, 0.4])
        assert (judged.probabilities, judged.convincing, judged.reason) == ((None, None), None, reason)
    assert isinstance(open_judge(toys(50), calibration(), 0.02), Judge)


class LargeGallery(ToyGallery):
    """Says that it holds many rows, and counts how many are read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    def ids(self, where: object = None) -> np.ndarray:
        return np.arange(1, 1_000_001, dtype=np.int64)

    def vector(self, id: int) -> np.ndarray | None:
        self.read.append(id)
        return embed(f"word{id}") if id != 1 else None  # has just been removed


def test_of_a_large_gallery_a_sample_over_all_of_it_is_read() -> None:
    gallery = LargeGallery()
    assert isinstance(open_judge(gallery, calibration(), 0.02), Judge)
    assert len(set(gallery.read)) == SAMPLE
    assert (min(gallery.read), max(gallery.read)) == (1, 1_000_000)
    assert max(np.diff(sorted(gallery.read))) < 1.1 * 1_000_000 / SAMPLE


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Gallery]:
    """An empty gallery on the disk."""
    gallery = open_gallery(tmp_path / "gallery", create_for=("toy", "f" * 64, 4), write=True)
    yield gallery
    gallery.close()


def test_passages_are_counted_as_a_set_would(stored: Gallery) -> None:
    rng = np.random.default_rng(1)
    passages: set[tuple[object, ...]] = set()
    items = []
    for number in range(200):
        source, camera = f"s{rng.integers(2)}", rng.choice(["gate", "shop", None])
        track = rng.choice([None, *(f"t{n}" for n in range(9))])
        passages.add((number,) if track is None else (source, camera, track))
        item = GalleryItem(f"k{number}", f"u{number}", source, camera=camera, track=track)
        items.append(EmbeddedItem(item, np.eye(4, dtype=np.float32)[0], b""))
    assert stored.passages() == 0
    stored.add(items)
    assert stored.passages() == len(passages)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A service over 80 rows whose scores are calibrated."""
    settings = Settings(refresh_seconds=0.02, false_alarm_rate=0.05)
    searcher = Searcher(ToyEncoder(), toys(80), settings, calibration=calibration(0.7))
    with TestClient(create_app(settings, searcher), base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def ask(client: TestClient, **body: object) -> dict:
    response = client.post("/v1/search", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_service_shows_probabilities_and_a_verdict(client: TestClient) -> None:
    judge = open_judge(toys(80), calibration(0.7), 0.05)
    for text in ("word7 coat", "word7", "coat", "somebody else"):
        answer = ask(client, text=text, top_k=5)
        scores = [hit["score"] for hit in answer["hits"]]
        own = judge.judge(embed(text), scores[0], scores)
        assert [hit["probability"] for hit in answer["hits"]] == pytest.approx(own.probabilities, abs=1e-3)
        told = answer["judgement"]
        assert told["convincing"] == own.convincing
        assert (told["threshold"], told["false_alarm_rate"], told["detection_rate"]) == (0.7, 0.05, 0.4)
        assert told["calibrated_on"] == "toy people"
    assert ask(client, text="word7 coat")["judgement"]["convincing"] is True
    assert ask(client, text="somebody else")["judgement"]["convincing"] is False


def test_the_verdict_is_that_of_the_whole_ranking(client: TestClient) -> None:
    whole = ask(client, text="word7 coat", top_k=10)
    for more in ({"offset": 5, "top_k": 5}, {"min_score": 0.999, "offset": 3}, {"group_by": "track"}):
        assert ask(client, text="word7 coat", **more)["judgement"] == whole["judgement"]
    page = ask(client, text="word7 coat", offset=5, top_k=5)
    assert [hit["probability"] for hit in page["hits"]] == [hit["probability"] for hit in whole["hits"][5:]]


def test_a_filter_changes_who_is_ranked_but_nobodys_probability(client: TestClient) -> None:
    whole = {hit["id"]: hit["probability"] for hit in ask(client, text="word7 coat", top_k=80)["hits"]}
    part = ask(client, text="word7 coat", top_k=80, filter={"cameras": ["camera-1"]})["hits"]
    assert part
    assert {hit["id"]: hit["probability"] for hit in part} == {hit["id"]: whole[hit["id"]] for hit in part}
    nobody = ask(client, text="word7 coat", filter={"cameras": ["nowhere"]})
    assert (nobody["hits"], nobody["judgement"]["convincing"]) == ([], False)


@pytest.mark.parametrize(
    "question",
    [
        {"parts": [{"item": 7}]},
        {"text": "coat", "parts": [{"text": "red", "weight": -0.5}]},
        {"text": "coat", "parts": [{"item": 7, "weight": 0.5}]},
    ],
)
def test_other_questions_are_answered_without_probabilities(client: TestClient, question: dict) -> None:
    answer = ask(client, **question)
    assert answer["hits"]
    assert {hit["probability"] for hit in answer["hits"]} == {None}
    assert (answer["judgement"]["convincing"], answer["judgement"]["reason"]) == (None, NOT_ONE_TEXT)
    figures = ("threshold", "false_alarm_rate", "detection_rate", "calibrated_on")
    assert {answer["judgement"][name] for name in figures} == {None}


def test_each_search_of_a_batch_has_its_own_verdict(client: TestClient) -> None:
    searches = [{"text": "word7 coat"}, {"text": "somebody else"}, {"parts": [{"item": 7}]}]
    answers = client.post("/v1/search/batch", json={"searches": searches}).json()["answers"]
    assert [one["answer"]["judgement"]["convincing"] for one in answers] == [True, False, None]
