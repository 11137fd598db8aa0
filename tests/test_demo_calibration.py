"""The calibration shipped with the demo encoder, on synthetic people whom neither of them has seen."""

import math
from pathlib import Path

import numpy as np
import pytest

from model.datasets import load_split
from model.embedder import DEMO_FOLDER, open_embedder
from model.matching.calibration import DEFAULT_RATE, read_calibration
from model.matching.episodes import People, simulate
from model.matching.fitting import report
from model.people.write import PeopleOrder, write_people
from model.split_vectors import embed_split

STRANGERS, SEED = 300, 90_417


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> tuple[People, str]:
    """As the demo encoder sees them, and its fingerprint."""
    folder: Path = tmp_path_factory.mktemp("people") / "data"
    write_people(PeopleOrder(folder, STRANGERS, 2, SEED, split="test"), workers=2)
    encoder = open_embedder("demo")
    seen = embed_split(encoder, load_split("folder", folder, "test").samples)
    ids = np.array(seen.caption_ids), np.array(seen.image_ids)
    return People(seen.texts, seen.images, *ids), encoder.fingerprint


@pytest.mark.parametrize("people", [30, 120, 200])
def test_probabilities_and_false_alarms_hold(strangers: tuple[People, str], people: int) -> None:
    known = read_calibration(DEMO_FOLDER, strangers[1])
    assert known is not None
    episodes = simulate(strangers[0], people, 4000, np.random.default_rng(people))
    limits = {DEFAULT_RATE: known.threshold(DEFAULT_RATE, episodes.passages)}
    found = report(known.likelihood, limits, episodes)
    (level,) = found.levels
    different = min(2000, 4 * (STRANGERS - people))  # captions of people who are not there
    assert found.calibration_error <= 0.05
    assert level.false_alarms <= DEFAULT_RATE + 2 * math.sqrt(DEFAULT_RATE / different)
    told = known.detected(DEFAULT_RATE, episodes.passages)
    assert told is not None
    assert level.detected == pytest.approx(told, abs=0.12)
