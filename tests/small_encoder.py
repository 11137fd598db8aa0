"""A network small enough for any test: two towers of two and three blocks, 48 x 16 pixels."""

import torch

from model.adapters import AdapterConfig
from model.adapters.cskt import CsktConfig
from model.adapters.dm_adapter import DmAdapterConfig
from model.adapters.full import FullConfig
from model.config import BackboneConfig, EncoderConfig, TextConfig, VisionConfig
from model.encoder import PersonEncoder

ADAPTERS: dict[str, AdapterConfig] = {
    "full": FullConfig(),
    "cskt": CsktConfig(prompts=2, depth=3),
    "dm_adapter": DmAdapterConfig(experts=4, top_k=2),
}


def small_config(adapter: AdapterConfig, stem_widths: tuple[int, ...] = (), stride: int = 8) -> EncoderConfig:
    """Vision 64 wide with 2 blocks, text 64 wide with 3, 32 shared dimensions."""
    return EncoderConfig(
        backbone=BackboneConfig(
            name="small",
            embed_dim=32,
            vision=VisionConfig(
                image_size=(48, 16),
                patch_size=8,
                stride=stride,
                width=64,
                layers=2,
                heads=1,
                stem_widths=stem_widths,
            ),
            text=TextConfig(width=64, heads=1, layers=3),
        ),
        adapter=adapter,
    )


def small_encoder(method: str = "full", seed: int = 0) -> PersonEncoder:
    """The same weights for the same seed; a DM-Adapter's experts are not left at zero."""
    torch.manual_seed(seed)
    encoder = PersonEncoder(small_config(ADAPTERS[method]))
    with torch.no_grad():
        for name, parameter in encoder.adapter.named_parameters():
            if name.endswith("up.weight"):
                parameter.normal_(std=0.1)
    return encoder


def pixels(count: int = 3) -> torch.Tensor:
    """Normalised pixels (count, 3, 48, 16)."""
    return torch.randn(count, 3, 48, 16, generator=torch.Generator().manual_seed(1))


def captions(*lengths: int) -> torch.Tensor:
    """One row of token ids per length (start and end included), padded to 77."""
    ids = torch.zeros(len(lengths), 77, dtype=torch.long)
    random = torch.Generator().manual_seed(2)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, 49405, (length,), generator=random)
        ids[row, 0], ids[row, length - 1] = 49406, 49407
    return ids
