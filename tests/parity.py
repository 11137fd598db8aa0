"""The recorded cases of the published models: where they stand and how a case becomes a network.

`CSKT_PARITY_DIR` names one folder of cases. Without it: tests/fixtures/parity, and beside the repository
shared/parity (the full-size cases), if that is there. Cases are found by name; every number of a test comes
from the case's JSON.
"""

import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from model.adapters.cskt import CsktConfig
from model.adapters.dm_adapter import DmAdapterConfig
from model.config import BackboneConfig, EncoderConfig, TextConfig, VisionConfig
from model.encoder import PersonEncoder
from model.released_weights import official_name

FIXTURES = Path(__file__).parent / "fixtures" / "parity"
SHARED = Path(__file__).parents[2] / "shared" / "parity"
LARGE_WIDTH = 512  # vision towers from this width on make a test slow


def folders() -> list[Path]:
    """The folders to look for cases in, the first one first."""
    if chosen := os.environ.get("CSKT_PARITY_DIR"):
        return [Path(chosen)]
    return [folder for folder in (FIXTURES, SHARED) if folder.is_dir()]


def case_files(*patterns: str) -> list[Path]:
    """The JSON files matching any of the patterns; of equal names, the first folder's."""
    found: dict[str, Path] = {}
    for folder in folders():
        for pattern in patterns:
            for path in sorted(folder.glob(pattern)):
                found.setdefault(path.name, path)
    return list(found.values())


@cache
def fill_rule() -> ModuleType:
    """fill_rule.py, which makes a case's weights and inputs from its seed."""
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        own = [folder / "fill_rule.py" for folder in (*folders(), FIXTURES)]
        path = next(path for path in own if path.is_file())
        spec = importlib.util.spec_from_file_location("fill_rule", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.dont_write_bytecode = writes


@dataclass(frozen=True)
class ModelCase:
    """One recorded run of an official model."""

    path: Path

    @cached_property
    def facts(self) -> dict[str, Any]:
        """The JSON."""
        return json.loads(self.path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    @cached_property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The recorded tensors."""
        return load_file(self.path.with_suffix(".safetensors"))

    @property
    def name(self) -> str:
        """For test ids."""
        return self.path.stem

    @property
    def is_large(self) -> bool:
        """Whether the network is of a published size."""
        return bool(self.facts["clip_cfg"]["vision_width"] >= LARGE_WIDTH)

    @property
    def is_cskt(self) -> bool:
        """CSKT, or else DM-Adapter."""
        return bool(self.facts["method"] == "cskt")

    def config(self) -> EncoderConfig:
        """The network of this case."""
        clip = self.facts["clip_cfg"]
        return EncoderConfig(
            backbone=BackboneConfig(
                name=self.name,
                embed_dim=clip["embed_dim"],
                quick_gelu=True,
                vision=VisionConfig(
                    image_size=tuple(clip["image_resolution"]),
                    patch_size=clip["vision_patch_size"],
                    stride=clip["stride_size"],
                    width=clip["vision_width"],
                    layers=clip["vision_layers"],
                    heads=clip["vision_width"] // 64,
                ),
                text=TextConfig(
                    context_length=clip["context_length"],
                    vocabulary_size=clip["vocab_size"],
                    width=clip["transformer_width"],
                    heads=clip["transformer_heads"],
                    layers=clip["transformer_layers"],
                ),
            ),
            adapter=self._adapter(clip),
        )

    def _adapter(self, clip: dict[str, Any]) -> CsktConfig | DmAdapterConfig:
        facts = self.facts
        scales = {"vision_scale": facts["scale_image"], "text_scale": facts["scale_text"]}
        if self.is_cskt:
            return CsktConfig(
                prompts=facts["n_ctx"], depth=facts["depth"], reduction=facts["adapter_reduction"], **scales
            )
        return DmAdapterConfig(
            experts=clip["num_experts"], top_k=clip["topk"], reduction=clip["reduction"], **scales
        )

    def fill(self, name: str) -> torch.Tensor:
        """The official tensor of that name."""
        shape = tuple(self.facts["params"][name])
        return torch.from_numpy(fill_rule().fill(name, shape, self.facts["seed"]))

    def encoder(self) -> PersonEncoder:
        """The network with this case's weights, training what the method trains."""
        encoder = PersonEncoder(self.config())
        with torch.no_grad():
            for name, value in encoder.state_dict().items():
                value.copy_(self.fill(official_name(name)))
        return encoder

    def images(self) -> torch.Tensor:
        """Pixels (batch, 3, height, width), stored or regenerated."""
        if "in.images" in self.tensors:
            return self.tensors["in.images"]
        shape = (len(self.facts["token_lengths"]), 3, *self.facts["clip_cfg"]["image_resolution"])
        return torch.from_numpy(fill_rule().images(shape, self.facts["seed"]))

    def kept(self, tokens: torch.Tensor) -> torch.Tensor:
        """The recorded positions of (batch, tokens, ...): all, the first 6, or the first 6 and the last 9."""
        rule = self.facts["token_slice"]
        if rule == "all":
            return tokens
        first = re.search(r"first (\d+)", rule)
        upto = re.search(r"\[0\.\.(\d+)\]", rule)
        last = re.search(r"last (\d+)", rule)
        head = int(first[1]) if first else int(upto[1]) + 1 if upto else 0
        parts = [tokens[:, :head]] + ([tokens[:, -int(last[1]) :]] if last else [])
        return torch.cat(parts, dim=1)


def model_cases() -> Iterator[ModelCase]:
    """Every model case that is there."""
    return (ModelCase(path) for path in case_files("cskt_*.json", "dm_adapter_*.json"))


def scalar(tensor: torch.Tensor) -> float:
    """Recorded scalars have one element."""
    return float(np.asarray(tensor).reshape(()))
