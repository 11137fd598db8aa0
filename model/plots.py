"""Ranked strips: a caption, the pictures it found first, and which of them show the right person.

Drawn with PIL and its own font. The files show pictures of people: they are written only when asked for.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from model.datasets.samples import read_image
from model.evaluation import Ranks, exact_factors
from model.split_vectors import SplitVectors

ROWS, SHOWN = 8, 10

CROP = (64, 128)
"""Width and height of a picture on a strip, in pixels like all sizes below."""
RIGHT_FRAME, WRONG_FRAME = 5, 2
MARGIN, GAP, TEXT_WIDTH, LINE = 16, 8, 300, 18
CELL = (CROP[0] + 2 * RIGHT_FRAME, CROP[1] + 2 * RIGHT_FRAME)
HEAD = 56
CAPTION_LINES = 6

PAPER, INK, FAINT, RIGHT, WRONG = "#ffffff", "#222222", "#777777", "#0a8f3c", "#d0311e"

TITLES = {
    "good.png": "Found at once: the first picture shows the person asked for.",
    "bad.png": "Found late: the captions whose first right picture came latest.",
}
LEGEND = "Thick green frame: the person asked for. Thin red frame: somebody else."
NOTHING = "There is no such caption in this data set."


Font = ImageFont.ImageFont | ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Strip:
    """One row: the caption, the gallery rows shown with their places, and the place of the first match."""

    caption: str
    shown: tuple[tuple[int, int], ...]
    first_match: int
    identity: int


def write_strips(folder: Path, vectors: SplitVectors, ranks: Ranks, seed: int = 0) -> list[Path]:
    """Write good.png and bad.png into `folder` and return their paths.

    `ranks` are those of the captions; `seed` draws the good ones. Raises DatasetError for an image that
    cannot be read.
    """
    chosen = {
        "good.png": good_queries(ranks.first_match, vectors.caption_ids, seed),
        "bad.png": bad_queries(ranks.first_match),
    }
    paths = []
    for name, queries in chosen.items():
        strips = [ranked_strip(vectors, query) for query in queries]
        draw_strips(TITLES[name], strips, vectors).save(folder / name)
        paths.append(folder / name)
    return paths


def good_queries(first_match: NDArray[np.int64], identities: Sequence[int], seed: int) -> list[int]:
    """Up to ROWS queries whose first hit is right, drawn so that nobody comes twice before all came once."""
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(first_match == 1)).tolist()
    seen: Counter[int] = Counter()
    turns = []
    for query in drawn:
        turns.append(seen[identities[query]])
        seen[identities[query]] += 1
    return [drawn[place] for place in np.argsort(turns, kind="stable")[:ROWS]]


def bad_queries(first_match: NDArray[np.int64]) -> list[int]:
    """Up to ROWS queries, the worst place of the first match first; none whose first hit is right."""
    worst = np.argsort(-first_match, kind="stable")[:ROWS].tolist()
    return [query for query in worst if first_match[query] > 1]


def ranked_strip(vectors: SplitVectors, query: int) -> Strip:
    """The first SHOWN pictures of a caption; if none of them is right, the first right one follows them."""
    sample = vectors.samples[query]
    cosines = exact_factors(vectors.images) @ exact_factors(vectors.texts[query])
    order = np.argsort(-cosines, kind="stable").tolist()
    places = enumerate(order, start=1)
    first = next(place for place, row in places if vectors.shown[row].identity == sample.identity)
    shown = list(enumerate(order[:SHOWN], start=1))
    if first > SHOWN:
        shown.append((first, order[first - 1]))
    return Strip(sample.caption, tuple(shown), first, sample.identity)


def draw_strips(title: str, strips: Sequence[Strip], vectors: SplitVectors) -> Image.Image:
    """All strips below one another, RGB."""
    cells = max((len(strip.shown) for strip in strips), default=0)
    late = GAP if cells > SHOWN else 0
    width = 2 * MARGIN + TEXT_WIDTH + max(SHOWN, cells) * (CELL[0] + GAP) + late
    row_height = CELL[1] + LINE + 2 * GAP
    sheet = Image.new("RGB", (width, HEAD + max(1, len(strips)) * row_height + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 10), title, fill=INK, font=_font(17))
    draw.text((MARGIN, 34), LEGEND if strips else NOTHING, fill=FAINT, font=_font(13))
    for number, strip in enumerate(strips):
        top = HEAD + number * row_height
        draw.line((MARGIN, top, width - MARGIN, top), fill="#dddddd")
        _draw_words(draw, strip, top + GAP, len(vectors.shown))
        for cell, (place, row) in enumerate(strip.shown):
            left = MARGIN + TEXT_WIDTH + GAP + cell * (CELL[0] + GAP) + (late if cell >= SHOWN else 0)
            right = vectors.shown[row].identity == strip.identity
            sheet.paste(framed(vectors.shown[row].path, right), (left, top + GAP))
            middle = (left + CELL[0] // 2, top + GAP + CELL[1] + 2)
            draw.text(middle, f"{place:,}", fill=RIGHT if right else FAINT, font=_font(13), anchor="ma")
    return sheet


def framed(path: Path, right: bool) -> Image.Image:
    """A picture of size CELL, its aspect ratio kept, in the frame that says whether it is right."""
    picture = ImageOps.pad(Image.fromarray(read_image(path)), CROP, color="#eeeeee")
    thick = RIGHT_FRAME if right else WRONG_FRAME
    cell = Image.new("RGB", CELL, PAPER)
    cell.paste(ImageOps.expand(picture, thick, RIGHT if right else WRONG), (RIGHT_FRAME - thick,) * 2)
    return cell


def wrapped(text: str, font: Font, width: int) -> list[str]:
    """Lines of at most `width` pixels; words that do not fit are broken; cut after CAPTION_LINES."""
    lines = [""]
    for word in text.split():
        start = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(start) <= width:
            lines[-1] = start
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    if len(lines) <= CAPTION_LINES:
        return lines
    last = lines[CAPTION_LINES - 1]
    while font.getlength(last + " ...") > width:
        last = last[:-1]
    return [*lines[: CAPTION_LINES - 1], last + " ..."]


def _draw_words(draw: ImageDraw.ImageDraw, strip: Strip, top: int, gallery: int) -> None:
    """The caption and the place of its first match, left of the pictures."""
    lines = wrapped(strip.caption, _font(14), TEXT_WIDTH - GAP)
    for number, line in enumerate(lines):
        draw.text((MARGIN, top + number * LINE), line, fill=INK, font=_font(14))
    told = f"first match: place {strip.first_match:,} of {gallery:,}"
    colour = RIGHT if strip.first_match == 1 else WRONG
    draw.text((MARGIN, top + len(lines) * LINE + GAP // 2), told, fill=colour, font=_font(13))


def _font(size: int) -> Font:
    return ImageFont.load_default(size)
