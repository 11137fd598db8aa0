"""Retrieval metrics against a second implementation in plain loops."""

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from ranking_toys import rank_matrix

from model import evaluation
from model.evaluation import (
    RetrievalMetrics,
    bootstrap_interval,
    evaluate_vectors,
    exact_factors,
    match_places,
    rank_blocks,
    rank_vectors,
)


def naive_metrics(similarity, query_ids, gallery_ids):
    sums = np.zeros(5)
    for scores, wanted in zip(similarity.tolist(), query_ids, strict=True):
        order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
        places = [place for place, index in enumerate(order, start=1) if gallery_ids[index] == wanted]
        precisions = [(count + 1) / place for count, place in enumerate(places)]
        row = [places[0] <= 1, places[0] <= 5, places[0] <= 10, np.mean(precisions), len(places) / places[-1]]
        sums += np.array(row, dtype=float)
    return RetrievalMetrics(*(100 * sums / len(query_ids)))


def random_case(queries, gallery, people, seed=0, levels=None):
    generator = np.random.default_rng(seed)
    gallery_ids = np.concatenate([np.arange(people), generator.integers(0, people, gallery - people)])
    similarity = generator.standard_normal((queries, gallery))
    if levels:
        similarity = np.round(similarity * levels) / levels
    return similarity.astype(np.float32), generator.integers(0, people, queries), gallery_ids


@pytest.mark.parametrize("levels", [None, 1], ids=["distinct", "many ties"])
@pytest.mark.parametrize("shape", [(40, 60, 12), (1, 3, 3), (600, 30, 5)])
def test_equals_the_loops(shape, levels):
    case = random_case(*shape, levels=levels)
    expected, got = naive_metrics(*case), rank_matrix(*case).metrics()
    for name in ("r1", "r5", "r10", "mean_ap", "mean_inp"):
        assert getattr(got, name) == pytest.approx(getattr(expected, name), abs=1e-9)


@pytest.mark.parametrize("block_scores", [1, 60, 150, 10_000])
def test_blocks_of_any_size_give_the_same_ranks(block_scores, monkeypatch):
    case = random_case(41, 60, 12, levels=2)
    expected = naive_metrics(*case)
    monkeypatch.setattr(evaluation, "BLOCK_SCORES", block_scores)
    got = rank_matrix(*case).metrics()
    assert got.mean_ap == pytest.approx(expected.mean_ap, abs=1e-9)
    assert got.mean_inp == pytest.approx(expected.mean_inp, abs=1e-9)


@pytest.mark.parametrize("kinds", [1, 2, 3, 1000])
@pytest.mark.parametrize("wanted", [1, 7, 50])
def test_places_equal_a_stable_sort(kinds, wanted):
    generator = np.random.default_rng(kinds + wanted)
    scores = (generator.integers(-kinds, kinds, 50) / 8).astype(np.float32)
    scores[scores == 0] *= generator.choice([-1, 1], (scores == 0).sum())  # 0.0 and -0.0 are equal
    matches = np.sort(generator.choice(50, wanted, replace=False))
    order = sorted(range(50), key=lambda index: (-float(scores[index]), index))
    expected = [place for place, index in enumerate(order, start=1) if index in matches]
    assert match_places(scores, matches).tolist() == expected


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_scores_of_any_precision_are_ranked_as_they_are(dtype):
    """Half precision holds many ties; in double precision 1 and 1 + 1e-12 differ."""
    scores = np.array([[1.0, 1.0 + 1e-12, 0.5]], dtype)
    first = rank_matrix(scores, [4], [3, 4, 4]).first_match.tolist()
    assert first == ([1] if dtype == np.float64 else [2])


def test_equal_scores_keep_gallery_order():
    ranks = rank_matrix(np.zeros((1, 4)), [7], [1, 7, 7, 2])
    assert ranks.first_match.tolist() == [2]
    assert ranks.average_precision.tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2])
    assert ranks.inverse_penalty.tolist() == pytest.approx([2 / 3])


def test_a_gallery_smaller_than_ten_counts_as_found():
    assert rank_matrix(np.array([[0.1, 0.9]]), [0], [0, 1]).metrics().r10 == 100


def test_a_perfect_ranking():
    metrics = rank_matrix(np.eye(3), [0, 1, 2], [0, 1, 2]).metrics()
    assert metrics == RetrievalMetrics(100, 100, 100, 100, 100)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match=r"identities \[5\] have no match"):
        rank_matrix(np.eye(2), [0, 5], [0, 1]).metrics()
    with pytest.raises(ValueError, match="finite"):
        rank_matrix(np.array([[float("nan"), 1.0]]), [0], [0, 1]).metrics()
    with pytest.raises(ValueError, match="scores are"):
        rank_matrix(np.eye(3), [0, 1], [0, 1, 2]).metrics()
    with pytest.raises(ValueError, match="0 queries"):
        rank_vectors(unit_vectors(0), unit_vectors(2), [], [0, 1])


