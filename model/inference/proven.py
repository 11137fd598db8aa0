"""What an export has proven of an encoder: `forms.json` and `int8.safetensors` in its checkpoint folder.

Proofs count for exactly the weights, configuration and preprocessing they were measured with. When those have
changed since, or the scales are not those of the proof, they are as good as not there.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save

from model.errors import CheckpointError
from model.inference.int8 import MOST, HiddenScale, SiteScales
from model.inference.precision import Precision
from model.whole_file import whole_file, write_whole

FORMS_FILE, INT8_FILE = "forms.json", "int8.safetensors"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cosines(_Record):
    """Between vectors of the float32 form and of this one: the least, the first percentile, the median."""

    least: float
    p1: float
    median: float


class Parity(_Record):
    """How far a form is from the float32 form, measured on `data` with some pictures and captions.

    `top10_overlap` (0 .. 1): the mean share of a caption's ten best pictures that are the same. R@1 in
    percent, text to image; its change in points with a 95 % interval, people resampled. A `forced` form fell
    short and was written all the same; it is used only where its precision is named.
    """

    images: Cosines
    texts: Cosines
    top10_overlap: float
    r1_float32: float
    r1: float
    r1_change: float
    r1_change_interval: tuple[float, float]
    data: str
    pictures: int
    captions: int
    processor: str
    date: str
    forced: bool = False


class _FormsFile(_Record):
    format: Literal[1] = 1
    fingerprint: str
    int8_sha256: str | None = None
    forms: dict[Precision, Parity] = {}


@dataclass(frozen=True)
class Proven:
    """Reports by precision, and the scales that go with int8; both empty where nothing was proven."""

    forms: Mapping[Precision, Parity] = field(default_factory=dict)
    scales: Mapping[str, SiteScales] | None = None

    @property
    def good(self) -> tuple[Precision, ...]:
        """The precisions that `auto` may take: not those that were written although they fell short."""
        return tuple(name for name, parity in self.forms.items() if not parity.forced)


def read_proven(folder: Path, fingerprint: str) -> Proven:
    """What is proven of the encoder in `folder` that has this fingerprint.

    Raises CheckpointError for files that cannot be read, and for scales that no export would write.
    """
    file = _read(folder)
    if file is None or file.fingerprint != fingerprint:
        return Proven()
    if "int8" not in file.forms:
        return Proven(file.forms)
    scales = _read_scales(folder / INT8_FILE, file.int8_sha256)
    if scales is None:
        return Proven({name: parity for name, parity in file.forms.items() if name != "int8"})
    return Proven(file.forms, scales)


def write_proven(
    folder: Path,
    fingerprint: str,
    precision: Precision,
    parity: Parity,
    scales: Mapping[str, SiteScales] | None = None,
) -> None:
    """Add a form to those proven of the encoder in `folder`; `scales` only with int8."""
    file = _read(folder)
    if file is None or file.fingerprint != fingerprint:
        file = _FormsFile(fingerprint=fingerprint)
    digest = file.int8_sha256
    if scales is not None:
        content = save(_tensors(scales))
        digest = hashlib.sha256(content).hexdigest()
        with whole_file(folder / INT8_FILE) as place:
            place.write(content)
    forms = {**file.forms, precision: parity}
    written = file.model_copy(update={"forms": forms, "int8_sha256": digest})
    write_whole(folder / FORMS_FILE, written.model_dump_json(indent=1) + "\n")


def _read(folder: Path) -> _FormsFile | None:
    path = folder / FORMS_FILE
    if not path.is_file():
        return None
    try:
        return _FormsFile.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise CheckpointError(
            f"{path}: cannot be read; remove it to use the encoder in float32, then run cskt export again."
        ) from error


def _read_scales(path: Path, digest: str | None) -> dict[str, SiteScales] | None:
    """Scales by site; None where they are not those of the proof. CheckpointError as in `read_proven`."""
    try:
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != digest:
            return None
        tensors = load(content)
        return {
            name.removesuffix(".divisor"): SiteScales(_divisor(name, tensor), _hidden(name, tensors))
            for name, tensor in tensors.items()
            if name.endswith(".divisor")
        }
    except (SafetensorError, KeyError, ValueError, OSError) as error:  # KeyError: a type torch has not
        raise CheckpointError(
            f"{path}: not the scales of an int8 form ({error}); remove it to use the encoder without int8, "
            "then run cskt export again."
        ) from error


def _tensors(scales: Mapping[str, SiteScales]) -> dict[str, torch.Tensor]:
    tensors = {f"{site}.divisor": one.divisor for site, one in scales.items()}
    for site, one in scales.items():
        if one.hidden is not None:
            pair = [one.hidden.step, one.hidden.zero]
            tensors[f"{site}.hidden"] = torch.tensor(pair, dtype=torch.float64)
    return tensors


def _divisor(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """Raises ValueError for what cannot divide."""
    if tensor.dim() != 1 or not tensor.is_floating_point():
        raise ValueError(f"{name} is not a row of floats")
    divisor = tensor.float()
    if not (divisor > 0).all() or not (divisor.isfinite() & (1 / divisor).isfinite()).all():
        raise ValueError(f"{name} has numbers that are not above 0 and finite")
    return divisor


def _hidden(name: str, tensors: Mapping[str, torch.Tensor]) -> HiddenScale | None:
    """Of the site that divisor `name` belongs to. Raises ValueError for what is no scale."""
    name = name.removesuffix(".divisor") + ".hidden"
    pair = tensors.get(name)
    if pair is None:
        return None
    if pair.shape != (2,) or not pair.is_floating_point():
        raise ValueError(f"{name} is not two floats")
    step, zero = pair.tolist()
    if not (pair[0].float() > 0 and pair[0].float().isfinite()):
        raise ValueError(f"{name} has a step that is not above 0 and finite")
    if not (0 <= zero <= MOST and zero == int(zero)):
        raise ValueError(f"{name} has a zero that is no byte")
    return HiddenScale(step, int(zero))
