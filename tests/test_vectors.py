"""Every exact index ranks exactly as brute force alone or with others, filtered or not."""

import io
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import faiss
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.vectors.device_index import DeviceIndex, devices_for
from indexer.vectors.exact import ExactIndex
from indexer.vectors.faiss_index import FaissIndex
from indexer.vectors.placement import Placement
from indexer.vectors.ranking import rank


def on_device(dimension):
    """The index of GPUs, on the CPU: the same code with the same half-precision products."""
    return DeviceIndex(dimension, "cpu")


EVERY_KIND = pytest.mark.parametrize("kind", [ExactIndex, FaissIndex, on_device])


def unit_rows(rng, rows, dimension):
    vectors = rng.standard_normal((rows, dimension)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def brute_force(ids, vectors, query, k, allowed=None):
    """Sort everything in plain Python: score falling, then id rising."""
    ranked = []
    for id, vector in zip(ids.tolist(), vectors, strict=True):
        if allowed is None or id in allowed:
            score = float(np.sum(vector.astype(np.float64) * query.astype(np.float64)))
            ranked.append((-score, id))
    return [(id, -negative) for negative, id in sorted(ranked)[:k]]


def assert_equals_brute_force(index, ids, vectors, queries, k, allowed=None):
    mask = None if allowed is None else np.isin(index.ids, list(allowed))
    assert_ranking(rank([(index, mask)], queries, k), ids, vectors, queries, k, allowed)


def assert_ranking(ranking, ids, vectors, queries, k, allowed=None):
    scores, found = ranking
    assert scores.shape == found.shape == (len(queries), k)
    for row, query in enumerate(queries):
        expected = brute_force(ids, vectors, query, k, allowed)
        missing = k - len(expected)
        assert found[row].tolist() == [id for id, _ in expected] + [-1] * missing
        np.testing.assert_allclose(scores[row][: len(expected)], [score for _, score in expected], atol=1e-12)
        assert np.all(np.isneginf(scores[row][len(expected) :]))


@EVERY_KIND
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(0, 1500),
    distinct=st.integers(1, 1500),
    share=st.sampled_from([0.0, 0.01, 0.3, 0.9, 1.0, None]),
    k=st.integers(1, 40),
)
def test_search_equals_brute_force(kind, seed, rows, distinct, share, k):
    rng = np.random.default_rng(seed)
    ids = np.cumsum(rng.integers(1, 4, rows)).astype(np.int64)
    vectors = unit_rows(rng, distinct, 16)[rng.integers(0, distinct, rows)]  # repeated rows tie exactly
    queries = unit_rows(rng, 3, 16).astype(np.float32)
    index = kind(16)
    half = rows // 2
    index.add(ids[:half], vectors[:half])
    index.add(ids[half:], vectors[half:])
    assert len(index) == rows
    assert index.ids.tolist() == ids.tolist()
    # Ids that are not in the index may be allowed too: they change nothing.
    allowed = None if share is None else {int(id) for id in ids[rng.random(rows) < share]} | {-5, 10**9}
    assert_equals_brute_force(index, ids, vectors, queries, k, allowed)


@EVERY_KIND
def test_ties_go_to_the_lower_id_however_many_rows_are_equal(kind):
    vector = unit_rows(np.random.default_rng(1), 1, 32)
    index = kind(32)
    index.add(np.arange(3000, dtype=np.int64) * 2, np.repeat(vector, 3000, axis=0))
    _, found = rank([(index, None)], vector.astype(np.float32), 5)
    assert found[0].tolist() == [0, 2, 4, 6, 8]
    _, found = rank([(index, index.ids > 1000)], vector.astype(np.float32), 3)
    assert found[0].tolist() == [1002, 1004, 1006]


@EVERY_KIND
def test_near_ties_below_single_precision_are_ordered_by_the_true_score(kind):
    rng = np.random.default_rng(3)
    base = unit_rows(rng, 1, 512)
    vectors = np.repeat(base, 400, axis=0)
    for row in range(
        400
    ):  # the least step of one small entry: scores that differ in the seventh digit or beyond
        place = rng.integers(0, 512)
        vectors[row, place] = np.nextafter(vectors[row, place], np.float16(2))
    ids = np.arange(1, 401, dtype=np.int64)
    index = kind(512)
    index.add(ids, vectors)
    assert_equals_brute_force(index, ids, vectors, unit_rows(rng, 4, 512).astype(np.float32), 50)


@EVERY_KIND
@pytest.mark.parametrize("k", [1, 5, 50])
def test_rounding_of_the_fast_pass_never_hides_the_best(kind, k):
    """The same numbers in other orders: the single-precision scores are noise, the true ones are not."""
    rng = np.random.default_rng(11)
    vectors = np.repeat(unit_rows(rng, 1, 256), 1000, axis=0)
    vectors[:, 1:] = [rng.permutation(row) for row in vectors[:, 1:]]
    vectors[:, 0] = np.arange(1000) * 2.0**-24  # the steps of half precision next to zero
    query = np.full(256, 0.061, np.float32)
    query[0] = 0.003
    ids = np.arange(1, 1001, dtype=np.int64)
    index = kind(256)
    index.add(ids, vectors)
    assert_equals_brute_force(index, ids, vectors, query[None], k)
    assert_equals_brute_force(index, ids, vectors, query[None], k, set(range(1, 1000)))


