"""What `cskt bench encode` lets take turns: the forms of one encoder and the method as published."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from model.backbone import backbone_config
from model.bench_steps import END, PRODUCT_SIDE, START, best_rate, build, finish, product_rate
from model.checkpoint import load_checkpoint
from model.config import PERSON_IMAGE_SIZE
from model.embedder import DEMO_FOLDER
from model.encoder import PersonEncoder
from model.inference.cost import Cost, text_cost, vision_cost
from model.inference.folding import Affine, FoldedBlock, fold_text, fold_vision
from model.inference.form import InferenceForm, build_form
from model.inference.int8 import HiddenScale, SiteScales, byte_product
from model.inference.precision import DTYPES, Precision, precisions_of
from model.published_form import PublishedForm
from model.transforms import Preprocess

SEED = 0
ONE_CAPTION_TIMES = 10
INPUT_STEP, MOST_HIDDEN = 8 / 127, 4.0


@dataclass(frozen=True)
class Subject:
    """An encoder on the CPU with inputs: `pixels` bytes (batch, height, width, 3), `ids` (batch, context)."""

    title: str
    encoder: PersonEncoder
    pixels: torch.Tensor
    ids: torch.Tensor
    caption_tokens: int
    device: torch.device
    papers_size: bool

    @property
    def normalised(self) -> torch.Tensor:
        """The same pictures as the training form takes them, (batch, 3, height, width)."""
        config = self.encoder.config
        preprocess = Preprocess(config.backbone.vision.image_size, config.mean, config.std)
        return torch.stack([preprocess(picture.numpy()) for picture in self.pixels]).to(self.device)


@dataclass(frozen=True)
class Task:
    """`items` pictures or captions at once, as published and by a form; `cost` is one item's in our forms."""

    name: str
    unit: str
    items: int
    pictures: bool
    cost: Cost
    plain: Callable[[], torch.Tensor]
    ours: Callable[[InferenceForm], torch.Tensor]


@dataclass
class Turns:
    """Seconds by task and precision (None: as published), operations a second of one large product."""

    title: str
    papers_size: bool
    precisions: tuple[Precision, ...]
    tasks: list[Task]
    seconds: dict[tuple[str, Precision | None], list[float]] = field(default_factory=dict)
    rates: dict[Precision, list[float]] = field(default_factory=dict)

    @property
    def quickest_float(self) -> Precision:
        """What captions are encoded in."""
        return next(name for name in self.precisions if name != "int8")

    def median(self, task: Task, precision: Precision | None) -> float:
        """Seconds of a task."""
        return statistics.median(self.seconds[task.name, precision])

    def rate(self, precision: Precision) -> float:
        """Operations a second."""
        return statistics.median(self.rates[precision])


def open_subject(name: str, batch: int, caption_tokens: int, device: torch.device) -> Subject:
    """A method on a ViT-B/16 of random weights, or the demo encoder; noise for pictures and captions."""
    if name == "demo":
        encoder = load_checkpoint(DEMO_FOLDER)
    else:
        backbone = backbone_config("ViT-B-16-quickgelu", PERSON_IMAGE_SIZE)
        encoder = build(backbone, "dm_adapter" if name == "dm_adapter" else "cskt").eval()
    vision, text = encoder.config.backbone.vision, encoder.config.backbone.text
    draws = torch.Generator().manual_seed(SEED)
    pixels = torch.randint(0, 256, (batch, *vision.image_size, 3), dtype=torch.uint8, generator=draws)
    ids = torch.zeros(batch, text.context_length, dtype=torch.long)
    ids[:, :caption_tokens] = torch.randint(1, START, (batch, caption_tokens), generator=draws)
    ids[:, 0], ids[:, caption_tokens - 1] = START, END
    return Subject(name, encoder, pixels, ids, caption_tokens, device, papers_size=name != "demo")


def measure(subject: Subject, rounds: int) -> Turns:
    """All tasks in turns, as published and in every precision of the device, after one of each to warm up."""
    scales = flat_scales(subject.encoder)
    precisions = precisions_of(subject.device)
    forms: dict[Precision, InferenceForm] = {
        name: build_form(subject.encoder, name, subject.device, scales) for name in precisions
    }
    turns = Turns(subject.title, subject.papers_size, precisions, tasks_of(subject))
    for number in range(rounds + 1):
        for task in turns.tasks:
            ways: list[Precision | None] = [None, *precisions]
            for precision in ways if number % 2 else reversed(ways):
                took = seconds_of(task, precision and forms[precision], subject.device)
                if number:
                    turns.seconds.setdefault((task.name, precision), []).append(took)
        for precision in precisions:
            turns.rates.setdefault(precision, []).append(large_product(precision, subject.device))
    return turns


def tasks_of(subject: Subject) -> list[Task]:
    """One caption, captions at once, pictures at once."""
    caption = text_cost(fold_text(subject.encoder), subject.caption_tokens)
    picture = vision_cost(fold_vision(subject.encoder))
    published = PublishedForm(subject.encoder.to(subject.device))
    opened = subject.encoder.adapter.caption_ids(subject.ids).to(subject.device)
    pixels, ids, batch = subject.normalised, subject.ids, len(subject.ids)
    of = f"of {subject.caption_tokens} tokens"
    return [
        Task(
            f"one caption {of}", "ms", 1, False, caption,
            lambda: published.text(opened[:1], []), lambda form: form.encode_text(ids[:1]),
        ),
        Task(
            f"{batch} captions {of}", "captions/s", batch, False, caption,
            lambda: published.text(opened, []), lambda form: form.encode_text(ids),
        ),
        Task(
            f"{batch} pictures", "images/s", batch, True, picture,
            lambda: published.image(pixels, []), lambda form: form.encode_image(subject.pixels),
        ),
    ]  # fmt: skip


def seconds_of(task: Task, form: InferenceForm | None, device: torch.device) -> float:
    """One turn, until its result is there; a single caption is asked for several times."""
    times = ONE_CAPTION_TIMES if task.unit == "ms" else 1
    finish(device)
    started = time.perf_counter()
    with torch.inference_mode():
        for _ in range(times):
            task.plain() if form is None else task.ours(form)
            finish(device)
    return (time.perf_counter() - started) / times


def large_product(precision: Precision, device: torch.device) -> float:
    """Operations a second of one large product in a precision, the best of a few."""
    if precision != "int8":
        return product_rate(device, DTYPES[precision])
    shape = (PRODUCT_SIDE, PRODUCT_SIDE)
    multiply = byte_product(Affine(torch.randn(shape), torch.zeros(PRODUCT_SIDE)))
    given = torch.randint(0, 256, shape, dtype=torch.uint8)
    return best_rate(lambda: multiply(given), device)


def flat_scales(encoder: PersonEncoder) -> dict[str, SiteScales]:
    """Scales for every site of the 8-bit form, the same for all: right for speed, not for accuracy."""
    blocks = enumerate(fold_vision(encoder).blocks)
    return {site: scales for index, block in blocks for site, scales in _flat(f"visual.{index}", block)}


def _flat(site: str, block: FoldedBlock) -> list[tuple[str, SiteScales]]:
    divisor = torch.full((len(block.out.bias),), INPUT_STEP)
    hidden = HiddenScale.reaching(MOST_HIDDEN, block.activation)
    plain = [(f"{site}.{kind}", SiteScales(divisor)) for kind in ("qkv", "key_value")]
    return [*plain, (f"{site}.mlp", SiteScales(divisor, hidden))]