def unit_vectors(rows, width=8, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_are_ranked_in_blocks_as_in_one_piece(monkeypatch):
    queries, gallery = unit_vectors(700), unit_vectors(50, seed=1)
    query_ids, gallery_ids = np.arange(700) % 25, np.arange(50) % 25
    whole = rank_matrix(queries @ gallery.T, query_ids, gallery_ids)
    monkeypatch.setattr(evaluation, "BLOCK_SCORES", 50 * 128)
    blocked = rank_vectors(queries, gallery, query_ids, gallery_ids)
    assert np.array_equal(whole.first_match, blocked.first_match)
    assert np.allclose(whole.average_precision, blocked.average_precision)


BLOCKS = (1, 1002, 5 * 1002, 37 * 1002, 501 * 1002)


@pytest.mark.parametrize("block_scores", BLOCKS)
def test_the_same_picture_twice_in_a_gallery_ties_wherever_it_stands(block_scores, monkeypatch):
    """Every picture once more, as another person's, before or behind the right one: which comes first is told
    by the gallery's order alone. Matrix products round a row otherwise at the edge of their blocks."""
    pictures = unit_vectors(501, width=512)
    gallery = np.concatenate([pictures, pictures])
    monkeypatch.setattr(evaluation, "BLOCK_SCORES", block_scores)
    people, others = np.arange(501), 501 + np.arange(501)
    first = rank_vectors(pictures, gallery, people, np.concatenate([people, others])).first_match
    assert first.tolist() == [1] * 501
    second = rank_vectors(pictures, gallery, people, np.concatenate([others, people])).first_match
    assert second.tolist() == [2] * 501


def test_cosines_are_exact_and_close_to_those_of_the_vectors():
    """Against fractions, which round nothing; 6e-8 is what float32 can tell near 1."""
    one, other = unit_vectors(2, width=512)
    first, second = exact_factors(one), exact_factors(other)
    assert Fraction(float(first @ second)) == sum(
        Fraction(a) * Fraction(b) for a, b in zip(first.tolist(), second.tolist(), strict=True)
    )
    assert first @ second == pytest.approx(float(one.astype(np.float64) @ other), abs=6e-8)


def test_no_block_is_larger_than_what_may_be_held():
    """20,000 captions in 40,000 pictures: the scores of a block are counted, not held."""
    asked, gallery = [], np.arange(40_000)

    def scores_of(start, stop):
        asked.append((stop - start) * 40_000)
        return np.broadcast_to(np.float64(0), (stop - start, 40_000))[:0]

    rank_blocks(scores_of, (20_000, 40_000), gallery[:20_000], gallery)
    assert sum(asked) == 20_000 * 40_000
    assert max(asked) <= evaluation.BLOCK_SCORES


def test_a_long_evaluation_holds_vectors_and_one_block(monkeypatch):
    """All scores of this one would be 128 MB; its vectors in float64 are 1 MB."""
    queries, gallery = unit_vectors(4000, width=32), unit_vectors(4000, width=32, seed=1)
    monkeypatch.setattr(evaluation, "BLOCK_SCORES", 400_000)
    tracemalloc.start()
    try:
        rank_vectors(queries, gallery, np.arange(4000), np.arange(4000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 400_000 * 8


def test_both_directions():
    images, texts = unit_vectors(20), unit_vectors(40, seed=1)
    image_ids, caption_ids = [index // 2 for index in range(20)], [index // 4 for index in range(40)]
    result = evaluate_vectors(images, texts, image_ids, caption_ids)
    assert (result.images, result.captions, result.identities) == (20, 40, 10)
    forth = naive_metrics(texts @ images.T, caption_ids, image_ids)
    back = naive_metrics(images @ texts.T, image_ids, caption_ids)
    assert result.text_to_image.mean_ap == pytest.approx(forth.mean_ap, abs=1e-9)
    assert result.image_to_text.mean_inp == pytest.approx(back.mean_inp, abs=1e-9)
    for figure, (low, high) in (
        (forth.r1, result.r1_interval),
        (forth.r10, result.r10_interval),
        (forth.mean_ap, result.mean_ap_interval),
    ):
        assert low < figure < high


def test_interval_is_the_binomial_one_when_everybody_has_one_query():
    hits = np.arange(400) < 120
    low, high = bootstrap_interval(hits, list(range(400)))
    half = 196 * (0.3 * 0.7 / 400) ** 0.5
    assert (low, high) == pytest.approx((30 - half, 30 + half), abs=0.7)


def test_interval_widens_when_queries_of_a_person_succeed_together():
    hits = np.arange(400) < 120
    low, high = bootstrap_interval(hits, [index // 10 for index in range(400)])
    half = 196 * (0.3 * 0.7 / 40) ** 0.5
    assert (low, high) == pytest.approx((30 - half, 30 + half), abs=2.0)


def test_interval_of_fractions_follows_their_spread():
    """One query a person: the mean of n values is normal with their standard deviation over sqrt(n)."""
    values = np.random.default_rng(3).random(500)
    low, high = bootstrap_interval(values, list(range(500)))
    half = 196 * values.std() / 500**0.5
    assert (low, high) == pytest.approx((100 * values.mean() - half, 100 * values.mean() + half), abs=0.4)


def test_interval_does_not_depend_on_how_many_are_drawn_at_once(monkeypatch):
    hits, people = np.arange(90) % 3 == 0, [index // 4 for index in range(90)]
    whole = bootstrap_interval(hits, people)
    monkeypatch.setattr(evaluation, "DRAWS_AT_ONCE", 1)
    assert bootstrap_interval(hits, people) == pytest.approx(whole, abs=1e-9)
