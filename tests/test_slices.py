"""Figures by slice: only the queries are sliced, the gallery stays whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ranking_toys import rank_matrix

from model.datasets.samples import Sample
from model.evaluation import Ranks, bootstrap_interval
from model.slices import MAX_VALUES, SMALL, caption_length, slice_report

CAMERAS = ("hall", "park", None)


def case(people=12, captions=6, seed=0):
    """Samples with a camera and a colour, and their ranks in a gallery of two images a person."""
    generator = np.random.default_rng(seed)
    samples = [
        Sample(
            identity=row % people,
            image_id=row,
            path=Path(f"{row}.png"),
            caption="word " * (1 + 9 * (row % 6)),
            camera=CAMERAS[row % 3],
            attributes={"colour": "red" if row % 4 else "blue", "file": f"{row}.png"},
        )
        for row in range(people * captions)
    ]
    gallery = np.arange(2 * people) % people
    scores = generator.standard_normal((len(samples), len(gallery)))
    return samples, scores, gallery


def test_a_slice_is_what_its_queries_alone_find_in_the_whole_gallery():
    samples, scores, gallery = case()
    identities = [sample.identity for sample in samples]
    report = slice_report(samples, rank_matrix(scores, identities, gallery))
    for one in report.slices:
        rows = [row for row, sample in enumerate(samples) if value_of(sample, one.attribute) == one.value]
        people = [identities[row] for row in rows]
        alone = rank_matrix(scores[rows], people, gallery)
        figures = alone.metrics()
        assert (one.captions, one.people) == (len(rows), len(set(people)))
        assert (one.r1, one.r10) == pytest.approx((figures.r1, figures.r10))
        assert one.mean_ap == pytest.approx(figures.mean_ap)
        if one.people > 1:
            assert one.r1_interval == pytest.approx(bootstrap_interval(alone.first_match <= 1, people))
        assert one.small == (len(rows) < SMALL)


def value_of(sample, attribute):
    if attribute == "camera":
        return sample.camera
    if attribute == "caption length":
        return caption_length(sample.caption)
    return sample.attributes.get(attribute)


def test_every_caption_is_in_one_slice_of_each_attribute_in_a_readable_order():
    samples, scores, gallery = case()
    ranks = rank_matrix(scores, [sample.identity for sample in samples], gallery)
    report = slice_report(samples, ranks)
    assert [(one.attribute, one.value) for one in report.slices] == [
        ("camera", "hall"),
        ("camera", "park"),
        ("camera", None),
        ("caption length", "1-10 words"),
        ("caption length", "11-20 words"),
        ("caption length", "21-40 words"),
        ("caption length", "41 words or more"),
        ("colour", "blue"),
        ("colour", "red"),
    ]
    for attribute in ("camera", "caption length", "colour"):
        counted = [one.captions for one in report.slices if one.attribute == attribute]
        assert sum(counted) == len(samples)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (1, "1-10 words"),
        (10, "1-10 words"),
        (11, "11-20 words"),
        (20, "11-20 words"),
        (21, "21-40 words"),
        (40, "21-40 words"),
        (41, "41 words or more"),
    ],
)
def test_lengths_are_counted_in_words(words, name):
    assert caption_length("  a\n" * words) == name


def hits(*first_match):
    return Ranks(np.array(first_match), 1 / np.array(first_match), 1 / np.array(first_match))


def plain(number, **facts):
    return Sample(identity=number, image_id=number, path=Path("a.png"), caption="a man", **facts)


@pytest.mark.parametrize(("values", "sliced"), [(MAX_VALUES, True), (MAX_VALUES + 1, False)])
def test_an_attribute_with_too_many_values_is_named_but_not_sliced(values, sliced):
    samples = [plain(number, attributes={"shirt": str(number)}) for number in range(values)]
    report = slice_report([*samples, plain(99)], hits(*[1] * (values + 1)))
    assert report.not_sliced == (() if sliced else ("shirt",))
    assert any(one.attribute == "shirt" for one in report.slices) == sliced


def test_without_cameras_there_is_no_slice_by_camera():
    report = slice_report([plain(0), plain(1)], hits(1, 2))
    assert [one.attribute for one in report.slices] == ["caption length"]


@pytest.mark.parametrize(("captions", "small"), [(29, True), (30, False)])
def test_few_captions_make_a_slice_small(captions, small):
    (one,) = slice_report([plain(number) for number in range(captions)], hits(*[1] * captions)).slices
    assert one.small == small


def test_one_person_has_no_interval():
    samples = [replace(plain(number), identity=7) for number in range(3)]
    (one,) = slice_report(samples, hits(1, 2, 20)).slices
    assert one.r1_interval is None
    assert (one.people, one.r1, one.r10) == (1, pytest.approx(100 / 3), pytest.approx(200 / 3))


def test_ranks_of_other_queries_are_refused():
    with pytest.raises(ValueError, match="2 samples for the ranks of 1 queries"):
        slice_report([plain(0), plain(1)], hits(1))
