"""Ranked strips: which queries are drawn, and what the drawn pictures hold."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image, ImageFont

from model.datasets.samples import Sample
from model.errors import DatasetError
from model.evaluation import rank_vectors
from model.plots import (
    CAPTION_LINES,
    CELL,
    CROP,
    RIGHT,
    ROWS,
    SHOWN,
    WRONG,
    WRONG_FRAME,
    bad_queries,
    framed,
    good_queries,
    ranked_strip,
    wrapped,
    write_strips,
)
from model.split_vectors import SplitVectors


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def split(folder, people=20, noise=0.0, size=(20, 60), seed=0):
    """One picture and one caption a person; without noise a caption finds its own picture first."""
    generator = np.random.default_rng(seed)
    images = generator.standard_normal((people, 32))
    samples = []
    for number in range(people):
        path = folder / f"{number}.png"
        Image.new("RGB", size, (0, 0, 40 + number)).save(path)
        samples.append(Sample(number, number, path, f"a person with the number {number}"))
    texts = images + noise * generator.standard_normal(images.shape)
    return SplitVectors(tuple(samples), tuple(samples), unit(texts), unit(images))


def ranks_of(vectors):
    return rank_vectors(vectors.texts, vectors.images, vectors.caption_ids, vectors.image_ids)


def rgb(colour):
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


def test_good_queries_are_right_and_spread_over_people():
    first = np.array([1] * 30 + [2] * 10)
    people = [0] * 20 + [1, 2, 3, 4, 5, 6, 7, 8, 9, 9] + [10] * 10
    chosen = good_queries(first, people, seed=0)
    assert len(set(chosen)) == ROWS
    assert all(first[query] == 1 for query in chosen)
    assert max(Counter(people[query] for query in chosen).values()) == 1
    assert chosen == good_queries(first, people, seed=0)
    assert chosen != good_queries(first, people, seed=1)


def test_a_person_comes_again_only_when_all_others_came():
    people = [0] * 10 + [1, 1, 2]
    chosen = good_queries(np.ones(13, int), people, seed=0)
    assert len(set(chosen)) == ROWS
    assert Counter(people[query] for query in chosen) == {0: 5, 1: 2, 2: 1}


def test_bad_queries_are_the_worst_first_and_never_right():
    first = np.array([1, 9, 3, 9, 1, 50, 2])
    assert bad_queries(first) == [5, 1, 3, 2, 6]
    assert len(bad_queries(np.arange(2, 40))) == ROWS
    assert bad_queries(np.ones(4, int)) == []


def test_a_strip_holds_the_first_pictures_and_the_first_right_one(tmp_path):
    vectors = split(tmp_path, people=40, noise=6.0)
    first_match = ranks_of(vectors).first_match
    late = int(np.argmax(first_match))
    assert first_match[late] > SHOWN
    for query in (late, int(np.argmin(first_match))):
        strip = ranked_strip(vectors, query)
        order = np.argsort(-(vectors.images @ vectors.texts[query]), kind="stable")
        assert strip.first_match == first_match[query]
        assert strip.shown[:SHOWN] == tuple(enumerate(order[:SHOWN].tolist(), start=1))
    assert ranked_strip(vectors, late).shown[SHOWN:] == ((first_match[late], late),)


@pytest.mark.parametrize("size", [(20, 60), (300, 40), (1, 1)])
@pytest.mark.parametrize(("right", "colour"), [(True, RIGHT), (False, WRONG)])
def test_the_frame_tells_right_from_wrong(tmp_path, size, right, colour):
    path = tmp_path / "a.png"
    Image.new("RGB", size, "blue").save(path)
    cell = framed(path, right)
    assert cell.size == CELL
    assert cell.getpixel((CELL[0] // 2, CELL[1] // 2)) == (0, 0, 255)
    shown = {pixel for _, pixel in cell.getcolors(10_000)}
    other = WRONG if right else RIGHT
    assert rgb(colour) in shown
    assert rgb(other) not in shown


def pixels_of(path):
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        return np.array(picture)


def longest_row(pixels, colour):
    """The most pixels of a colour that any row of a picture has."""
    return int((pixels == rgb(colour)).all(axis=2).sum(axis=1).max())


def strips_on(pixels):
    """The grey lines above the strips are counted."""
    return int(((pixels == 0xDD).all(axis=2).sum(axis=1) > pixels.shape[1] / 2).sum())


@pytest.mark.parametrize("people", [1, 3, 20])
def test_both_files_are_written_however_few_there_are(tmp_path, people):
    vectors = split(tmp_path, people=people, noise=1.5)
    ranks = ranks_of(vectors)
    paths = write_strips(tmp_path, vectors, ranks)
    assert paths == [tmp_path / "good.png", tmp_path / "bad.png"]
    good, bad = int((ranks.first_match == 1).sum()), int((ranks.first_match > 1).sum())
    assert [strips_on(pixels_of(path)) for path in paths] == [min(ROWS, good), min(ROWS, bad)]


def test_the_sheet_shows_one_green_frame_and_nine_red_ones(tmp_path):
    vectors = split(tmp_path)
    good, bad = (pixels_of(path) for path in write_strips(tmp_path, vectors, ranks_of(vectors)))
    assert longest_row(good, RIGHT) == CELL[0]
    assert longest_row(good, WRONG) == (SHOWN - 1) * (CROP[0] + 2 * WRONG_FRAME)
    assert longest_row(bad, RIGHT) == longest_row(bad, WRONG) == 0


def test_a_late_match_stands_behind_the_ten(tmp_path):
    vectors = split(tmp_path, people=40, noise=6.0)
    _, bad = (pixels_of(path) for path in write_strips(tmp_path, vectors, ranks_of(vectors)))
    assert longest_row(bad, RIGHT) == CELL[0]
    assert longest_row(bad, WRONG) == SHOWN * (CROP[0] + 2 * WRONG_FRAME)


def test_the_same_split_gives_the_same_bytes(tmp_path):
    vectors = split(tmp_path, noise=2.0)
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        written.append(
            [path.read_bytes() for path in write_strips(tmp_path / name, vectors, ranks_of(vectors))]
        )
    assert written[0] == written[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a woman in red " * 40,
        "w" * 400,
        "穿红色外套的女人" * 30,
        "a\tb\nc \x1b[31m red",
        "\U0001f6b6 \ud800",
    ],
)
def test_captions_of_any_kind_fit_their_column(text):
    font = ImageFont.load_default(14)
    lines = wrapped(text, font, 200)
    assert len(lines) <= CAPTION_LINES
    assert all(font.getlength(line) <= 200 for line in lines)


def test_a_caption_that_fits_is_shown_whole():
    text = "The young man wears a dark blue jacket, white trainers and carries a large backpack."
    assert " ".join(wrapped(text, ImageFont.load_default(14), 292)) == text


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    vectors = split(tmp_path)
    ranks = ranks_of(vectors)
    for sample in vectors.shown:
        sample.path.write_bytes(b"broken")
    with pytest.raises(DatasetError, match=r"\d\.png cannot be read"):
        write_strips(tmp_path, vectors, ranks)
