"""Captions against the picture itself: colours are read back from pixels, invisible things stay unnamed."""

import dataclasses
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from model.people import words
from model.people.attributes import ATTRIBUTES, attributes
from model.people.cameras import NEUTRAL
from model.people.captions import describe, describe_with_facts
from model.people.colours import COLOURS
from model.people.looks import JEANS, Look, sample_look
from model.people.materials import ID
from model.people.paint import paint
from model.people.render import View, render_view
from model.people.shapes import Shape, sample_shape
from model.people.view import visible

Person = tuple[Shape, Look, View]
_GARMENTS = {
    "upper_colour": ("upper",),
    "lower_colour": ("lower",),
    "shoes_colour": ("shoes",),
    "bag_colour": ("bag", "bag_trim"),
    "headwear_colour": ("hat", "hat_trim"),
}


def person(seed: int, domain: str = "base", height: int = 192) -> Person:
    shape = sample_shape(np.random.default_rng([9, seed]), domain)
    look = sample_look(np.random.default_rng([9, seed, 1]), shape, domain)
    view = render_view(shape, np.random.default_rng([9, seed, 2]), height, height // 2, camera=NEUTRAL)
    return shape, look, view


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return [person(seed, "base" if seed % 2 else "shifted") for seed in range(60)]


def chromatic(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIE Lab of sRGB colours (n, 3), written out from the standard."""
    linear = np.where(rgb / 255 > 0.04045, ((rgb / 255 + 0.055) / 1.055) ** 2.4, rgb / 255 / 12.92)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def nearest_colours(pixels: NDArray[np.uint8], denim: bool) -> list[str]:
    """The table's colours by how many of these pixels lie nearest to them; lightness counts less."""
    table = {name: colour.rgb for name, colour in COLOURS.items()}
    if denim:
        table = dict(JEANS)
    weight = np.array([0.6, 1.0, 1.0])
    known = chromatic(np.array(list(table.values()), float)) * weight
    seen = chromatic(pixels.astype(float)) * weight
    votes = np.linalg.norm(seen[:, None] - known[None], axis=2).argmin(1)
    order = np.argsort(-np.bincount(votes, minlength=len(table)), kind="stable")
    return [list(table)[index] for index in order]


def garment_pixels(view: View, look: Look, materials: tuple[str, ...]) -> NDArray[np.uint8]:
    """Well lit pixels that are wholly of these materials, from a picture of the neutral camera."""
    picture = paint(view, look, NEUTRAL, np.random.default_rng(0))
    mask = np.isin(view.first, [ID[name] for name in materials]) & (view.share == 255) & (view.open_sky > 235)
    pixels = picture[mask]
    if len(pixels) < 12:
        return pixels[:0]
    bright = pixels.sum(1)
    return pixels[bright >= np.quantile(bright, 0.4)]


def test_dominant_colour_of_each_named_garment_is_the_named_one(people: list[Person]) -> None:
    checked = 0
    for number, (shape, look, view) in enumerate(people):
        _, facts = describe_with_facts(shape, look, view, np.random.default_rng(number), "base")
        for attribute in _GARMENTS.keys() & facts.keys():
            dress = attribute == "lower_colour" and shape.upper_type == "dress"
            pixels = garment_pixels(view, look, ("upper",) if dress else _GARMENTS[attribute])
            if not len(pixels):
                continue
            denim = attribute == "lower_colour" and shape.lower_type == "jeans"
            places = 2 if attribute != "upper_colour" or look.pattern == "plain" else 3
            ranked = nearest_colours(pixels, denim)[:places]
            assert facts[attribute] in ranked, (number, attribute, facts[attribute], ranked)
            checked += 1
    assert checked > 120


def test_stated_facts_are_the_attributes(people: list[Person]) -> None:
    for number, (shape, look, view) in enumerate(people):
        truth = attributes(shape, look, view)
        assert all(truth[name] in classes for name, classes in ATTRIBUTES.items())
        for domain in ("base", "shifted"):
            _, facts = describe_with_facts(shape, look, view, np.random.default_rng(number), domain)
            assert facts.items() <= truth.items()


def said(text: str, phrases: tuple[str, ...]) -> bool:
    return any(re.search(rf"\b{re.escape(phrase)}\b", text.lower()) for phrase in phrases)


def captions_of(shape: Shape, look: Look, view: View, count: int = 40) -> str:
    return " ".join(describe(shape, look, view, np.random.default_rng(n), "base") for n in range(count))


_BAGS = ("bag", *(word for kind in words.BAG.values() for word in kind))
_HATS = tuple(word for kind in words.HAT.values() for word in kind)
_GLASSES = tuple(word for kind in words.GLASSES.values() for word in kind)


def test_what_is_not_in_the_picture_is_not_named(people: list[Person]) -> None:
    for shape, look, view in people[::3]:
        text = captions_of(shape, look, view)
        bare = {
            name
            for name in ("bag", "hat", "frame", "shoes", "inner")
            if not visible(view, name, f"{name}_trim")
        }
        if "bag" in bare:
            assert not said(text, _BAGS), text
        if "hat" in bare:
            assert not said(text, _HATS), text
        if "frame" in bare:
            assert not said(text, _GLASSES), text
        if "inner" in bare:
            assert not said(text, ("over a", "over an", "on top of a", "worn over"))


def test_a_logo_is_named_from_the_front_only() -> None:
    shape = dataclasses.replace(
        person(3)[0], upper_type="t-shirt", sleeves="short", upper_open=False, lower_type="jeans",
        bag_type="none",
        hair_style="short", phone=False,
    )  # fmt: skip
    look = dataclasses.replace(person(3)[1], pattern="logo")
    front, back = (
        render_view(shape, np.random.default_rng(1), 192, 96, camera=NEUTRAL, yaw=yaw, occlude=False)
        for yaw in (0.0, 180.0)
    )
    assert said(captions_of(shape, look, front), words.LOGO)
    assert not said(captions_of(shape, look, back), words.LOGO)


def test_a_backpack_is_worn_on_the_back_and_its_straps_in_front() -> None:
    shape = dataclasses.replace(
        person(5)[0], bag_type="backpack", upper_type="shirt", upper_open=False, hair_style="short"
    )
    look = person(5)[1]
    counts = [
        render_view(
            shape, np.random.default_rng(2), 192, 96, camera=NEUTRAL, yaw=yaw, occlude=False
        ).counts.get("bag", 0)
        for yaw in (180.0, 0.0)
    ]
    assert counts[0] > 600
    assert counts[1] < counts[0] / 4
    assert "bag_colour" in attributes(shape, look, person(5)[2])


def test_about_three_quarters_of_the_main_facts_are_told(people: list[Person]) -> None:
    main = ("sex", "upper_type", "upper_colour", "lower_type", "lower_colour", "shoes_colour", "hair_style")
    told = []
    for number, (shape, look, view) in enumerate(people):
        if shape.upper_type == "dress" or visible(view, "shoes") < 0.003:
            continue
        for domain in ("base", "shifted"):
            _, facts = describe_with_facts(shape, look, view, np.random.default_rng(number), domain)
            told.append(sum(name in facts for name in main) / len(main))
    assert 0.68 < float(np.mean(told)) < 0.9


def test_sentences_are_well_formed(people: list[Person]) -> None:
    for number, (shape, look, view) in enumerate(people):
        text = describe(shape, look, view, np.random.default_rng([4, number]), "shifted")
        assert text[0].isupper()
        assert text.count(". ") <= 2
        assert "  " not in text
        assert " ," not in text
        assert ".." not in text
        assert 2 <= len(text.split()) <= 75
        assert not re.search(r"\b(a a|an an|and and|with with|, ,)\b", text)


def test_the_vocabulary_is_rich(people: list[Person]) -> None:
    found: set[str] = set()
    for shape, _, view in people:
        for n in range(30):
            other = sample_look(np.random.default_rng([5, n]), shape, "base")
            for domain in ("base", "shifted"):
                found |= set(
                    re.findall(
                        r"[a-z]+", describe(shape, other, view, np.random.default_rng([6, n]), domain).lower()
                    )
                )
    assert len(found) > 600
