"""The gallery on a real GPU ranks exactly as on the CPU, filtered or not, also dealt out to several."""

import numpy as np
import pytest
import torch

from indexer.vectors.device_index import DeviceIndex, devices_for
from indexer.vectors.faiss_index import FaissIndex
from indexer.vectors.placement import Placement
from indexer.vectors.ranking import rank

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
ROWS, SEGMENTS, DIMENSION = 200_000, 4, 512


def unit_rows(rng, rows):
    vectors = rng.standard_normal((rows, DIMENSION), dtype=np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("share", [None, 0.0001, 0.01, 0.5, 0.99])
def test_a_gpu_ranks_as_the_cpu(share):
    rng, size = np.random.default_rng(1), ROWS // SEGMENTS
    placement = Placement(devices_for("auto"))
    on_cpu, on_gpu = [], []
    for number in range(SEGMENTS):
        index = FaissIndex(DIMENSION)
        rows = np.concatenate([unit_rows(rng, size - 50), np.repeat(unit_rows(rng, 1), 50, axis=0)])  # ties
        index.add(np.arange(size, dtype=np.int64) + size * number, rows)
        mask = None if share is None else rng.random(size) < share
        on_cpu.append((index, mask))
        on_gpu.append((placement.place(index, number), mask))
    assert all(isinstance(index, DeviceIndex) for index, _ in on_gpu)
    queries = unit_rows(rng, 40).astype(np.float32)
    for k in (1, 10, 3000):
        scores, ids = rank(on_gpu, queries[: 40 if k < 100 else 2], k)
        expected_scores, expected_ids = rank(on_cpu, queries[: 40 if k < 100 else 2], k)
        np.testing.assert_array_equal(ids, expected_ids)
        np.testing.assert_array_equal(scores, expected_scores)
