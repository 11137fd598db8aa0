"""One training step of either form: what `cskt bench train` takes turns with, and its inputs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

from model.adapters.cskt import CsktConfig
from model.adapters.dm_adapter import DmAdapterConfig
from model.config import BackboneConfig, EncoderConfig
from model.encoder import Features, PersonEncoder
from model.losses.sdm import sdm_loss
from model.published_form import PublishedForm
from model.training.optimization import OptimizerConfig, build_optimizer

BALANCE = 0.5
START, END = 49406, 49407
SHORTEST, LONGEST = 20, 50
UP_STD, SEED = 0.02, 0
COMPARED_PAIRS, TINY = 4, 1e-12
PRODUCT_SIDE, PRODUCT_REPEATS = 3072, 3
SMALL_SIDE, PRODUCT_SECONDS = 256, 5.0

Form = Callable[[torch.Tensor, torch.Tensor], Features]


class Batch(NamedTuple):
    """`pixels` (batch, 3, height, width), `ids` (batch, context), `identities` (batch,); one device."""

    pixels: torch.Tensor
    ids: torch.Tensor
    identities: torch.Tensor

    @property
    def longest(self) -> int:
        """Tokens of the longest caption."""
        return int(self.ids.argmax(dim=1).max()) + 1


class Difference(NamedTuple):
    """Distance of two gradients over their length: of all tensors as one, and of that apart the most."""

    whole: float
    most: float


@dataclass(frozen=True)
class Took:
    """Seconds of a step, and the most bytes the GPU held during it (0 on a CPU)."""

    seconds: float
    peak: int


def build(backbone: BackboneConfig, method: Literal["dm_adapter", "cskt"]) -> PersonEncoder:
    """A network of random weights; up-projections are not left at zero, where gradients would vanish."""
    torch.manual_seed(SEED)
    levels = max(backbone.vision.layers, backbone.text.layers)
    adapter = DmAdapterConfig() if method == "dm_adapter" else CsktConfig(depth=levels)
    encoder = PersonEncoder(EncoderConfig(backbone=backbone, adapter=adapter))
    with torch.no_grad():
        for name, parameter in encoder.adapter.named_parameters():
            if name.endswith("up.weight"):
                parameter.normal_(std=UP_STD)
    return encoder.train()


def draw_batch(encoder: PersonEncoder, pairs: int) -> Batch:
    """Noise for pictures, captions of 20 to 50 random tokens, two pairs a person."""
    backbone, device = encoder.config.backbone, encoder.text.text_projection.device
    random = torch.Generator().manual_seed(SEED)
    pixels = torch.randn(pairs, 3, *backbone.vision.image_size, generator=random)
    context = backbone.text.context_length
    ids = torch.randint(1, START, (pairs, context), generator=random)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (pairs,), generator=random)
    ids[:, 0], ids[torch.arange(pairs), lengths - 1] = START, END
    ids[torch.arange(context) >= lengths[:, None]] = 0
    return Batch(pixels.to(device), ids.to(device), torch.arange(pairs, device=device) // 2)


def plain_form(encoder: PersonEncoder) -> Form:
    """The method as published, at full length."""
    return PublishedForm(encoder)


def short_form(encoder: PersonEncoder) -> Form:
    """Ours, without the padding behind the longest caption."""
    return lambda pixels, ids: encoder(pixels, ids, shorten=True)


class Trainer:
    """Takes training steps on one batch with one optimizer, whichever form computes the features."""

    def __init__(self, encoder: PersonEncoder, batch: Batch) -> None:
        self.encoder, self.batch = encoder, batch
        self.device = batch.pixels.device
        self.optimizer = build_optimizer(encoder.trainable_parameters(), OptimizerConfig())

    def step(self, form: Form, half: bool) -> Took:
        """Forward, loss, backward, Adam; `half` under bfloat16 autocast."""
        on_gpu = self.device.type == "cuda"
        self.optimizer.zero_grad(set_to_none=True)
        finish(self.device)
        if on_gpu:
            torch.cuda.reset_peak_memory_stats(self.device)
        started = time.perf_counter()
        self.loss(form, half).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        finish(self.device)
        seconds = time.perf_counter() - started
        return Took(seconds, torch.cuda.max_memory_allocated(self.device) if on_gpu else 0)

    def loss(self, form: Form, half: bool) -> torch.Tensor:
        """SDM and half the balance loss."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            features = form(self.batch.pixels, self.batch.ids)
        matching = sdm_loss(features.image, features.text, self.batch.identities)
        return matching + BALANCE * features.auxiliary

    def gradients(self, form: Form) -> dict[str, torch.Tensor]:
        """The trained tensors' gradients in float32, by name; nothing is stepped."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(form, half=False).backward()  # type: ignore[no-untyped-call]
        trained = self.encoder.trainable_parameters()
        return {name: value.grad for name, value in trained if value.grad is not None}

    def kept(self, form: Form, half: bool) -> int:
        """Bytes that a forward pass keeps for the backward pass beside the parameters."""
        parameters = {value.untyped_storage().data_ptr() for value in self.encoder.parameters()}
        storages: dict[int, int] = {}

        def note(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in parameters:
                storages[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            self.loss(form, half)
        return sum(storages.values())


def gradient_difference(encoder: PersonEncoder, batch: Batch) -> Difference:
    """How far the gradients of both forms are apart, in float32, over the batch's first pairs.

    On captions cut alike, as the balance loss is a mean over the tokens there are. On few pairs, as gradients
    jump where a hidden unit is zero, or two experts are equally good, but for rounding: among millions of
    units that happens by chance, and either gradient is right.
    """
    batch = Batch(*(part[:COMPARED_PAIRS] for part in batch))
    if isinstance(encoder.config.adapter, DmAdapterConfig):
        batch = batch._replace(ids=batch.ids[:, : batch.longest])
    trainer = Trainer(encoder, batch)
    ours, published = (trainer.gradients(form(encoder)) for form in (short_form, plain_form))
    if ours.keys() != published.keys():
        raise ValueError(f"only one form has gradients of {sorted(ours.keys() ^ published.keys())}")
    lengths = torch.stack([gradient.norm() for gradient in published.values()])
    apart = torch.stack([(ours[name] - gradient).norm() for name, gradient in published.items()])
    return Difference(float(apart.norm() / lengths.norm()), float((apart / lengths.clamp(min=TINY)).max()))


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of one large matrix product, the best of a few.

    Of a small one where that took longer than PRODUCT_SECONDS: processors without units for a format do it
    number by number, and small products then lose nothing.
    """

    def rate(side: int) -> float:
        factor = torch.randn(side, side, device=device, dtype=dtype)
        return best_rate(lambda: factor @ factor, device, side)

    small = rate(SMALL_SIDE)
    return small if 2 * PRODUCT_SIDE**3 / small > PRODUCT_SECONDS else rate(PRODUCT_SIDE)


def best_rate(multiply: Callable[[], torch.Tensor], device: torch.device, side: int = PRODUCT_SIDE) -> float:
    """Operations per second of a square product, the best of a few."""
    best = 0.0
    for _ in range(PRODUCT_REPEATS):
        finish(device)
        started = time.perf_counter()
        multiply()
        finish(device)
        best = max(best, 2 * side**3 / (time.perf_counter() - started))
    return best


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
