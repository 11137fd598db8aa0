"""Embedder: an encoder ready for use. Texts or pictures in, unit float32 vectors (numpy) out."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from model.adapters.full import FullConfig
from model.backbone import WEIGHT_FILES, backbone_config, fetch_pretrained
from model.checkpoint import LoadedCheckpoint, fingerprint_of, read_checkpoint
from model.config import PERSON_IMAGE_SIZE, EncoderConfig
from model.encoder import PersonEncoder
from model.errors import CheckpointError, ConfigError
from model.freed_memory import large_parts_apart
from model.inference.form import build_form
from model.inference.precision import choose_precision
from model.inference.proven import Proven, read_proven
from model.phrase_maps import NEUTRAL, Maps, comparable, covered, covered_maps
from model.released_weights import fit_released, read_released, released_from_clip
from model.resizing import Resize
from model.tokenizer import Tokenizer

DEMO_FOLDER = Path(__file__).parent / "weights" / "demo"
OPENCLIP = "openclip:"
IMAGES_AT_ONCE = 256
Vectors = NDArray[np.float32]
Picture = NDArray[np.uint8] | torch.Tensor


class Embedder:
    """One encoder on one device. Calls from several threads wait for each other; results do not depend on
    batching.

    `name` is what opened it, `fingerprint` what its vectors depend on, `dimension` their length,
    `context_length` the tokens a text may have before its tail is cut, `preprocess` turns a picture into
    pixels in any thread. `device_type` is where it runs, cpu or cuda. `precision` is the one it computes in,
    `auto` the quickest that is `proven`.
    """

    def __init__(
        self,
        encoder: PersonEncoder,
        name: str,
        fingerprint: str,
        device: torch.device,
        precision: str = "float32",
        proven: Proven | None = None,
    ) -> None:
        proven = proven or Proven()
        text = encoder.config.backbone.text
        self.name, self.fingerprint, self.device_type = name, fingerprint, device.type
        self.dimension = encoder.config.backbone.embed_dim
        self.context_length = text.context_length - encoder.adapter.reserved_tokens
        self.preprocess = Resize(encoder.config.backbone.vision.image_size)
        self.precision = choose_precision(precision, device, proven.good, proven.scales is not None)
        self._form = build_form(encoder.eval(), self.precision, device, proven.scales)
        self._tokenizer = Tokenizer(text.context_length, read_marks=False)
        self._one_at_a_time = threading.Lock()

    def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """Sentences -> (texts, dimension), rows of unit length.

        Any text is one: an empty one is what the encoder makes of no words, halves of characters are read as
        U+FFFD, and a literal `<|endoftext|>` ends nothing.
        """
        ids = self._tokenizer.encode(texts)
        with self._one_at_a_time:
            return _unit(self._form.encode_text(ids))

    def embed_images(self, images: Sequence[NDArray[np.uint8]]) -> Vectors:
        """RGB pictures (height, width, 3) of any sizes -> (images, dimension), rows of unit length."""
        vectors = np.empty((len(images), self.dimension), dtype=np.float32)
        for start in range(0, len(images), IMAGES_AT_ONCE):
            part = [self.preprocess(image) for image in images[start : start + IMAGES_AT_ONCE]]
            vectors[start : start + len(part)] = self.embed_pixels(torch.from_numpy(np.stack(part)))
        return vectors

    def embed_pixels(self, pixels: torch.Tensor) -> Vectors:
        """Resized pictures, bytes (n, height, width, 3) -> (n, dimension), rows of unit length."""
        with self._one_at_a_time:
            return _unit(self._form.encode_image(pixels))

    def phrase_maps(self, pixels: Picture, phrases: Sequence[str]) -> Maps:
        """Where the patches' tokens answer each phrase: (phrases, rows, columns) of the patches, 0..1.

        `pixels` is one resized picture, bytes (height, width, 3). One pass of the picture, but the tokens of
        the demo encoder say little: see model/README.md, and `covered_maps` for maps that point better.
        Raises ValueError for a picture of another shape or type.
        """
        picture = self._one_picture(pixels)
        texts = self.embed_texts([*phrases, NEUTRAL])
        with self._one_at_a_time:
            tokens = _unit(self._form.image_tokens(torch.from_numpy(picture[None])))[0, 1:]
        against = -texts @ tokens.T  # inverted, as tokens lie farther from what they show: measured
        return comparable(against.reshape(len(texts), *self._form.grid))

    def covered_maps(self, pixels: Picture, phrases: Sequence[str]) -> Maps:
        """How much each phrase's cosine loses where a place is covered: (phrases, 10, 4), 0..1.

        Needs the picture to be encoded 80 times. Picture and errors as for `phrase_maps`.
        """
        picture = self._one_picture(pixels)
        texts = self.embed_texts([*phrases, NEUTRAL])
        return covered_maps(texts, self.embed_pixels(torch.from_numpy(covered(picture))))

    def _one_picture(self, pixels: Picture) -> NDArray[np.uint8]:
        picture = pixels.numpy() if isinstance(pixels, torch.Tensor) else np.array(pixels)
        shape = (*self.preprocess.image_size, 3)
        if picture.dtype != np.uint8 or picture.shape != shape:
            raise ValueError(f"a resized picture is uint8 {shape}, not {picture.dtype} {picture.shape}")
        return picture

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` before any cut, start and end included."""
        return self._tokenizer.count(text)


