"""CLIP by open_clip's names: known architectures, built to any image size and stride, and fetched weights.

The only file besides the tokenizer that knows open_clip, and only functions import it: building needs none
of it.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import nn

from model.clip import Clip, drawn
from model.config import OPENAI_MEAN, OPENAI_STD, BackboneConfig, TextConfig, VisionConfig
from model.errors import CheckpointError, ConfigError
from model.stem import ConvolutionalStem
from model.torchvision_shim import ensure_torchvision_imports

WEIGHT_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # their names on the hub
CONNECT_SECONDS = 10.0
_VISION_KEYS = {"image_size", "layers", "width", "patch_size", "head_width", "mlp_ratio"}
_TEXT_KEYS = {"context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"}
_OTHER_KEYS = {"embed_dim", "quick_gelu", "vision_cfg", "text_cfg"}


@dataclass(frozen=True)
class PretrainedClip:
    """Weights by OpenAI's tensor names, their activation and how their images were normalised."""

    tensors: dict[str, torch.Tensor]
    quick_gelu: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def backbone_config(name: str, image_size: tuple[int, int], stride: int | None = None) -> BackboneConfig:
    """The plain CLIP that open_clip knows as `name`, at `image_size` (height, width).

    Raises ConfigError for unknown names and for architectures that are no plain CLIP (a vision transformer
    with a class token, a causal text transformer).
    """
    known = _open_clip().get_model_config(name)
    if known is None:
        raise ConfigError(
            f"open_clip knows no model {name!r}: use a name such as ViT-B-16-quickgelu or ViT-L-14."
        )
    vision, text = known["vision_cfg"], known["text_cfg"]
    foreign = (vision.keys() - _VISION_KEYS) | (text.keys() - _TEXT_KEYS) | (known.keys() - _OTHER_KEYS)
    if foreign or not isinstance(vision.get("layers"), int):
        what = f" ({', '.join(sorted(foreign))})" if foreign else ""
        raise ConfigError(
            f"open_clip's {name!r} is not a plain CLIP with two transformers{what}: use another model."
        )
    return BackboneConfig(
        name=name,
        embed_dim=known["embed_dim"],
        quick_gelu=known.get("quick_gelu", False),
        vision=VisionConfig(
            image_size=image_size,
            patch_size=vision["patch_size"],
            stride=stride or vision["patch_size"],
            width=vision["width"],
            layers=vision["layers"],
            heads=vision["width"] // vision.get("head_width", 64),
            mlp_ratio=vision.get("mlp_ratio", 4.0),
        ),
        text=TextConfig(
            context_length=text.get("context_length", 77),
            vocabulary_size=text.get("vocab_size", 49408),
            width=text["width"],
            heads=text["heads"],
            layers=text["layers"],
            mlp_ratio=text.get("mlp_ratio", 4.0),
        ),
    )


def build_clip(config: BackboneConfig) -> Clip:
    """A freshly initialised CLIP with the configured patch embedding and position grid."""
    clip, vision = Clip(config), config.vision
    clip.visual.conv1 = _patch_embedding(vision)
    rows, columns = vision.grid
    clip.visual.positional_embedding = drawn(1 + rows * columns, vision.width, std=vision.width**-0.5)
    return clip


def fetch_pretrained(name: str, tag: str) -> PretrainedClip:
    """The weights that open_clip knows as `name`/`tag`, from its cache or the network.

    Raises CheckpointError for unknown tags, and when they cannot be fetched, saying what to put where.
    """
    open_clip = _open_clip()
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise CheckpointError(
            f"openclip:{name}/{tag}: no file or folder {tag!r} here, and open_clip's weights for {name} are "
            f"{', '.join(tags) or 'none'}."
        )
    known = open_clip.get_pretrained_cfg(name, tag)
    repository = known["hf_hub"].rstrip("/")
    try:
        require_cached_or_reachable(repository)
        with _errors_only_raised(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clip = open_clip.create_model(name, pretrained=tag)
    except Exception as error:  # open_clip lets every kind of network and file error through
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"openclip:{name}/{tag}: open_clip could not fetch these weights ({reason[:160]}); without a "
            f"network, download {WEIGHT_FILES[0]} of https://huggingface.co/{repository} elsewhere and use "
            f"openclip:{name}/FILE."
        ) from error
    quick_gelu = not isinstance(clip.transformer.resblocks[0].mlp.gelu, nn.GELU)
    mean, std = tuple(known.get("mean") or OPENAI_MEAN), tuple(known.get("std") or OPENAI_STD)
    return PretrainedClip(dict(clip.state_dict()), quick_gelu, mean, std)


def _open_clip() -> ModuleType:
    ensure_torchvision_imports()
    import open_clip

    return open_clip  # type: ignore[no-any-return]


def _patch_embedding(vision: VisionConfig) -> nn.Module:
    if vision.stem_widths:
        return ConvolutionalStem(vision.stem_widths, vision.width)
    return nn.Conv2d(3, vision.width, kernel_size=vision.patch_size, stride=vision.stride, bias=False)


def require_cached_or_reachable(repository: str) -> None:
    """Raise OSError at once if a hub repository's weights are neither cached nor to be had.

    The hub's own client would try again for most of a minute.
    """
    import huggingface_hub  # comes with open_clip

    if any(
        isinstance(huggingface_hub.try_to_load_from_cache(repository, name), str) for name in WEIGHT_FILES
    ):
        return
    hub = huggingface_hub.constants.ENDPOINT
    try:
        huggingface_hub.get_session().head(hub, timeout=CONNECT_SECONDS)
    except Exception as error:  # the client's library differs between versions, and so do its errors
        raise OSError(f"{hub} cannot be reached") from error


@contextmanager
def _errors_only_raised() -> Iterator[None]:
    """open_clip also logs what it raises; the caller tells it once."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
