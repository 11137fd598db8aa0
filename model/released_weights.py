"""Weights as others publish them, read into our names, strictly.

Known layouts: checkpoints of CSKT, DM-Adapter and IRRA ({"model": tensors}, CLIP under `base_model.`,
sometimes a `module.` before everything), and plain CLIP in OpenAI's names (OpenAI, open_clip). Every tensor
must find its place; what a layout is known to carry without use is left out and listed. This file alone knows
the official names.
"""

import math
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from model.checkpoint import assemble, require_fit
from model.config import EncoderConfig, VisionConfig
from model.encoder import PersonEncoder
from model.errors import CheckpointError
from model.positions import resize_position_grid
from model.torchscript_archive import is_torchscript, read_torchscript_tensors
from model.unfilled import unfilled

Layout = Literal["cskt", "dm_adapter", "irra", "clip"]
POSITIONS = "base_model.visual.positional_embedding"

_BLOCK = r"adapter\.(vision|text)\.(\d+)\."
_RENAMED: tuple[tuple[str, str], ...] = (
    (_BLOCK + r"norm\.", r"\1.transformer.resblocks.\2.ln_3."),
    (_BLOCK + r"(down|up)\.", r"\1.transformer.resblocks.\2.adapter_mlp.\3."),
    (_BLOCK + r"domain_prompt$", r"\1.transformer.resblocks.\2.task_param"),
    (_BLOCK + r"mixture\.domain_gate\.", r"\1.transformer.resblocks.\2.feed_forward.task_gate."),
    (_BLOCK + r"mixture\.", r"\1.transformer.resblocks.\2.feed_forward."),
    (r"adapter\.prompts\.text_prompt$", "prompt_learner.ctx"),
    (r"adapter\.prompts\.vision_prompt$", "prompt_learner.vision"),
    (r"adapter\.prompts\.text_to_vision\.", "prompt_learner.tmap."),
    (r"adapter\.prompts\.vision_to_text\.", "prompt_learner.vmap."),
    (r"adapter\.prompts\.deep_text_prompts\.", "prompt_learner.compound_prompts_text."),
    (r"adapter\.prompts\.deep_vision_prompts\.", "prompt_learner.compound_prompts_vision."),
    (r"adapter\.prompts\.deep_text_to_vision\.", "prompt_learner.compound_prompt_projections."),
    (r"adapter\.prompts\.deep_vision_to_text\.", "prompt_learner.compound_prompt_projections_vision."),
)
# What the layouts carry and our network has no place for: DM-Adapter's parameters that nothing reads,
# OpenAI's scalars, and the heads that only training uses.
DM_ADAPTER_UNUSED = (
    "base_model.vision_param",
    "base_model.text_param",
    "base_model.co_vision_param",
    "base_model.v2i_proj.weight",
    "base_model.v2i_proj.bias",
)
_CLIP_UNUSED = ("logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size", "attn_mask")
_TRAINING_HEADS = (
    "classifier.",
    "mlm_head.",
    "cross_attn.",
    "cross_modal_transformer.",
    "ln_pre_t.",
    "ln_pre_i.",
    "ln_post.",
)


@dataclass(frozen=True)
class ReleasedWeights:
    """`tensors` by official name (CLIP's under `base_model.`), and the names that were left out."""

    where: str
    layout: Layout
    tensors: dict[str, torch.Tensor]
    left_out: tuple[str, ...]
    from_openai: bool


def official_name(name: str) -> str:
    """Our tensor's name in the authors' checkpoints."""
    for pattern, replacement in _RENAMED:
        renamed, count = re.subn("^" + pattern, replacement, name)
        if count:
            name = renamed
            break
    if name.startswith("vision."):
        return "base_model.visual." + name.removeprefix("vision.")
    if name.startswith("text."):
        return "base_model." + name.removeprefix("text.")
    return "base_model." + name if name.startswith("visual.") else name


