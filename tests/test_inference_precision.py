"""Which precision a device computes in, with the hardware pretended."""

import pytest
import torch

from model.errors import ConfigError
from model.inference import precision as module
from model.inference.precision import choose_precision, precisions_of, products_for, quick_bfloat16
from model.inference.products import OneDnnProducts, TorchProducts

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def hardware(monkeypatch):
    """Pretend a processor with or without quick bfloat16 and products of bytes."""

    def pretend(bfloat16, int8, tiles=False):
        monkeypatch.setattr(module, "quick_bfloat16", lambda: bfloat16)
        monkeypatch.setattr(module, "bytes_available", lambda: int8)
        monkeypatch.setattr(module, "matrix_units", lambda: tiles)
        monkeypatch.setattr(module, "onednn_available", lambda: True)

    return pretend


@pytest.mark.parametrize(
    ("bfloat16", "int8", "tiles", "expected"),
    [
        (False, False, False, ("float32",)),
        (True, False, False, ("bfloat16", "float32")),
        (False, True, False, ("int8", "float32")),
        (True, True, False, ("int8", "bfloat16", "float32")),
        (True, True, True, ("bfloat16", "int8", "float32")),
    ],
)
def test_a_processor_offers_what_it_has_and_the_best_first(hardware, bfloat16, int8, tiles, expected):
    hardware(bfloat16, int8, tiles)
    assert precisions_of(CPU) == expected
    assert precisions_of(CUDA) == ("float16", "bfloat16", "float32")


@pytest.mark.parametrize("kind", ["xpu", "mps", "meta"])
def test_a_device_of_another_kind_has_nothing_of_the_processors(hardware, kind):
    hardware(True, True)
    assert precisions_of(torch.device(kind)) == ("float32",)


@pytest.mark.parametrize(
    ("proven", "expected"),
    [
        ((), "float32"),
        (("bfloat16",), "bfloat16"),
        (("bfloat16", "int8"), "int8"),
        (("int8",), "int8"),
        (("float16",), "float32"),
    ],
)
def test_auto_takes_the_quickest_that_is_there_and_proven(hardware, proven, expected):
    hardware(True, True)
    assert choose_precision("auto", CPU, proven, has_scales=True) == expected


def test_auto_leaves_out_what_is_proven_but_not_there(hardware):
    hardware(False, False)
    assert choose_precision("auto", CPU, ("int8", "bfloat16", "float16"), has_scales=True) == "float32"
    assert choose_precision("auto", CUDA, ("int8", "bfloat16")) == "bfloat16"


def test_a_named_precision_needs_no_proof(hardware):
    hardware(True, True)
    assert choose_precision("bfloat16", CPU, ()) == "bfloat16"
    assert choose_precision("int8", CPU, (), has_scales=True) == "int8"


def test_a_named_precision_must_be_there_and_int8_needs_scales(hardware):
    hardware(False, True)
    with pytest.raises(ConfigError, match="'bfloat16' is not to be had on this cpu: use auto, int8, float32"):
        choose_precision("bfloat16", CPU, ("bfloat16",))
    with pytest.raises(ConfigError, match="cskt export --precision int8"):
        choose_precision("int8", CPU, ("int8",))
    with pytest.raises(ConfigError, match="'double'"):
        choose_precision("double", CPU, ())


def test_words_that_are_no_precision_and_none_at_all(hardware):
    hardware(bfloat16=True, int8=False)
    with pytest.raises(ConfigError, match="precision 'foo' is unknown: use auto, bfloat16, float32"):
        choose_precision("foo", CPU, ())
    assert choose_precision("", CPU, ()) == "float32"
    assert choose_precision(" BFloat16 ", CPU, ()) == "bfloat16"


@pytest.mark.parametrize(
    ("tiles", "instructions", "maker", "expected"),
    [
        (True, True, "GenuineIntel", True),
        (False, True, "GenuineIntel", False),
        (False, True, "AuthenticAMD", True),
        (False, False, "AuthenticAMD", False),
    ],
)
def test_where_bfloat16_is_quick(monkeypatch, tiles, instructions, maker, expected):
    monkeypatch.setattr(module, "onednn_available", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: instructions)
    monkeypatch.setattr(module, "_made_by_amd", lambda: maker == "AuthenticAMD")
    assert quick_bfloat16() is expected


def test_products_without_onednn_are_torchs(monkeypatch):
    monkeypatch.setattr(module, "onednn_available", lambda: True)
    assert isinstance(products_for("float32", CPU), OneDnnProducts)
    monkeypatch.setattr(module, "onednn_available", lambda: False)
    assert isinstance(products_for("float32", CPU), TorchProducts)
    with pytest.raises(ValueError, match="scales"):
        products_for("int8", CPU)
