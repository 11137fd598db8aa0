"""A real encoder small enough for any test: one block a tower, random weights."""

from pathlib import Path

import torch

from model.adapters.full import FullConfig
from model.checkpoint import save_checkpoint
from model.config import BackboneConfig, EncoderConfig, TextConfig, VisionConfig
from model.encoder import PersonEncoder

TINY = EncoderConfig(
    backbone=BackboneConfig(
        name="tiny",
        embed_dim=16,
        vision=VisionConfig(image_size=(64, 32), patch_size=16, stride=16, width=32, layers=1, heads=2),
        text=TextConfig(width=32, heads=2, layers=1),
    ),
    adapter=FullConfig(),
)


def tiny_checkpoint(folder: Path, seed: int) -> Path:
    """A checkpoint folder; another seed is another encoder."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_checkpoint(folder, PersonEncoder(TINY))
    return folder
