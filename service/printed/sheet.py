"""One page of HTML for printing that needs nothing else: no script, nothing from outside, pictures inside."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from service.keys import now
from service.schemas.items import Item

CAUTION = "A hit is a lead to check, not proof of identity."

_STYLE = (Path(__file__).parent / "sheet.css").read_text()


def sheet(title: str, facts: Sequence[tuple[str, str]], parts: Iterable[str]) -> bytes:
    """The page; `parts` are markup already, all else is text."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    body = f"<h1>{escape(title)}</h1><dl>{rows}</dl>{''.join(parts)}<footer>{CAUTION}</footer>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>"
    ).encode()


def moment(iso: str) -> str:
    """`2026-05-01T12:00:00.000Z` for people: to the second; lines break between the day and the time."""
    return f"{iso[:10]} {iso[11:19]} UTC"


def seen(item: Item) -> list[str]:
    """Where and when somebody was seen, as far as it is known."""
    return [item.camera or "camera not known", moment(item.seen_at) if item.seen_at else "time not known"]


def printed(by: str) -> tuple[str, str]:
    """The fact of when a page is printed, and by whom; "": nobody who showed a key."""
    return "Printed", f"{moment(now())}{f' by {by}' if by else ''}"


def person(picture: bytes | None, head: str, lines: Sequence[str]) -> str:
    """One crop (a JPEG, or None where it is gone) with what is said below it."""
    image = ""
    if picture is not None:
        image = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
    told = "".join(f"<span>{escape(line)}</span>" for line in lines)
    return f"<li>{image}<b>{escape(head)}</b>{told}</li>"


def people(persons: Iterable[str]) -> str:
    """Many of them, side by side."""
    return f'<ul class="people">{"".join(persons)}</ul>'


def heading(text: str) -> str:
    """The title of a part."""
    return f"<h2>{escape(text)}</h2>"


def quotation(text: str, by: str) -> str:
    """What somebody wrote."""
    return f"<blockquote>{escape(text)}<br><span>{escape(by)}</span></blockquote>"
