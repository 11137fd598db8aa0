"""Weighted parts as one vector: against plain vector algebra."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadQuery
from service.query import ImagePart, ItemPart, Question, TextPart, combined

UNIT = st.integers(0, 10_000).map(
    lambda seed: (lambda v: (v / np.linalg.norm(v)).astype(np.float32))(
        np.random.default_rng(seed).standard_normal(16)
    )
)
WEIGHT = st.floats(-10, 10).filter(lambda weight: abs(weight) > 0.05)


@given(st.lists(st.tuples(UNIT, WEIGHT), min_size=1, max_size=6))
def test_the_vector_points_where_the_weighted_sum_points(parts) -> None:
    vectors, weights = [vector for vector, _ in parts], [weight for _, weight in parts]
    total = np.sum([weight * vector.astype(float) for vector, weight in parts], axis=0)
    if np.linalg.norm(total) < 1e-3 * np.abs(weights).sum():
        with pytest.raises(BadQuery, match="cancel"):
            combined(vectors, weights)
        return
    vector = combined(vectors, weights)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(vector, total / np.linalg.norm(total), atol=1e-5)


@given(UNIT, WEIGHT)
def test_one_part_alone_is_its_own_vector_whatever_its_weight(vector, weight: float) -> None:
    expected = vector if weight > 0 else -vector
    np.testing.assert_allclose(combined([vector], [weight]), expected, atol=1e-6)


def test_a_part_and_its_opposite_say_nothing() -> None:
    vector = np.eye(4, dtype=np.float32)[0]
    with pytest.raises(BadQuery, match="cancel"):
        combined([vector, vector], [2.0, -2.0])


def test_a_picture_costs_more_than_words() -> None:
    words, both = (TextPart("a"),), (TextPart("a"), ImagePart("b"), ItemPart(1))
    assert Question(words, 1).cost == 1
    assert Question(both, 1).cost == 6
    assert Question(words, 5, offset=20).depth == 25
