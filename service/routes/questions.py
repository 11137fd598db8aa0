"""From the body of a request to a question: what is noted of it, what is refused, what is asked."""

from collections.abc import Sequence

from fastapi import Request

from indexer.filter_text import parse_filter
from indexer.filters import Filter, all_of, from_choices, words_of
from service.audit.record import Record
from service.errors import ProtectedTrait
from service.labels import sources_of
from service.query import ImagePart, ItemPart, Part, Question, TextPart
from service.schemas.filter import SearchFilter
from service.schemas.search import MAX_DEPTH, SearchRequest
from service.scopes import Caller
from service.searcher import Searcher
from service.visible import narrowed


async def to_question(body: SearchRequest, searcher: Searcher, caller: Caller) -> Question:
    """The request as the query path takes it. Raises UnknownItem for rows that the caller may not see."""
    parts: list[Part] = []
    if body.text is not None:
        parts.append(TextPart(body.text))
    if body.image is not None:
        parts.append(ImagePart(body.image))
    for part in body.parts:
        if part.weight == 0:
            continue
        if part.text is not None:
            parts.append(TextPart(part.text, part.weight))
        elif part.image is not None:
            parts.append(ImagePart(part.image, part.weight))
        elif part.item is not None:
            await searcher.item(part.item, caller)
            parts.append(ItemPart(part.item, part.weight))
    return Question(
        tuple(parts),
        min(body.top_k, MAX_DEPTH - body.offset),
        body.offset,
        narrowed(to_filter(body.filter, searcher), caller),
        body.min_score,
        body.group_by == "track",
    )


def to_filter(given: SearchFilter | None, searcher: Searcher) -> Filter | None:
    """The filter as the gallery takes it, with sources by their full names."""
    if given is None:
        return None
    sources = None if given.sources is None else sources_of(given.sources, searcher.stats.sources)
    choices = from_choices(
        cameras=given.cameras,
        tracks=given.tracks,
        sources=sources,
        seen_from=given.seen_from,
        seen_until=given.seen_until,
        attributes=given.attributes,
    )
    return choices if given.where is None else all_of(choices, parse_filter(given.where))


def check_words(request: Request, record: Record, body: SearchRequest) -> None:
    """Raises ProtectedTrait as `check_texts`, for the texts and the filter of a search."""
    texts = [text for text in (body.text, *(part.text for part in body.parts)) if text is not None]
    if body.filter is not None:
        texts += [f"{name} {value}" for name, value in body.filter.attributes.items()]
    if body.filter is not None and body.filter.where is not None:
        texts += words_of(parse_filter(body.filter.where))
    check_texts(request, record, texts)


def check_texts(request: Request, record: Record, texts: Sequence[str]) -> None:
    """Raises ProtectedTrait, on record, where this service refuses what a text asks for."""
    try:
        request.app.state.gate.check(texts)
    except ProtectedTrait as error:
        record.refusal = str(error)
        raise


def note_question(record: Record, body: SearchRequest) -> None:
    """What the audit log is to know of a search, before it is answered."""
    texts = [body.text or "", *(part.text or "" for part in body.parts)]
    rows = [
        f"{'not ' if part.weight < 0 else ''}item {part.item}" for part in body.parts if part.item is not None
    ]
    pictures = sum(image is not None for image in (body.image, *(part.image for part in body.parts)))
    said = [*filter(None, texts), *rows, *(["a picture"] * pictures)]
    record.words = "; ".join(filter(None, (record.words, *said)))
    if body.filter is not None:
        filters = (record.filter, body.filter.model_dump_json(exclude_defaults=True))
        record.filter = " ".join(filter(None, filters))