@EVERY_KIND
def test_one_row_in_ten_thousand_is_found_through_a_filter(kind):
    rng = np.random.default_rng(5)
    vectors, ids = unit_rows(rng, 20_000, 24), np.arange(1, 20_001, dtype=np.int64)
    index = kind(24)
    index.add(ids, vectors)
    for allowed in ({7, 19_999}, set(range(1, 20_001, 7)), set(range(300, 20_001))):
        assert_equals_brute_force(index, ids, vectors, unit_rows(rng, 2, 24).astype(np.float32), 10, allowed)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 30), share=st.sampled_from([None, 0.02, 0.5]))
@pytest.mark.parametrize("queries", [1, 3])
def test_several_indexes_rank_as_one(seed, k, share, queries):
    rng = np.random.default_rng(seed)
    cuts = [0, *sorted(rng.integers(0, 700, 3).tolist()), 700]
    ids = np.cumsum(rng.integers(1, 4, 700)).astype(np.int64)
    vectors = unit_rows(rng, 200, 16)[rng.integers(0, 200, 700)]
    allowed = None if share is None else set(ids[rng.random(700) < share].tolist())
    parts = []
    for number, (start, stop) in enumerate(pairwise(cuts)):
        index = (ExactIndex, FaissIndex, on_device)[number % 3](16)
        index.add(ids[start:stop], vectors[start:stop])
        parts.append((index, None if allowed is None else np.isin(index.ids, list(allowed))))
    asked = unit_rows(rng, queries, 16).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        assert_ranking(rank(parts, asked, k, pool), ids, vectors, asked, k, allowed)


def written(index):
    """What an index writes, as a buffer."""
    stream = io.BytesIO()
    index.write(stream)
    return np.frombuffer(stream.getvalue(), np.uint8).copy()


def test_what_was_written_is_read_back():
    rng = np.random.default_rng(7)
    ids, vectors = np.arange(10, 700, dtype=np.int64), unit_rows(rng, 690, 48)
    index = FaissIndex(48)
    index.add(ids, vectors)
    restored = FaissIndex.read(written(index), 48)
    assert_equals_brute_force(restored, ids, vectors, unit_rows(rng, 3, 48).astype(np.float32), 12)
    assert np.array_equal(restored.vectors_at(np.arange(690)), vectors.astype(np.float32))
    with pytest.raises(ValueError, match="takes no further rows"):
        restored.add(np.array([5000], np.int64), vectors[:1])


@pytest.mark.parametrize("damage", ["truncated", "noise", "dimension", "another index"])
def test_what_is_no_such_index_is_refused(damage):
    index = FaissIndex(8)
    index.add(np.arange(50, dtype=np.int64), unit_rows(np.random.default_rng(0), 50, 8))
    data, dimension = written(index), 16 if damage == "dimension" else 8
    if damage == "truncated":
        data = data[:300].copy()
    elif damage == "noise":
        data = np.full(900, 7, np.uint8)
    elif damage == "another index":
        data = faiss.serialize_index(faiss.IndexIDMap(faiss.IndexFlatIP(8)))
    with pytest.raises(ValueError, match="FAISS index"):
        FaissIndex.read(data, dimension)


def test_a_full_disk_is_not_swallowed_while_writing():
    class FullDisk:
        def write(self, data):
            raise OSError(28, "No space left on device")

    index = FaissIndex(8)
    index.add(np.arange(50, dtype=np.int64), unit_rows(np.random.default_rng(0), 50, 8))
    with pytest.raises(OSError, match="No space left"):
        index.write(FullDisk())


@EVERY_KIND
def test_ids_must_ascend(kind):
    index = kind(8)
    rows = unit_rows(np.random.default_rng(0), 2, 8)
    index.add(np.array([4, 9]), rows)
    for ids in ([9, 10], [12, 11], [3, 20]):
        with pytest.raises(ValueError, match="ascend"):
            index.add(np.array(ids), rows)
    assert index.ids.tolist() == [4, 9]


def test_devices_by_name():
    assert devices_for("cpu") == ()
    assert devices_for("auto") == tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    with pytest.raises(ValueError, match="'warp:7' is no device of this machine"):
        devices_for("warp:7")


def test_rows_are_dealt_out_and_stay_on_the_cpu_where_a_device_fails(caplog):
    rng = np.random.default_rng(0)
    vectors, parts = unit_rows(rng, 300, 16), []
    placement = Placement(("cpu", "cpu"))
    for number in range(3):
        index = FaissIndex(16)
        index.add(np.arange(100, dtype=np.int64) + 100 * number, vectors[100 * number :][:100])
        placement = Placement(("no such device",)) if number == 2 else placement
        parts.append((placement.place(index, number), None))
    assert [type(index) for index, _ in parts] == [DeviceIndex, DeviceIndex, FaissIndex]
    assert placement.devices == ()
    assert len(caplog.records) == 1
    queries = unit_rows(rng, 3, 16).astype(np.float32)
    assert_ranking(rank(parts, queries, 12), np.arange(300), vectors, queries, 12)