def read_released(path: Path | str) -> ReleasedWeights:
    """The tensors of a .pth, .pt or .safetensors file in a known layout; CheckpointError if it is none."""
    path = Path(path)
    tensors, from_openai = _read_tensors(path)
    tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    if not any(name.startswith("base_model.") for name in tensors):
        return released_from_clip(tensors, str(path), from_openai)
    return _sorted_out(tensors, str(path), _layout(tensors), from_openai)


def released_from_clip(
    tensors: Mapping[str, torch.Tensor], where: str, from_openai: bool = False
) -> ReleasedWeights:
    """A plain CLIP's tensors by OpenAI's names; `where` is for messages."""
    openai = from_openai or "input_resolution" in tensors
    return _sorted_out({f"base_model.{name}": v for name, v in tensors.items()}, where, "clip", openai)


def fit_released(weights: ReleasedWeights, config: EncoderConfig) -> PersonEncoder:
    """The weights in a network of `config`; a square position grid is resized where the image is another.

    A CLIP may be put under any adapter, which then starts untrained. Raises CheckpointError, naming the
    first, if tensors are missing, left over or of another shape.
    """
    official = dict(weights.tensors)
    official[POSITIONS] = _fit_positions(official[POSITIONS], config.backbone.vision)
    untrained = weights.layout in ("clip", "irra")
    with nullcontext() if untrained else unfilled():
        fresh = PersonEncoder(config).state_dict()
    if untrained:
        official |= {
            official_name(name): value for name, value in fresh.items() if name.startswith("adapter.")
        }
    require_fit({official_name(name): tuple(v.shape) for name, v in fresh.items()}, official, weights.where)
    ours = {name: official[official_name(name)] for name in fresh}
    encoder = assemble(config, ours, weights.where)
    if untrained:
        encoder.adapter.backbone_loaded(encoder.text.token_embedding.get_parameter("weight"))
    return encoder


def _read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], bool]:
    """The file's tensors, and whether it is a TorchScript archive (as only OpenAI publishes)."""
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; name the .pth, .pt or .safetensors file to read.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path), False
        if is_torchscript(path):
            return read_torchscript_tensors(path), True
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the formats' readers raise every kind of error on damaged files
        reason = str(error).strip().splitlines()[0][:160] if str(error).strip() else type(error).__name__
        raise CheckpointError(f"{path}: not readable as weights alone ({reason}).") from error
    for wrapper in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise CheckpointError(f"{path}: holds no table of named tensors, which a checkpoint is.")
    return {str(name): value for name, value in content.items()}, False


def _sorted_out(
    tensors: dict[str, torch.Tensor], where: str, layout: Layout, from_openai: bool
) -> ReleasedWeights:
    for needed in (POSITIONS, "base_model.visual.conv1.weight", "base_model.token_embedding.weight"):
        if needed not in tensors:
            found = ", ".join(name.removeprefix("base_model.") for name in list(tensors)[:3]) or "nothing"
            raise CheckpointError(
                f"{where}: no CLIP with a vision transformer in a known layout, {needed} is missing "
                f"(found {found})."
            )
    left_out = tuple(name for name in tensors if _is_unused(name, layout))
    kept = {name: value for name, value in tensors.items() if name not in left_out}
    return ReleasedWeights(where, layout, kept, left_out, from_openai)


def _layout(tensors: Mapping[str, torch.Tensor]) -> Layout:
    if any(name.startswith("prompt_learner.") for name in tensors):
        return "cskt"
    return "dm_adapter" if any(".feed_forward." in name for name in tensors) else "irra"


def _is_unused(name: str, layout: Layout) -> bool:
    if name.removeprefix("base_model.") in _CLIP_UNUSED:
        return True
    if layout == "dm_adapter" and name in DM_ADAPTER_UNUSED:
        return True
    return layout != "clip" and name.startswith(_TRAINING_HEADS)


def _fit_positions(table: torch.Tensor, vision: VisionConfig) -> torch.Tensor:
    """The table for the configured grid, if it belongs to a square grid of another size; else as it is."""
    rows, columns = vision.grid
    side = math.isqrt(len(table) - 1)
    if len(table) == 1 + rows * columns or side * side != len(table) - 1:
        return table
    return resize_position_grid(table, (side, side), (rows, columns))
