"""A ranking to take along: a table for spreadsheets, or a contact sheet to be printed."""

import csv
import io
import json
from collections.abc import Mapping

from service.keys import now
from service.printed.sheet import moment, people, person, sheet
from service.schemas.search import SearchHit, SearchResponse

COLUMNS = ("rank", "id", "score", "probability", "camera", "seen_at", "track", "source", "attributes")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def hits_csv(found: SearchResponse) -> bytes:
    """RFC 4180, UTF-8 with a mark, so that spreadsheets read it; one row for each hit."""
    text = io.StringIO(newline="")
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for rank, hit in enumerate(found.hits, 1):
        attributes = json.dumps(hit.attributes, ensure_ascii=False) if hit.attributes else ""
        told = [hit.camera, hit.seen_at, hit.track, hit.source, attributes]
        chance = "" if hit.probability is None else hit.probability
        rows.writerow([rank, hit.id, hit.score, chance, *(_no_formula(value or "") for value in told)])
    return "\ufeff".encode() + text.getvalue().encode()


def contact_sheet(
    found: SearchResponse, asked: str, pictures: Mapping[int, bytes], facts: list[tuple[str, str]]
) -> bytes:
    """HTML; `asked` is what was searched for in words, `pictures` by the ids of rows."""
    judged = found.judgement.convincing
    verdict = {None: "not known", True: "yes", False: "no convincing match"}[judged]
    head = [
        ("Searched for", asked),
        *facts,
        ("Hits", f"{len(found.hits)} of {found.gallery.items} images"),
        ("Convincing", verdict),
        ("Encoder", found.gallery.encoder),
        ("Printed", moment(now())),
    ]
    return sheet("Contact sheet", head, [people(_hit(r, h, pictures) for r, h in enumerate(found.hits, 1))])


def _hit(rank: int, hit: SearchHit, pictures: Mapping[int, bytes]) -> str:
    chance = f"similarity {hit.score:.3f}"
    if hit.probability is not None:
        chance = f"{100 * hit.probability:.0f} % likely, {chance}"
    lines = [
        chance,
        hit.camera or "camera not known",
        moment(hit.seen_at) if hit.seen_at else "time not known",
    ]
    return person(pictures.get(hit.id), f"{rank}. No. {hit.id}", lines)


def _no_formula(text: str) -> str:
    """A text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
