"""A ranking to take along: a table for spreadsheets, or a contact sheet to be printed."""

import csv
import io
from collections.abc import Mapping

from service.printed.sheet import people, person, printed, seen, sheet
from service.schemas.search import SearchHit, SearchResponse

COLUMNS = (
    *("rank", "id", "score", "probability", "convincing_from", "camera", "seen_at", "track", "source"),
    *("searched_for", "filter"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def hits_csv(found: SearchResponse, asked: str, filtered: str = "", first: int = 1) -> bytes:
    """RFC 4180, UTF-8 with a mark, so that spreadsheets read it; one row for each hit.

    `asked` is what was searched for in words, `filtered` what narrowed it, the same in each row, as is the
    probability from which a hit convinces; each attribute has a column; `first` is the rank of the first hit.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    names = sorted({name for hit in found.hits for name in hit.attributes})
    rows.writerow((*COLUMNS, *(f"attribute {name}" for name in names)))
    for rank, hit in enumerate(found.hits, first):
        likely = (hit.probability, found.judgement.threshold)
        told = (hit.camera, hit.seen_at, hit.track, hit.source, asked, filtered)
        attributes = (hit.attributes.get(name) for name in names)
        rows.writerow([rank, hit.id, hit.score, *map(_cell, (*likely, *told, *attributes))])
    return "\ufeff".encode() + text.getvalue().encode()


def contact_sheet(
    found: SearchResponse,
    asked: str,
    pictures: Mapping[int, bytes],
    facts: list[tuple[str, str]],
    printed_by: str,
    first: int = 1,
) -> bytes:
    """HTML; `asked` is what was searched for in words, `pictures` by the ids of rows, `first` as above."""
    judged = found.judgement.convincing
    verdict = {None: "not known", True: "yes", False: "no convincing match"}[judged]
    more = "" if found.next_offset is None else "; there are more"
    head = [
        ("Searched for", asked),
        *facts,
        ("Hits", f"{len(found.hits)} of {found.gallery.items} images{more}"),
        ("Convincing", verdict),
        ("Encoder", found.gallery.encoder),
        printed(printed_by),
    ]
    hits = enumerate(found.hits, first)
    return sheet("Contact sheet", head, [people(_hit(rank, hit, pictures) for rank, hit in hits)])


def _hit(rank: int, hit: SearchHit, pictures: Mapping[int, bytes]) -> str:
    chance = f"similarity {hit.score:.3f}"
    if hit.probability is not None:
        chance = f"{_percent(hit.probability)} likely, {chance}"
    return person(pictures.get(hit.id), f"{rank}. No. {hit.id}", [chance, *seen(hit)])


def _percent(probability: float) -> str:
    """As the page shows it: never quite nothing and never certain."""
    if probability < 0.01:
        return "< 1 %"
    return "> 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"


def _cell(value: str | float | bool | None) -> str | float:
    """A value as spreadsheets read it; a text never as a formula."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else value
