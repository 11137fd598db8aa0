"""Parity reports (model/inference/parity.py) against naive twins and closed forms."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from proven_toys import parity

from model.datasets.samples import Sample
from model.inference import parity as module
from model.inference.parity import Exactness, cosines, inexactness, measure_parity, shortfall, top_overlap
from model.inference.parity_table import parity_table
from model.inference.proven import Cosines
from model.split_vectors import SplitVectors


def unit(random, rows, width=8):
    vectors = random.standard_normal((rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def turned(vectors, random, far):
    moved = vectors + far * random.standard_normal(vectors.shape)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def split(people, random, noise=0.5):
    """Two pictures and two captions of everyone; captions are their person's vector with noise."""
    samples = [
        Sample(person, 2 * person + picture, Path(f"{person}_{picture}"), "a person")
        for person in range(people)
        for picture in range(2)
    ]
    own = np.repeat(unit(random, people), 2, axis=0)
    return SplitVectors(
        tuple(samples), tuple(samples), turned(own, random, noise), turned(own, random, noise)
    )


def naive_r1(vectors):
    found = 0
    for caption, person in zip(vectors.texts, vectors.caption_ids, strict=True):
        scores = [float(np.dot(caption, image)) for image in vectors.images]
        found += vectors.image_ids[scores.index(max(scores))] == person
    return 100 * found / len(vectors.texts)


def naive_overlap(exact, form, top):
    shares = []
    for query in range(len(exact[0])):
        best = []
        for texts, images in (exact, form):
            scores = texts[query] @ images.T
            best.append(set(sorted(range(len(images)), key=lambda place: (-scores[place], place))[:top]))
        shares.append(len(best[0] & best[1]) / top)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("block", [1, 35, 10**6])
@pytest.mark.parametrize(("gallery", "top"), [(30, 10), (30, 1), (4, 4)])
def test_the_overlap_is_that_of_sorting_every_query_by_itself(gallery, top, block, monkeypatch):
    random = np.random.default_rng(3)
    exact = unit(random, 25), unit(random, gallery)
    form = turned(exact[0], random, 0.2), turned(exact[1], random, 0.2)
    monkeypatch.setattr(module, "BLOCK_SCORES", block)
    expected = naive_overlap(exact, form, top)
    assert top_overlap(exact, form, top) == pytest.approx(expected)
    assert top_overlap(exact, exact, top) == 1
    assert expected < 1 or gallery == top


def test_of_a_gallery_smaller_than_ten_all_are_among_the_best():
    random = np.random.default_rng(4)
    exact = unit(random, 5), unit(random, 7)
    assert top_overlap(exact, (exact[0][::-1], exact[1])) == 1


def test_cosines_are_those_of_each_row():
    angles = np.linspace(0, 0.5, 101)
    exact = np.tile(np.float32([1, 0]), (101, 1))
    form = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    found = cosines(exact, form)
    assert found.least == pytest.approx(math.cos(0.5), abs=1e-6)
    assert found.p1 == pytest.approx(math.cos(0.495), abs=1e-6)
    assert found.median == pytest.approx(math.cos(0.25), abs=1e-6)


def test_r1_of_both_forms_is_that_of_looking_at_every_caption():
    random = np.random.default_rng(5)
    exact = split(30, random)
    form = replace(exact, texts=turned(exact.texts, random, 0.3), images=turned(exact.images, random, 0.1))
    report = measure_parity(exact, form, "toys", "a processor")
    assert report.r1_float32 == pytest.approx(naive_r1(exact))
    assert report.r1 == pytest.approx(naive_r1(form))
    assert report.r1_change == pytest.approx(naive_r1(form) - naive_r1(exact))
    assert report.r1_float32 != report.r1
    assert (report.data, report.pictures, report.captions) == ("toys", 60, 60)


def test_the_same_vectors_differ_in_nothing():
    exact = split(20, np.random.default_rng(6))
    report = measure_parity(exact, exact, "toys", "a processor")
    assert (report.r1_change, report.r1_change_interval, report.top10_overlap) == (0, (0, 0), 1)
    assert report.images.least == pytest.approx(1, abs=1e-6)


def test_the_interval_of_the_change_is_that_of_paired_people():
    """400 people, all found at first; 40 of them lose both captions. Resampling their mean gives, by the
    central limit, -10 points and 1.96 times the deviation of one person over the root of 400."""
    samples = [Sample(person, person, Path(str(person)), "x") for person in range(400) for _ in range(2)]
    shown = samples[::2]
    images = np.eye(400, dtype=np.float32)
    exact = SplitVectors(tuple(samples), tuple(shown), np.repeat(images, 2, axis=0), images)
    lost = exact.texts.copy()
    lost[:80] = np.roll(lost[:80], 2, axis=0)
    report = measure_parity(exact, replace(exact, texts=lost), "toys", "a processor")
    half = 100 * 1.96 * math.sqrt(0.1 * 0.9 / 400)
    assert report.r1_change == pytest.approx(-10)
    assert report.r1_change_interval == pytest.approx((-10 - half, -10 + half), abs=0.35)


@pytest.mark.parametrize(
    ("precision", "changes", "said"),
    [
        ("bfloat16", {}, None),
        ("bfloat16", {"images": 0.9989}, "pictures' cosines is 0.99890"),
        ("float16", {"texts": 0.5}, "captions' cosines is 0.50000"),
        ("float16", {"texts": math.nan}, "captions' cosines is nan"),
        ("bfloat16", {"r1_change": -5.0}, None),
        ("int8", {"images": 0.5, "texts": 0.5}, None),
        ("int8", {"r1_change": 69.7 - 70.0}, None),
        ("int8", {"r1_change": -0.31}, "R@1 falls by 0.31 points"),
    ],
)
def test_what_falls_short(precision, changes, said):
    worse = {
        name: Cosines(least=0.1, p1=value, median=1.0) if name in ("images", "texts") else value
        for name, value in changes.items()
    }
    found = shortfall(precision, parity().model_copy(update=worse))
    assert found == said or said in found


@pytest.mark.parametrize(
    ("images", "texts", "said"),
    [
        (1e-4, 1e-4, None),
        (1.1e-4, 0, "pictures differ from the training form by 1.1e-04, more than 1e-04"),
        (0, math.inf, "captions differ from the training form by inf"),
        (math.nan, 0, "pictures differ from the training form by nan"),
    ],
)
def test_what_is_not_exact_enough(images, texts, said):
    found = inexactness(Exactness(images=images, texts=texts, pictures=1, captions=1))
    assert found == said or said in found


def test_the_table_says_all_of_it():
    lines = parity_table("int8", parity(r1=79.75))
    text = "\n".join(lines)
    assert "captions            0.99000   0.99900  1.00000" in text
    assert lines[5].split() == ["R@1", "80.00", "79.75", "-0.25", "(-0.25", "to", "+0.50)"]
    assert "98.0 %" in text
    assert "On synthetic people: 30 pictures, 600 captions." in text
