"""Which precisions a device has, which of them is quickest, and the products that go with each."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import torch

from model.errors import ConfigError
from model.inference.int8 import Int8Products, SiteScales, bytes_available
from model.inference.products import OneDnnProducts, Products, TorchProducts, onednn_available

Precision = Literal["float32", "bfloat16", "float16", "int8"]

DTYPES: dict[Precision, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def precisions_of(device: torch.device) -> tuple[Precision, ...]:
    """What a device has, the one to prefer first; on a CPU bfloat16 counts only where it has units for it.

    That is the quickest. With AMX bytes gain a twentieth over bfloat16, which is not worth their error.
    """
    if device.type == "cuda":
        return ("float16", "bfloat16", "float32")
    if device.type != "cpu":
        return ("float32",)
    low: list[Precision] = []
    if bytes_available() and onednn_available():
        low.append("int8")
    if quick_bfloat16():
        low.insert(0 if matrix_units() else len(low), "bfloat16")
    return (*low, "float32")


def choose_precision(
    wanted: str, device: torch.device, proven: Collection[str], has_scales: bool = False
) -> Precision:
    """The precision named, or for `auto` the first that the device has and an export has `proven`.

    float32 is exact and needs no proof; a precision asked for by name is not asked for one. Raises
    ConfigError for what the device has not, and for int8 without scales, which an export finds.
    """
    has = precisions_of(device)
    wanted = wanted.strip().lower() or "auto"
    if wanted not in ("auto", "int8", *DTYPES):
        raise ConfigError(f"precision {wanted!r} is unknown: use auto, {', '.join(has)}.")
    if wanted == "auto":
        return next(name for name in has if name in proven or name == "float32")
    if wanted not in has:
        raise ConfigError(
            f"precision {wanted!r} is not to be had on this {device.type}: use auto, {', '.join(has)}."
        )
    if wanted == "int8" and not has_scales:
        raise ConfigError(
            "this encoder has no int8 form, or a damaged one: cskt export --precision int8 makes one."
        )
    return next(name for name in has if name == wanted)


def products_for(
    precision: Precision, device: torch.device, scales: Mapping[str, SiteScales] | None = None
) -> Products:
    """How a precision is executed on a device. Raises ValueError for int8 without scales."""
    if precision == "int8":
        if scales is None:
            raise ValueError("int8 needs scales")
        return Int8Products(scales, OneDnnProducts(DTYPES["bfloat16" if quick_bfloat16() else "float32"]))
    if device.type == "cpu" and onednn_available():
        return OneDnnProducts(DTYPES[precision])
    return TorchProducts(DTYPES[precision], device)


def in_float(products: Products) -> Products:
    """The products that captions go through: no bytes, as a caption waits for weights and not for sums."""
    return products.others if isinstance(products, Int8Products) else products


def quick_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32.

    With AMX, or with AVX-512 BF16 as AMD builds it; Intel's without AMX is slower than its float32.
    """
    if not onednn_available():
        return False
    return matrix_units() or (torch.cpu._is_avx512_bf16_supported() and _made_by_amd())


def matrix_units() -> bool:
    """Whether this processor has AMX."""
    return torch.cpu._is_amx_tile_supported()


def _made_by_amd() -> bool:
    facts = Path("/proc/cpuinfo")
    return facts.exists() and "AuthenticAMD" in facts.read_text()
