"""Calibration against closed forms, naive twins, and a world in which the true probabilities are known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.calibrate import calibrate, table
from model.errors import CheckpointError, DatasetError
from model.matching.calibration import FILE, RATES, Calibration, read_calibration, write_calibration
from model.matching.episodes import TOP, Episodes, People, simulate, sizes_for
from model.matching.fitting import calibration_error, fit_logistic, report, thresholds, upper_bound
from model.matching.likelihood import TAIL, Background, Likelihood, evidence, standing

SEVEN = "7" * 64


def world(people: int, seed: int, noise: float = 0.9, dimension: int = 24, each: int = 2) -> People:
    """Everybody is a direction; captions and crops are that direction with noise."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((people, dimension))

    def near() -> np.ndarray:
        seen = np.repeat(centres, each, axis=0) + noise * rng.standard_normal((people * each, dimension))
        return (seen / np.linalg.norm(seen, axis=1, keepdims=True)).astype(np.float32)

    ids = np.repeat(np.arange(people), each)
    return People(near(), near(), ids, ids)


@pytest.fixture(scope="module")
def known() -> Calibration:
    """Of 600 people of the toy world."""
    return calibrate(world(600, 1), SEVEN, "toy people")


def test_logistic_regression_on_two_groups_is_the_logarithm_of_their_odds() -> None:
    group = np.repeat([0.0, 1.0], [200, 300])
    right = np.concatenate([np.arange(200) < 20, np.arange(300) < 240])
    constant, slope = fit_logistic(group[:, None], right)
    assert constant == pytest.approx(math.log(20 / 180), abs=1e-3)
    assert constant + slope == pytest.approx(math.log(240 / 60), abs=1e-3)


def test_logistic_regression_finds_the_weights_the_labels_were_drawn_with() -> None:
    rng = np.random.default_rng(3)
    features = rng.standard_normal((200_000, 3)) * [1, 20, 0.1] + [0, 5, 0]
    weights = np.array([-0.5, 1.0, -0.05, 4.0])
    right = rng.random(len(features)) < 1 / (1 + np.exp(-(weights[0] + features @ weights[1:])))
    assert fit_logistic(features, right) == pytest.approx(weights, rel=0.1, abs=0.02)


def test_labels_that_can_be_told_apart_keep_the_weights_finite() -> None:
    features = np.linspace(-1, 1, 50)[:, None]
    weights = fit_logistic(features, features[:, 0] > 0)
    assert np.isfinite(weights).all()
    assert weights[1] > 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_the_calibration_error_is_that_of_a_loop(pairs: list[tuple[float, bool]]) -> None:
    total = 0.0
    for place in range(15):
        inside = [pair for pair in pairs if min(int(pair[0] * 15), 14) == place]
        if inside:
            gap = sum(p for p, _ in inside) / len(inside) - sum(r for _, r in inside) / len(inside)
            total += abs(gap) * len(inside) / len(pairs)
    probabilities, right = (np.array(column) for column in zip(*pairs, strict=True))
    assert calibration_error(probabilities, right) == pytest.approx(total, abs=1e-12)


@given(st.integers(1, 5000), st.data())
def test_the_upper_bound_is_where_the_share_is_just_credible(of: int, data: st.DataObject) -> None:
    """Wilson: the share p at which the one seen lies 1.645 deviations below, found by bisection."""
    count = data.draw(st.integers(0, of))
    low, high = count / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        spread = 1.645 * math.sqrt(middle * (1 - middle) / of)
        low, high = (middle, high) if middle - count / of < spread else (low, middle)
    assert upper_bound(count, of) == pytest.approx(low, abs=1e-6)


def test_thresholds_let_through_as_many_as_are_safe_and_no_more() -> None:
    rng = np.random.default_rng(5)
    raw = rng.standard_normal((5000, TOP, 4))
    present = rng.random(5000) < 0.5
    episodes = Episodes(100, raw, rng.random((5000, TOP)) < 0.5, present)
    likelihood = Likelihood(intercept=0.1, cosine=1, standing=0.5, tail=-0.2, passages=-0.1)
    best = likelihood.probability(raw[~present, 0])
    for rate, limit in thresholds(likelihood, episodes).items():
        through = int((best >= limit).sum())
        assert upper_bound(through, len(best)) <= rate < upper_bound(through + 1, len(best))


def test_a_few_questions_allow_no_alarm_at_all() -> None:
    episodes = Episodes(10, np.zeros((20, TOP, 4)), np.zeros((20, TOP), bool), np.zeros(20, bool))
    likelihood = Likelihood(intercept=0, cosine=1, standing=1, tail=1, passages=1)
    assert thresholds(likelihood, episodes)[0.02] == 1.0


