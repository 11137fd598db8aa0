"""Inference forms on a GPU: the CPU's float32 vectors within each precision, in any batch and any slices."""

import pytest
import torch
import torch.nn.functional as F
from random_encoders import random_bytes
from small_encoder import ADAPTERS, captions, small_config, small_encoder

from model.adapters.full import FullConfig
from model.encoder import PersonEncoder
from model.errors import ConfigError
from model.inference import form as module
from model.inference.form import InferenceForm, build_form
from model.inference.precision import choose_precision, precisions_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none"),
]

CPU, GPU = torch.device("cpu"), torch.device("cuda")
NEAR = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 1e-2}
"""One less the cosine to the CPU's float32; small random networks are rougher than trained ones."""

INVARIANT = {"float32": 1e-5, "float16": 1e-3, "bfloat16": 1e-3}
LENGTHS = (5, 77, 9, 2, 30, 12, 64, 5, 40, 3)


def encoder_of(kind: str) -> PersonEncoder:
    """A method's small encoder, or one with a convolutional stem."""
    if kind != "stem":
        return small_encoder(kind).eval()
    torch.manual_seed(0)
    return PersonEncoder(small_config(FullConfig(), (8, 12), 8)).eval()


def distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """One less the cosine, the largest of the rows."""
    return float((1 - F.cosine_similarity(first.cpu().double(), second.cpu().double())).max())


@pytest.fixture(params=[*ADAPTERS, "stem"])
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> PersonEncoder:
    # as torch leaves them: a form must see to it itself that no convolution is rounded to TF32
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    return encoder_of(request.param)


@pytest.mark.parametrize("precision", list(NEAR))
def test_features_are_those_of_the_cpu_in_float32(encoder: PersonEncoder, precision: str) -> None:
    on_cpu, on_gpu = build_form(encoder, "float32", CPU), build_form(encoder, precision, GPU)
    pixels, ids = random_bytes(encoder.config, 9, 0), captions(*LENGTHS)
    for given, expected in (
        (on_gpu.encode_image(pixels), on_cpu.encode_image(pixels)),
        (on_gpu.encode_text(ids), on_cpu.encode_text(ids)),
    ):
        assert given.device.type == "cuda"
        assert given.dtype == torch.float32
        assert given.isfinite().all()
        assert distance(given, expected) <= NEAR[precision]


@pytest.mark.parametrize("precision", list(INVARIANT))
def test_a_row_does_not_depend_on_its_batch(
    encoder: PersonEncoder, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = build_form(encoder, precision, GPU)
    pixels, ids = random_bytes(encoder.config, 9, 0), captions(*LENGTHS)
    images = torch.cat([form.encode_image(row[None]) for row in pixels])
    texts = torch.cat([form.encode_text(row[None]) for row in ids])
    for tokens, slices in ((50_000, 7000), (90, 2), (1, 1)):
        monkeypatch.setattr(form, "_tokens", tokens)
        monkeypatch.setattr(form, "_images", slices)
        assert distance(form.encode_image(pixels.flip(0)).flip(0), images) <= INVARIANT[precision]
        assert distance(form.encode_text(ids.flip(0)).flip(0), texts) <= INVARIANT[precision]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 64])
def test_slices_that_are_copied_while_others_are_computed_arrive_whole_and_in_order(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large pictures, so that a copy takes a while, and far more slices than are on their way at once."""
    form = build_form(small_encoder().eval(), "float32", GPU)
    random = torch.Generator().manual_seed(count)
    pixels = torch.randint(0, 256, (count, 512, 512, 3), dtype=torch.uint8, generator=random)
    # a sum stands for the tower: what counts is that every byte has come when it is read
    monkeypatch.setattr(form, "_vision", lambda part: part.flatten(1).long().sum(dim=1, keepdim=True))
    monkeypatch.setattr(form, "_images", 1)
    for _ in range(3):  # also in memory that was used and given back before
        assert torch.equal(form.encode_image(pixels).cpu(), pixels.flatten(1).long().sum(1, keepdim=True))


def test_slices_are_computed_alike_on_another_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    form = build_form(small_encoder().eval(), "float32", GPU)
    pixels = random_bytes(small_encoder().config, 20, 0)
    expected = form.encode_image(pixels).cpu()
    monkeypatch.setattr(form, "_images", 3)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        given = form.encode_image(pixels)
    stream.synchronize()
    assert distance(given, expected) <= 1e-6


def test_pictures_that_lie_in_pinned_or_scattered_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    form = build_form(small_encoder().eval(), "float32", GPU)
    monkeypatch.setattr(form, "_images", 2)
    pixels = random_bytes(small_encoder().config, 7, 0)
    expected = form.encode_image(pixels)
    scattered = pixels.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    assert distance(form.encode_image(pixels.pin_memory()), expected) <= 1e-6
    assert distance(form.encode_image(scattered), expected) <= 1e-6


def test_nothing_gives_nothing(encoder: PersonEncoder) -> None:
    form = build_form(encoder, "float16", GPU)
    no_pixels, no_ids = torch.empty(0, 48, 16, 3, dtype=torch.uint8), torch.empty(0, 77, dtype=torch.long)
    assert form.encode_image(no_pixels).shape == form.encode_text(no_ids).shape == (0, 32)


@pytest.mark.parametrize("precision", list(NEAR))
@pytest.mark.parametrize("length", [2, 3, 77])
def test_one_caption(encoder: PersonEncoder, precision: str, length: int) -> None:
    on_cpu, on_gpu = build_form(encoder, "float32", CPU), build_form(encoder, precision, GPU)
    ids = captions(length)
    given = on_gpu.encode_text(ids)
    assert given.shape == (1, 32)
    assert distance(given, on_cpu.encode_text(ids)) <= NEAR[precision]


def test_a_slice_on_a_gpu_is_large() -> None:
    form: InferenceForm = build_form(small_encoder().eval(), "float32", GPU)
    assert form._images == round(module.GPU_TOKENS / 13)


def test_the_precisions_of_a_gpu() -> None:
    assert precisions_of(GPU) == ("float16", "bfloat16", "float32")
    assert choose_precision("auto", GPU, ("float16", "int8")) == "float16"
    with pytest.raises(ConfigError, match="'int8' is not to be had on this cuda"):
        choose_precision("int8", GPU, ("int8",))
