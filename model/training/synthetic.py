"""Training on synthetic people: geometry is rendered once, then repainted and described in every batch."""

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from model.losses import AttributeLabels
from model.losses.attributes import UNKNOWN
from model.people.attributes import ATTRIBUTES, attributes
from model.people.cameras import CAMERAS, Camera
from model.people.captions import describe_with_facts
from model.people.looks import Look, sample_look
from model.people.paint import paint
from model.people.render import View, render_view
from model.people.shapes import Shape, sample_shape
from model.progress import Progress
from model.tokenizer import Tokenizer
from model.training.augment import Picture, through_a_camera
from model.training.batches import Batch, masked
from model.training.recipe import Recipe, SyntheticPeopleData


@dataclass(frozen=True)
class Body:
    """One person's geometry from several sides; looks and captions come later."""

    domain: str
    shape: Shape
    views: tuple[tuple[Camera, View], ...]


def render_bodies(data: SyntheticPeopleData, workers: int = 2) -> list[Body]:
    """Render `data.shapes` bodies over all domains, in their shares; `workers` only changes the time."""
    domains = list(data.domains)
    shares = np.array([data.domains[domain] for domain in domains])
    drawn = np.random.default_rng([data.seed, 0]).choice(len(domains), data.shapes, p=shares / shares.sum())
    jobs = [(domains[index], number) for number, index in enumerate(drawn)]
    render = partial(_render_body, data=data)
    bodies: list[Body] = []
    pool = multiprocessing.get_context("fork").Pool(workers)
    with pool, Progress("rendering bodies", len(jobs), "bodies") as progress:
        for body in pool.imap(render, jobs, chunksize=8):
            bodies.append(body)
            progress.advance()
    return bodies


def _render_body(job: tuple[str, int], data: SyntheticPeopleData) -> Body:
    domain, number = job
    rng = np.random.default_rng([data.seed, 1, number])
    shape = sample_shape(rng, domain)
    cameras = CAMERAS[domain]
    height, width = data.view_size
    views = []
    for _ in range(data.views):
        camera = cameras[int(rng.integers(len(cameras)))]
        views.append((camera, render_view(shape, rng, height=height, width=width, camera=camera)))
    return Body(domain, shape, tuple(views))


class SyntheticBatches:
    """Batches of freshly painted people: every row another body, look, side, camera and caption."""

    identities: int | None = None

    def __init__(self, recipe: Recipe, bodies: Sequence[Body], image_size: tuple[int, int]) -> None:
        if len(bodies) < recipe.batch_size:
            raise ValueError(f"{len(bodies)} bodies are too few for batches of {recipe.batch_size}")
        self.recipe, self.bodies, self.image_size = recipe, bodies, image_size
        self.tokenizer = Tokenizer()

    def batch(self, step: int) -> Batch:
        """The batch of that step."""
        rng = np.random.default_rng([self.recipe.seed, 2, step])
        chosen = rng.choice(len(self.bodies), self.recipe.batch_size, replace=False)
        pictures, captions, seen, said = [], [], [], []
        for index in chosen:
            picture, caption, facts, stated = self._person(self.bodies[index], rng)
            pictures.append(picture)
            captions.append(caption)
            seen.append(labels(facts))
            said.append(labels(stated))
        return Batch(
            pixels=torch.from_numpy(np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))),
            ids=masked(self.tokenizer.encode(captions), self.recipe, rng),
            identities=torch.arange(len(chosen)),
            attributes=AttributeLabels(image=torch.tensor(seen), text=torch.tensor(said)),
        )

    def _person(
        self, body: Body, rng: np.random.Generator
    ) -> tuple[Picture, str, dict[str, str], dict[str, str]]:
        look = sample_look(rng, body.shape, body.domain)
        camera, view = body.views[int(rng.integers(len(body.views)))]
        caption, stated = describe_with_facts(body.shape, look, view, rng, body.domain)
        picture = paint(view, look, camera, rng)
        if self.recipe.camera_augmentation:
            picture = through_a_camera(picture, self.image_size, rng)
        else:
            picture = resized(picture, self.image_size)
        return picture, caption, visible(attributes(body.shape, look, view), view), stated


def visible(facts: dict[str, str], view: View) -> dict[str, str]:
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
        shape = sample_shape(rng, domain)
        look: Look = sample_look(rng, shape, domain)
        for _ in range(pictures_each):
            camera = CAMERAS[domain][int(rng.integers(len(CAMERAS[domain])))]
            view = render_view(shape, rng, height=256, width=128, camera=camera)
            pictures.append(paint(view, look, camera, rng))
            captions.append(describe_with_facts(shape, look, view, rng, domain)[0])
            identities.append(number)
    return HeldOut(pictures, captions, identities, identities)
