"""Training on synthetic people: painted and described once, kept as plain arrays, cropped anew each time."""

import hashlib
import multiprocessing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from model.errors import ConfigError
from model.losses import AttributeLabels
from model.losses.attributes import UNKNOWN
from model.people.attributes import ATTRIBUTES, attributes
from model.people.cameras import CAMERAS
from model.people.captions import describe_with_facts
from model.people.looks import sample_look
from model.people.paint import paint
from model.people.render import render_view
from model.people.shapes import Shape, sample_shape
from model.progress import Progress
from model.tokenizer import Tokenizer
from model.training.augment import Picture, through_a_camera
from model.training.batches import WHOLE, Batch, Share, longest_caption, masked
from model.training.recipe import Recipe, SyntheticPeopleData
from model.whole_file import whole_file

Integers = npt.NDArray[np.int32]


@dataclass(frozen=True)
class PaintedPeople:
    """N pictures, every one of another person.

    `pictures` (N, height, width, 3) uint8, `seen` (N, attributes) class numbers or UNKNOWN, `ids` (N,
    captions, 77) token ids and `said` (N, captions, attributes) the classes that each caption states.
    """

    pictures: Picture
    seen: Integers
    ids: Integers
    said: Integers

    def __len__(self) -> int:
        return len(self.pictures)

    def digest(self) -> str:
        """sha256 over what the captions say, which tells one set of people from another."""
        return hashlib.sha256(self.ids.tobytes()).hexdigest()

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        with whole_file(path) as file:
            np.savez(file, pictures=self.pictures, seen=self.seen, ids=self.ids, said=self.said)

    @classmethod
    def load(cls, path: Path) -> "PaintedPeople":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in ("pictures", "seen", "ids", "said")})


def paint_people(data: SyntheticPeopleData, workers: int = 2) -> PaintedPeople:
    """All pictures of the data in order; `workers` processes only change the time it takes."""
    domains = list(data.domains)
    shares = np.array([data.domains[domain] for domain in domains])
    drawn = np.random.default_rng([data.seed, 0]).choice(len(domains), data.shapes, p=shares / shares.sum())
    jobs = [(domains[index], number) for number, index in enumerate(drawn)]
    painted: list[PaintedPeople] = []
    _tokenizer()  # read once, inherited by the processes
    pool = multiprocessing.get_context("fork").Pool(workers)
    with pool, Progress("painting people", data.shapes * data.views * data.looks, "pictures") as progress:
        for people in pool.imap(partial(_paint_shape, data=data), jobs, chunksize=4):
            painted.append(people)
            progress.advance(len(people))
    fields = ("pictures", "seen", "ids", "said")
    return PaintedPeople(
        *(np.concatenate([getattr(people, field) for people in painted]) for field in fields)
    )


@cache
def _tokenizer() -> Tokenizer:
    return Tokenizer()


def _paint_shape(job: tuple[str, int], data: SyntheticPeopleData) -> PaintedPeople:
    """One body from all its sides in all its looks."""
    domain, number = job
    rng = np.random.default_rng([data.seed, 1, number])
    shape = sample_shape(rng, domain)
    height, width = data.view_size
    rows = []
    for _ in range(data.views):
        camera = CAMERAS[domain][int(rng.integers(len(CAMERAS[domain])))]
        view = render_view(shape, rng, height=height, width=width, camera=camera)
        for _ in range(data.looks):
            look = sample_look(rng, shape, domain)
            told = [describe_with_facts(shape, look, view, rng, domain) for _ in range(data.captions)]
            seen = labels(visible(attributes(shape, look, view)))
            rows.append((paint(view, look, camera, rng), seen, told))
    ids = [_tokenizer().encode([caption for caption, _ in told]).numpy() for *_, told in rows]
    return PaintedPeople(
        pictures=np.stack([picture for picture, *_ in rows]),
        seen=np.array([seen for _, seen, _ in rows], np.int32),
        ids=np.stack(ids).astype(np.int32),
        said=np.array([[labels(facts) for _, facts in told] for *_, told in rows], np.int32),
    )


