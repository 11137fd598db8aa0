"""Reads the tensors out of a TorchScript archive, the form OpenAI publishes CLIP in, without running its
code.

The archive is a zip with a pickle of the module tree and one raw file per storage. A pickle may name any
function to call; this reader knows tensors, storages and containers, takes every module class for a plain
record, and refuses the rest.
"""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch

_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def is_torchscript(path: Path) -> bool:
    """Whether the file is a zip with TorchScript code in it."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/", 1)[-1] == "constants.pkl" for name in archive.namelist())


def read_torchscript_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Names and tensors (parameters and buffers) of the archived module.

    Raises pickle.UnpicklingError for anything that is no module tree of tensors, and what zipfile raises for
    damage.
    """
    with zipfile.ZipFile(path) as archive:
        pickled = next(name for name in archive.namelist() if name.split("/", 1)[-1] == "data.pkl")
        with archive.open(pickled) as file:
            root = _ModuleUnpickler(file, archive, pickled.removesuffix("data.pkl")).load()
    tensors: dict[str, torch.Tensor] = {}
    _collect(root, "", tensors)
    return tensors


class _Record:
    """A module of any class: its attributes only."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.attributes = state


class _ModuleUnpickler(pickle.Unpickler):
    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:  # noqa: ANN401 (a zip's file)
        super().__init__(file)
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 (pickle's own contract)
        """The few things a module tree is made of."""
        if module.startswith("__torch__"):
            return type(name, (_Record,), {})
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return list
        raise pickle.UnpicklingError(f"the archive names {module}.{name}, which weights do not need")

    def persistent_load(self, pid: Any) -> torch.Tensor:  # noqa: ANN401 (pickle's own contract)
        """One storage as a flat tensor."""
        _, dtype, key, _, count = pid
        raw = bytearray(self._archive.read(f"{self._folder}data/{key}"))
        flat = torch.frombuffer(raw, dtype=dtype) if raw else torch.empty(0, dtype=dtype)
        if len(flat) != count:
            raise pickle.UnpicklingError(f"storage {key} holds {len(flat)} values instead of {count}")
        return flat


def _rebuild_tensor(
    flat: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: object
) -> torch.Tensor:
    return flat.as_strided(size, stride, offset).clone()


def _collect(value: object, prefix: str, tensors: dict[str, torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        tensors[prefix.removesuffix(".")] = value
    elif isinstance(value, _Record):
        for name, attribute in value.attributes.items():
            _collect(attribute, f"{prefix}{name}.", tensors)