def test_evidence_and_probability_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(7)
    crops = rng.standard_normal((80, 8)).astype(np.float32)
    sentences = rng.standard_normal((3, 8)).astype(np.float32)
    background = Background(crops, 640)
    scores = (sentences @ crops.T)[:, :5]
    seen = evidence(scores, background.standing(sentences), background.passages)
    likelihood = Likelihood(intercept=-1, cosine=0.5, standing=0.7, tail=-0.3, passages=-0.2)
    for row, sentence in enumerate(sentences):
        over = np.array([float(crop @ sentence) for crop in crops])
        middle, spread = over.mean(), over.std()
        tail = (np.quantile(over, TAIL) - middle) / spread
        for place in range(5):
            log_odds = (
                -1
                + 0.5 * over[place]
                + 0.7 * (over[place] - middle) / spread
                - 0.3 * tail
                - 0.2 * math.log(640)
            )
            p = likelihood.probability(seen)[row, place]
            assert p == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-4)


def test_a_gallery_in_which_everybody_looks_alike_has_finite_evidence() -> None:
    same = np.tile(np.eye(4, dtype=np.float32)[:1], (60, 1))
    seen = evidence(np.ones((1, 3), np.float32), standing(same[:1] @ same.T), 60)
    assert np.isfinite(seen).all()


def test_episodes_ask_for_who_is_there_and_for_who_is_not() -> None:
    """Everybody has a direction of their own, so the truth can be read off the cosines."""
    ids = np.repeat(np.arange(90), 2)
    own = np.eye(90, dtype=np.float32)[ids]
    episodes = simulate(People(own, own, ids, ids), 30, 500, np.random.default_rng(0))
    best = episodes.evidence[:, 0, 0]
    assert episodes.passages == 60
    assert len(best) >= 500
    assert episodes.present.mean() == pytest.approx(0.5)
    assert (best[episodes.present] == 1).all()
    assert (best[~episodes.present] == 0).all()
    assert (episodes.right[episodes.present].sum(1) == 2).all()
    assert not episodes.right[~episodes.present].any()


def test_sizes_double_and_leave_a_third_away() -> None:
    assert sizes_for(100) == [25, 50]
    assert sizes_for(600) == [25, 50, 100, 200, 400]
    assert sizes_for(1000) == [25, 50, 100, 200, 400, 666]
    assert sizes_for(30) == []


def test_what_is_learned_holds_for_people_nobody_has_seen(known: Calibration) -> None:
    strangers = world(900, 2)
    for size in (40, 150, 300):
        episodes = simulate(strangers, size, 4000, np.random.default_rng(size))
        limits = {rate: known.threshold(rate, episodes.passages) for rate in RATES}
        found = report(known.likelihood, limits, episodes)
        assert found.calibration_error < 0.05
        for level in found.levels:
            spread = 3 * math.sqrt(level.rate / 2000)
            assert level.false_alarms <= level.rate + spread
        assert found.levels[-1].detected > 0.3


def test_a_probability_falls_as_galleries_grow(known: Calibration) -> None:
    assert known.likelihood.passages == pytest.approx(-1, abs=0.3)
    assert known.likelihood.cosine + known.likelihood.standing > 0


def test_thresholds_lie_between_those_measured(known: Calibration) -> None:
    first, second = known.sizes[:2]
    middle = round(math.sqrt(first.passages * second.passages))
    limits = [known.threshold(0.02, size) for size in (first.passages, middle, second.passages)]
    own = [level.threshold for size in (first, second) for level in size.levels if level.rate == 0.02]
    assert [limits[0], limits[2]] == pytest.approx(own)
    assert min(own) <= limits[1] <= max(own)
    last = known.sizes[-1]
    assert known.threshold(0.02, 10**9) == pytest.approx(known.threshold(0.02, last.passages))
    assert known.detected(0.02, last.passages) is not None
    assert known.detected(0.02, 2 * last.passages) is None
    assert known.detected(0.02, first.passages // 2) is None


def test_too_few_people_are_said_to_be_too_few() -> None:
    with pytest.raises(DatasetError, match="150 people"):
        calibrate(world(150, 1), SEVEN, "toy people")


def test_it_is_kept_beside_the_encoder_and_counts_for_it_alone(tmp_path: Path, known: Calibration) -> None:
    assert read_calibration(tmp_path, SEVEN) is None
    write_calibration(tmp_path, known)
    assert read_calibration(tmp_path, SEVEN) == known
    assert read_calibration(tmp_path, "8" * 64) is None
    assert read_calibration(None, SEVEN) is None


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2}', "NaN"])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(CheckpointError, match="cannot be read; remove it"):
        read_calibration(tmp_path, SEVEN)


def test_a_file_with_numbers_that_are_none_is_damaged(tmp_path: Path, known: Calibration) -> None:
    facts = json.loads(known.model_dump_json())
    facts["likelihood"]["cosine"] = float("nan")
    (tmp_path / FILE).write_text(json.dumps(facts))
    with pytest.raises(CheckpointError):
        read_calibration(tmp_path, SEVEN)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, known: Calibration) -> None:
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_calibration(tmp_path / "not there", known)


def test_the_table_shows_what_was_measured(known: Calibration) -> None:
    shown = table(known)
    assert "toy people: half of 600 people" in shown
    assert len(shown.splitlines()) == 4 + len(known.sizes)