def kept_people(data: SyntheticPeopleData, path: Path, workers: int) -> PaintedPeople:
    """The pictures kept at `path` by an earlier start of the same run, or freshly painted ones, then kept."""
    if path.exists():
        return PaintedPeople.load(path)
    people = paint_people(data, workers)
    people.save(path)
    return people


class SyntheticBatches:
    """Batches of painted people: every row another person, another crop and one of its captions."""

    identities: int | None = None

    def __init__(self, recipe: Recipe, people: PaintedPeople, image_size: tuple[int, int]) -> None:
        if len(people) < recipe.batch_size:
            raise ConfigError(
                f"{len(people)} pictures are too few for batches of {recipe.batch_size}; paint more "
                "(data.shapes) or lower batch_size."
            )
        self.recipe, self.people, self.image_size = recipe, people, image_size
        self.captions = people.ids.shape[0] * people.ids.shape[1]
        self.batches_per_epoch = len(people) // recipe.batch_size

    def batch(self, step: int, share: Share = WHOLE) -> Batch:
        """The batch of that step."""
        rng = np.random.default_rng([self.recipe.seed, 2, step])
        size, people = self.recipe.batch_size, self.people
        chosen = rng.choice(len(people), size, replace=False)
        caption = rng.integers(people.ids.shape[1], size=size)
        pictures = np.stack([self._crop(people.pictures[index], rng) for index in chosen])
        ids = masked(torch.from_numpy(people.ids[chosen, caption].astype(np.int64)), self.recipe, rng)
        rows = share.rows(size)
        return Batch(
            pixels=torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2)[rows])),
            ids=ids[rows],
            identities=torch.arange(size),
            samples=torch.from_numpy(chosen * people.ids.shape[1] + caption),
            longest=longest_caption(ids),
            attributes=AttributeLabels(
                image=torch.from_numpy(people.seen[chosen].astype(np.int64)),
                text=torch.from_numpy(people.said[chosen, caption].astype(np.int64)),
            ),
        )

    def _crop(self, picture: Picture, rng: np.random.Generator) -> Picture:
        if self.recipe.camera_augmentation:
            return through_a_camera(picture, self.image_size, rng)
        return resized(picture, self.image_size)


def visible(facts: dict[str, str]) -> dict[str, str]:
    """Without what a back view cannot show."""
    hidden = {"glasses", "pattern"} if facts["facing"] == "back" else set()
    return {name: value for name, value in facts.items() if name not in hidden}


def labels(facts: dict[str, str]) -> list[int]:
    """Class numbers in the order of ATTRIBUTES; UNKNOWN for what is not among the facts."""
    return [
        classes.index(facts[name]) if facts.get(name) in classes else UNKNOWN
        for name, classes in ATTRIBUTES.items()
    ]


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """(height, width, 3) uint8 at another size (height, width), resized as at inference."""
    from PIL import Image

    image = Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(image)


@dataclass(frozen=True)
class HeldOut:
    """Unseen identities for choosing and watching: pictures, captions and whose they are."""

    pictures: list[Picture]
    captions: list[str]
    picture_identities: list[int]
    caption_identities: list[int]


def held_out(data: SyntheticPeopleData, pictures_each: int = 3) -> HeldOut:
    """Identities of `validation_seed`, evenly from all domains; one caption a picture, no augmentation."""
    pictures: list[Picture] = []
    captions: list[str] = []
    identities: list[int] = []
    domains = list(data.domains)
    for number in range(data.validation_identities):
        rng = np.random.default_rng([data.validation_seed, 3, number])
        domain = domains[number % len(domains)]
        shape: Shape = sample_shape(rng, domain)
        look = sample_look(rng, shape, domain)
        for _ in range(pictures_each):
            camera = CAMERAS[domain][int(rng.integers(len(CAMERAS[domain])))]
            view = render_view(shape, rng, height=256, width=128, camera=camera)
            pictures.append(paint(view, look, camera, rng))
            captions.append(describe_with_facts(shape, look, view, rng, domain)[0])
            identities.append(number)
    return HeldOut(pictures, captions, identities, identities)
