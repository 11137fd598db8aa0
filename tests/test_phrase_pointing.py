"""Whether maps point at what a phrase names, on synthetic people whose parts are known pixel by pixel.

CSKT_POINTING_PEOPLE=300 with pytest's -s measures on more of them and prints the table of model/README.md.
"""

import os
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from model.embedder import Embedder, open_embedder
from model.people.attributes import attributes
from model.people.cameras import CAMERAS
from model.people.looks import sample_look
from model.people.materials import ID
from model.people.paint import paint
from model.people.render import render_view
from model.people.shapes import sample_shape
from model.phrase_maps import NEUTRAL, Maps, covered, covered_maps

PEOPLE = int(os.environ.get("CSKT_POINTING_PEOPLE", "20"))
GARMENTS = {
    "upper": ("upper", "upper_trim", "fastening", "inner"),
    "lower": ("lower", "belt"),
}
SMALL = {
    "shoes": ("shoes", "sole"),
    "hair": ("hair",),
    "bag": ("bag", "bag_trim"),
    "hat": ("hat", "hat_trim"),
}
PARTS = GARMENTS | SMALL
UNRELATED = "a green bicycle"
SEEN, COVERING = 0.0025, 0.25
"""Shares: of the picture that a part must fill to be asked for, and of a cell to be part of the region."""


@dataclass
class Person:
    """A picture, a phrase for each part that it shows, and of every part the share of each cell (10, 4)."""

    picture: NDArray[np.uint8]
    phrases: dict[str, str]
    shares: dict[str, NDArray[np.float64]]
    whole: NDArray[np.float64]


@dataclass
class Figures:
    """Rows (person, hit, energy inside) of one kind of map, by part."""

    rows: list[tuple[int, float, float]] = field(default_factory=list)

    def note(self, person: int, cells: NDArray[np.float32], share: NDArray[np.float64]) -> None:
        inside = float((cells * share).sum() / max(cells.sum(), 1e-9))
        self.rows.append((person, float(region(share).flat[cells.argmax()]), inside))

    def told(self, column: int) -> tuple[float, float, float]:
        """The mean and the ends of its 95 % interval, people drawn anew."""
        rows = np.array(self.rows)
        people = np.unique(rows[:, 0])
        sums = np.array([rows[rows[:, 0] == one, column].sum() for one in people])
        counts = np.array([(rows[:, 0] == one).sum() for one in people])
        drawn = np.random.default_rng(0).integers(0, len(people), (2000, len(people)))
        low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
        return float(rows[:, column].mean()), float(low), float(high)


def region(share: NDArray[np.float64]) -> NDArray[np.bool_]:
    """The cells of a part; the one with most of it where it fills none."""
    cells = share >= COVERING
    return cells if cells.any() else share >= share.max()