def open_embedder(encoder: str, device: str = "auto", precision: str = "auto") -> Embedder:
    """The encoder named `demo`, a checkpoint folder, or `openclip:MODEL/PRETRAINED` (a tag or a local file).

    `precision` auto takes the quickest form that the device has and an export has proven, else float32;
    a form that was only written by force is used where its precision is named.
    Raises CheckpointError if it is not there or does not fit, ConfigError for an unknown model, device or
    precision.
    """
    place = choose_device(device)
    with large_parts_apart():
        network, fingerprint = open_encoder(encoder)
        folder = checkpoint_folder(encoder)
        name = encoder if encoder == "demo" or folder is None else str(folder)
        proven = Proven() if folder is None else read_proven(folder, fingerprint)
        embedder = Embedder(network, name, fingerprint, place, precision, proven)
        del network  # its weights live on in the form
    return embedder


def open_encoder(encoder: str) -> LoadedCheckpoint:
    """The network that `open_embedder` would use, on the CPU, and its fingerprint. Errors as there."""
    if encoder.startswith(OPENCLIP):
        network = _openclip(encoder)
        return LoadedCheckpoint(network, fingerprint_of(network))
    if encoder == "demo" and not DEMO_FOLDER.is_dir():
        raise CheckpointError(
            "demo: this installation carries no demo encoder; train one or name a checkpoint folder."
        )
    return read_checkpoint(_folder(encoder))


def checkpoint_folder(encoder: str) -> Path | None:
    """Where an encoder's checkpoint lies; None for open_clip's."""
    return None if encoder.startswith(OPENCLIP) else _folder(encoder)


def public_name(encoder: str) -> str:
    """What an encoder is called in files that are passed on: of a path only its last part."""
    if encoder.startswith(OPENCLIP):
        model, _, pretrained = encoder.removeprefix(OPENCLIP).partition("/")
        return f"{OPENCLIP}{model}/{_last_part(pretrained)}"
    return encoder if encoder == "demo" else _last_part(encoder)


def _last_part(path: str) -> str:
    return Path(os.path.abspath(Path(path).expanduser())).name  # noqa: PTH100 (a link keeps its own name)


def _folder(encoder: str) -> Path:
    return DEMO_FOLDER if encoder == "demo" else Path(encoder).expanduser().resolve()


def _openclip(encoder: str) -> PersonEncoder:
    """open_clip's MODEL at 384 x 128 with weights by tag (fetched) or from a file."""
    model, _, pretrained = encoder.removeprefix(OPENCLIP).partition("/")
    if not model or not pretrained:
        raise CheckpointError(
            f"{encoder}: say openclip:MODEL/PRETRAINED, such as openclip:ViT-B-16-quickgelu/openai."
        )
    backbone = backbone_config(model, PERSON_IMAGE_SIZE)
    path = Path(pretrained).expanduser()
    if path.is_dir():
        path = next((path / name for name in WEIGHT_FILES if (path / name).is_file()), path)
    if path.exists() or path.suffix:
        weights = read_released(path)
        backbone = backbone.model_copy(update={"quick_gelu": backbone.quick_gelu or weights.from_openai})
        return fit_released(weights, EncoderConfig(backbone=backbone, adapter=FullConfig()))
    clip = fetch_pretrained(model, pretrained)
    backbone = backbone.model_copy(update={"quick_gelu": clip.quick_gelu})
    config = EncoderConfig(backbone=backbone, adapter=FullConfig(), mean=clip.mean, std=clip.std)
    return fit_released(released_from_clip(clip.tensors, encoder), config)


def choose_device(name: str) -> torch.device:
    """The device called auto, cpu, cuda or cuda:N. Raises ConfigError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device: torch.device | None
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device {name!r} is unknown: use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices."
        )
    return device


def _unit(features: torch.Tensor) -> Vectors:
    return F.normalize(features.float(), dim=-1).cpu().numpy()
