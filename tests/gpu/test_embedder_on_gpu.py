"""The same encoder on a GPU: the vectors of the CPU, up to the arithmetic of the device."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_encoder import tiny_checkpoint

from model.embedder import open_embedder

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none"),
]


def test_texts_and_pictures_get_the_vectors_of_the_cpu(tmp_path: Path) -> None:
    folder = str(tiny_checkpoint(tmp_path / "encoder", 1))
    on_cpu, on_gpu = open_embedder(folder, "cpu"), open_embedder(folder, "cuda")
    pictures = list(np.random.default_rng(0).integers(0, 256, (9, 80, 40, 3), dtype=np.uint8))
    texts = ["a man in a red coat", "a woman", "someone with a very long description " * 5]
    assert on_gpu.fingerprint == on_cpu.fingerprint
    np.testing.assert_allclose(on_gpu.embed_images(pictures), on_cpu.embed_images(pictures), atol=2e-3)
    np.testing.assert_allclose(on_gpu.embed_texts(texts), on_cpu.embed_texts(texts), atol=2e-3)
