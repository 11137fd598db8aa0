"""What a released checkpoint's network was, told from the shapes of its tensors (names as the authors'
files have them)."""

import math
import re
from dataclasses import dataclass

from pydantic import ValidationError

from model.adapters import AdapterConfig
from model.adapters.cskt import CsktConfig
from model.adapters.dm_adapter import DmAdapterConfig
from model.adapters.full import FullConfig
from model.config import PERSON_IMAGE_SIZE, BackboneConfig, EncoderConfig, TextConfig, VisionConfig
from model.errors import CheckpointError
from model.released_weights import POSITIONS, ReleasedWeights

HEAD_WIDTH = 64
PUBLISHED_TOP_K = 2


@dataclass(frozen=True)
class Choices:
    """What shapes cannot tell; None takes the published value, or the one that fits.

    `image_size` is (height, width) in pixels, `quick_gelu` the activation of a plain CLIP that is not
    OpenAI's own file, `top_k` the number of experts a token picks in DM-Adapter.
    """

    image_size: tuple[int, int] | None = None
    stride: int | None = None
    quick_gelu: bool | None = None
    top_k: int | None = None


def released_config(weights: ReleasedWeights, choices: Choices) -> EncoderConfig:
    """The configuration of the released network; CheckpointError if the shapes contradict each other."""
    try:
        return EncoderConfig(backbone=_backbone(weights, choices), adapter=_adapter(weights, choices))
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise CheckpointError(
            f"{weights.where}: no network can be built as its tensors say ({reason})."
        ) from error


def _backbone(weights: ReleasedWeights, choices: Choices) -> BackboneConfig:
    width, _, patch, _ = _shape(weights, "base_model.visual.conv1.weight", 4)
    text_width, embed_dim = _shape(weights, "base_model.text_projection", 2)
    vocabulary, _ = _shape(weights, "base_model.token_embedding.weight", 2)
    context, _ = _shape(weights, "base_model.positional_embedding", 2)
    layers = _count(weights, r"base_model\.visual\.transformer\.resblocks\.(\d+)\.")
    stride = choices.stride or patch
    return BackboneConfig(
        name=f"CLIP ViT {width}x{layers}/{patch}",
        embed_dim=embed_dim,
        quick_gelu=weights.from_openai or choices.quick_gelu is not False,
        vision=VisionConfig(
            image_size=choices.image_size or _image_size(weights, patch, stride),
            patch_size=patch,
            stride=stride,
            width=width,
            layers=layers,
            heads=_heads(weights, width),
            mlp_ratio=_mlp_ratio(weights, "base_model.visual.", width),
        ),
        text=TextConfig(
            context_length=context,
            vocabulary_size=vocabulary,
            width=text_width,
            heads=_heads(weights, text_width),
            layers=_count(weights, r"base_model\.transformer\.resblocks\.(\d+)\."),
            mlp_ratio=_mlp_ratio(weights, "base_model.", text_width),
        ),
    )


def _adapter(weights: ReleasedWeights, choices: Choices) -> AdapterConfig:
    block = "base_model.visual.transformer.resblocks.0."
    if weights.layout == "cskt":
        bottleneck, width = _shape(weights, block + "adapter_mlp.down.weight", 2)
        return CsktConfig(
            prompts=_shape(weights, "prompt_learner.ctx", 2)[0],
            depth=1 + _count(weights, r"prompt_learner\.compound_prompts_text\.(\d+)$"),
            reduction=max(width // bottleneck, 1),
        )
    if weights.layout == "dm_adapter":
        bottleneck, width = _shape(weights, block + "feed_forward.experts.0.down.weight", 2)
        experts = _shape(weights, block + "feed_forward.input_gate.weight", 2)[0]
        return DmAdapterConfig(
            experts=experts,
            top_k=choices.top_k or min(PUBLISHED_TOP_K, experts),
            reduction=max(width // bottleneck, 1),
        )
    return FullConfig()


def _image_size(weights: ReleasedWeights, patch: int, stride: int) -> tuple[int, int]:
    """384 x 128 where the patches fit it or (plain CLIP) are resized to it; else 3:1, 2:1 or square,
    whichever fits."""
    patches = _shape(weights, POSITIONS, 2)[0] - 1
    height, width = PERSON_IMAGE_SIZE
    rows, columns = (height - patch) // stride + 1, (width - patch) // stride + 1
    square = math.isqrt(patches) ** 2 == patches
    if patches == rows * columns or (square and weights.layout == "clip"):
        return PERSON_IMAGE_SIZE
    for ratio in (3, 2, 1):
        side = math.isqrt(patches // ratio)
        if ratio * side * side == patches:
            return (ratio * side - 1) * stride + patch, (side - 1) * stride + patch
    raise CheckpointError(
        f"{weights.where}: its {patches} patches ({patch} pixels, stride {stride}) are no {height}x{width} "
        "image; give the image size and the stride it was trained with (--image-size, --stride)."
    )


def _heads(weights: ReleasedWeights, width: int) -> int:
    if width % HEAD_WIDTH:
        raise CheckpointError(
            f"{weights.where}: the width {width} is no multiple of CLIP's head width {HEAD_WIDTH}."
        )
    return width // HEAD_WIDTH


def _mlp_ratio(weights: ReleasedWeights, tower: str, width: int) -> float:
    """The ratio that gives the hidden width back, which CLIP takes from it by leaving off what is behind the
    point."""
    hidden = _shape(weights, f"{tower}transformer.resblocks.0.mlp.c_fc.weight", 2)[0]
    ratio = hidden / width
    return ratio if int(width * ratio) == hidden else math.nextafter(ratio, math.inf)


def _count(weights: ReleasedWeights, pattern: str) -> int:
    numbers = [int(found[1]) for name in weights.tensors if (found := re.match(pattern, name))]
    return max(numbers, default=-1) + 1


def _shape(weights: ReleasedWeights, name: str, dimensions: int) -> tuple[int, ...]:
    tensor = weights.tensors.get(name)
    if tensor is None:
        raise CheckpointError(
            f"{weights.where}: tensor {name} is missing, without which the network is unknown."
        )
    if tensor.ndim != dimensions or 0 in tensor.shape:
        raise CheckpointError(
            f"{weights.where}: tensor {name} has the unexpected shape {tuple(tensor.shape)}."
        )
    return tuple(tensor.shape)