def by_cell(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows, columns = (
        np.linspace(0, side, n + 1).round().astype(int) for side, n in zip(mask.shape, (10, 4), strict=True)
    )
    inside = np.add.reduceat(np.add.reduceat(mask.astype(float), rows[:-1], 0), columns[:-1], 1)
    return inside / (np.diff(rows)[:, None] * np.diff(columns))


def told(part: str, truth: dict[str, str]) -> str:
    """What a witness would call the part, empty where there is none."""
    if part in GARMENTS:
        kind = truth[f"{part}_type"]
        phrase = "" if kind == "dress" else f"{truth[f'{part}_colour']} {kind}"
        single = part == "upper" or kind == "skirt"
        return f"a {phrase}" if phrase and single else phrase
    if part == "hair":
        return "" if truth["hair_colour"] == "none" else f"{truth['hair_colour']} hair"
    if part == "shoes":
        return f"{truth['shoes_colour']} {truth['shoes_type']}"
    kind, colour = ("bag_type", "bag_colour") if part == "bag" else ("headwear", "headwear_colour")
    return "" if truth[kind] == "none" else f"a {truth[colour]} {truth[kind]}"


def person(seed: int) -> Person:
    rng = np.random.default_rng([seed])
    shape = sample_shape(rng, "base")
    camera = CAMERAS["base"][int(rng.integers(len(CAMERAS["base"])))]
    view = render_view(shape, rng, camera=camera)
    look = sample_look(rng, shape, "base")
    picture, truth = paint(view, look, camera, rng), attributes(shape, look, view)
    masks = {part: np.isin(view.first, [ID[name] for name in names]) for part, names in PARTS.items()}
    phrases = {part: told(part, truth) for part, mask in masks.items() if mask.mean() >= SEEN}
    phrases = {part: phrase for part, phrase in phrases.items() if phrase}
    whole = by_cell((view.first != ID["background"]) & (view.first != ID["occluder"]))
    return Person(picture, phrases, {part: by_cell(masks[part]) for part in phrases}, whole)


def mapped(
    embedder: Embedder, pixels: NDArray[np.uint8], phrases: list[str]
) -> tuple[dict[str, Maps], dict[str, Maps]]:
    """By kind: the map of each phrase; of an unrelated one beside them. Covered copies are encoded once."""
    texts = embedder.embed_texts([*phrases, UNRELATED, NEUTRAL])
    copies = embedder.embed_pixels(torch.from_numpy(covered(pixels)))
    cells = {
        "tokens": embedder.phrase_maps(pixels, phrases),
        "covered": covered_maps(np.delete(texts, -2, axis=0), copies),
    }
    unrelated = {
        "tokens": embedder.phrase_maps(pixels, [*phrases, UNRELATED])[-1],
        "covered": covered_maps(texts, copies)[-1],
    }
    return cells, unrelated


def measured(embedder: Embedder, people: list[Person]) -> dict[tuple[str, bool], Figures]:
    """Figures by kind of map, and by whether the part is a garment."""
    figures: dict[tuple[str, bool], Figures] = {}
    usual = {
        part: np.mean([one.shares[part] for one in people if part in one.shares], axis=0) for part in PARTS
    }
    compared = False
    for number, one in enumerate(people):
        pixels, phrases = embedder.preprocess(one.picture), list(one.phrases.values())
        if not phrases:
            continue
        cells, unrelated = mapped(embedder, pixels, phrases)
        if not compared:
            compared = True
            np.testing.assert_array_equal(cells["covered"], embedder.covered_maps(pixels, phrases))
        for row, (part, share) in enumerate(one.shares.items()):
            mine = {kind: maps[row] for kind, maps in cells.items()}
            mine |= {f"{kind}, unrelated": alone for kind, alone in unrelated.items()}
            mine |= {"the part's usual place": usual[part]}
            for kind, shown in mine.items():
                figures.setdefault((kind, part in GARMENTS), Figures()).note(number, shown, share)
            there, body = region(share), one.whole >= COVERING
            on_body = (number, (there & body).sum() / body.sum(), (share * body).sum() / body.sum())
            figures.setdefault(("any cell", part in GARMENTS), Figures()).rows.append(
                (number, float(there.mean()), float(share.mean()))
            )
            figures.setdefault(("any cell of the person", part in GARMENTS), Figures()).rows.append(on_body)
    return figures


def test_covering_points_at_garments_and_at_small_things_and_tokens_hardly_do() -> None:
    figures = measured(
        open_embedder("demo", "cpu", "float32"), [person(7_800_000 + n) for n in range(PEOPLE)]
    )
    hits = {}
    for (kind, garment), rows in figures.items():
        hits[kind, garment] = rows.told(1)[0]
        values = "  ".join("{:5.1%} ({:.1%} to {:.1%})".format(*rows.told(column)) for column in (1, 2))
        print(f"{kind:24} {'garments' if garment else 'small':9} {len(rows.rows):5} {values}")
    for garment in (True, False):
        by_chance = hits["any cell of the person", garment]
        assert hits["covered", garment] > by_chance + 0.15
        assert hits["covered", garment] > hits["covered, unrelated", garment] + 0.15
        assert hits["covered", garment] > hits["tokens", garment]
