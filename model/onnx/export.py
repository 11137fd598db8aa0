"""An encoder as ONNX files that need nothing of ours, laid out as Immich lays out its CLIP models.

    FOLDER/config.json                              the network, in open_clip's terms
    FOLDER/visual/model.onnx                        image (batch, 3, height, width) -> embedding (batch, dim)
    FOLDER/visual/preprocess_cfg.json               how a picture becomes `image`
    FOLDER/textual/model.onnx                       text (batch, length) -> embedding (batch, dim)
    FOLDER/textual/tokenizer.json, ..._config.json  how a sentence becomes `text`
    FOLDER/example.py                               both, in twenty lines

Embeddings have unit length, so that a product of two is their cosine.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from model.checkpoint import WEIGHTS_FILE, fingerprint_of
from model.encoder import PersonEncoder
from model.errors import CheckpointError, ConfigError
from model.onnx.tokenizer_file import as_json, tokenizer_files
from model.tokenizer import Tokenizer
from model.whole_file import whole_file

if TYPE_CHECKING:
    import onnx

PACKAGES = ("onnx", "onnxruntime")
EXAMPLE = Path(__file__).with_name("example.py")
TOLERANCE = 1e-4
LARGEST = 2_000_000_000
"""Bytes; a protobuf file ends at 2 GiB."""
PICTURES, CAPTIONS, SEED = 2, 4, 0


@dataclass(frozen=True)
class OnnxReport:
    """What was written: the largest difference to torch in any number of a probe's unit embedding, as
    onnxruntime computes it, and the files' sizes in bytes."""

    image_difference: float
    text_difference: float
    visual_bytes: int
    textual_bytes: int


def write_onnx(encoder: PersonEncoder, folder: Path | str, name: str) -> OnnxReport:
    """Write `encoder` (in evaluation mode), called `name`, to `folder`, replacing older files there.

    Raises ConfigError if the packages for it are missing; CheckpointError, with nothing written, if the
    folder is a checkpoint, a tower too large, or the files would not compute what torch does.
    """
    if encoder.training:
        raise ValueError("an encoder is exported in evaluation mode")
    _require_packages()
    from model.onnx.towers import text_graph, vision_graph

    folder = Path(folder)
    if (folder / WEIGHTS_FILE).exists():
        raise CheckpointError(
            f"{folder}: a checkpoint is here, whose config.json would be lost; name another."
        )
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "visual" / "model.onnx").is_file():
        raise CheckpointError(
            f"{folder}: holds something else than ONNX files of an encoder; name a new or empty folder."
        )
    visual, textual = (_serialised(make(encoder)) for make in (vision_graph, text_graph))
    report = OnnxReport(*_differences(encoder, visual, textual), len(visual), len(textual))
    worst = max(report.image_difference, report.text_difference)
    if not worst <= TOLERANCE:
        raise CheckpointError(
            f"{name}: the ONNX files differ from torch by {worst:.1e}, more than {TOLERANCE:.0e}; "
            "check that the weights are finite, or use the encoder with torch."
        )
    contents = {
        "config.json": as_json(_config(encoder, name)),
        "visual/model.onnx": visual,
        "visual/preprocess_cfg.json": as_json(_preprocessing(encoder)),
        "textual/model.onnx": textual,
        "example.py": EXAMPLE.read_bytes(),
    }
    tokenizer = Tokenizer(encoder.config.backbone.text.context_length)
    contents |= {f"textual/{file}": content for file, content in tokenizer_files(tokenizer).items()}
    _write(folder, contents)
    return report


def _require_packages() -> None:
    for package in PACKAGES:
        try:
            importlib.import_module(package)
        except ImportError:
            raise ConfigError(f"ONNX export needs {package}: install cskt with its extra onnx.") from None


def _serialised(model: "onnx.ModelProto") -> bytes:
    size = model.ByteSize()
    if size > LARGEST:
        raise CheckpointError(
            f"a tower of {size / 1e9:.1f} GB does not fit one ONNX file (2 GB); use the encoder with torch."
        )
    content: bytes = model.SerializeToString()
    return content


@torch.no_grad()
def _differences(encoder: PersonEncoder, visual: bytes, textual: bytes) -> tuple[float, float]:
    """Of a few pictures of noise and captions from the shortest to a full one."""
    device = encoder.text.text_projection.device
    random = torch.Generator().manual_seed(SEED)
    text = encoder.config.backbone.text
    image = torch.randn(PICTURES, 3, *encoder.config.backbone.vision.image_size, generator=random)
    ids = torch.randint(1, text.vocabulary_size - 2, (CAPTIONS, text.context_length), generator=random)
    for row, end in enumerate(np.linspace(1, text.context_length - 1, CAPTIONS, dtype=int)):
        ids[row, 0], ids[row, end] = text.vocabulary_size - 2, text.vocabulary_size - 1
        ids[row, end + 1 :] = 0
    return (
        _apart(visual, {"image": image.numpy()}, encoder.encode_image(image.to(device))),
        _apart(textual, {"text": ids.int().numpy()}, encoder.encode_text(ids.to(device))),
    )


def _apart(model: bytes, inputs: dict[str, NDArray[Any]], features: torch.Tensor) -> float:
    from onnxruntime import InferenceSession

    session = InferenceSession(model, providers=["CPUExecutionProvider"])
    (embedding,) = session.run(["embedding"], inputs)
    return float(np.abs(embedding - F.normalize(features, dim=-1).cpu().numpy()).max())


def _preprocessing(encoder: PersonEncoder) -> dict[str, Any]:
    """In open_clip's terms; "squash" does not keep the aspect ratio, as ours does not. `size` is (height,
    width)."""
    return {
        "size": encoder.config.backbone.vision.image_size,
        "mode": "RGB",
        "mean": encoder.config.mean,
        "std": encoder.config.std,
        "interpolation": "bilinear",
        "resize_mode": "squash",
        "fill_color": 0,
    }


def _config(encoder: PersonEncoder, name: str) -> dict[str, Any]:
    """In open_clip's terms, and under `cskt` what the files were made from."""
    backbone = encoder.config.backbone
    vision, text = backbone.vision, backbone.text
    return {
        "embed_dim": backbone.embed_dim,
        "quick_gelu": backbone.quick_gelu,
        "vision_cfg": {
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "layers": vision.layers,
            "width": vision.width,
            "head_width": vision.width // vision.heads,
        },
        "text_cfg": {
            "context_length": text.context_length,
            "vocab_size": text.vocabulary_size,
            "width": text.width,
            "heads": text.heads,
            "layers": text.layers,
        },
        "cskt": {
            "name": name,
            "fingerprint": fingerprint_of(encoder),
            "method": encoder.config.adapter.method,
            "caption_length": text.context_length - encoder.adapter.reserved_tokens,
        },
    }


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    try:
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:
                file.write(content)
    except OSError as error:
        raise CheckpointError(
            f"{folder}: the ONNX files could not be written ({error.strerror or error})."
        ) from error
