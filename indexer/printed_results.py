"""The answer of `cskt search`, as lines for people or as JSON."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.gallery import Gallery
    from indexer.grouping import Group
    from indexer.items import Hit
    from indexer.judging import Judgement

MOST_OTHERS = 20


def answer_lines(groups: "Sequence[Group]", judged: "Judgement", gallery: "Gallery") -> Iterator[str]:
    """A line for each group, by its best crop, and what is to be thought of all of them."""
    if not groups:
        cameras = ", ".join(gallery.stats().cameras) or "none"
        why = f"the filter lets none of {len(gallery)} items through (cameras there are: {cameras})"
        yield f"nothing found: {why if len(gallery) else 'the gallery is empty'}."
    for place, (group, probability) in enumerate(zip(groups, judged.probabilities, strict=True), 1):
        hit, item = group.best, group.best.item
        track = f"track {item.track}" if item.track else None
        facts = [fact for fact in (item.camera, item.seen_at, track, item.uri, _more(group)) if fact]
        likely = "" if probability is None else f"  {100 * probability:3.0f} %"
        yield f"{place:3d}. {hit.score:.3f}{likely}  " + "  ".join(facts)
    if groups and judged.convincing is False:
        yield not_convincing(judged)
    if groups and judged.reason:
        yield f"no probabilities: {judged.reason[0].lower()}{judged.reason[1:]}"


def not_convincing(judged: "Judgement") -> str:
    """What a ranking without a convincing hit means."""
    assert judged.threshold is not None
    assert judged.false_alarm_rate is not None
    return (
        f"no convincing match: the best hit would have to be {100 * judged.threshold:.0f} % likely, so that "
        f"of searches for people who are not there {100 * judged.false_alarm_rate:g} % at most find somebody "
        f"(measured on {judged.calibrated_on})."
    )


def answer_json(text: str, groups: "Sequence[Group]", judged: "Judgement", items: int, grouped: bool) -> str:
    """One object; `grouped`: each hit with the `others` of its group."""
    hits = [
        _hit(group.best)
        | {"probability": probability}
        | ({"others": [_hit(other) for other in group.others]} if grouped else {})
        for group, probability in zip(groups, judged.probabilities, strict=True)
    ]
    judgement = {name: value for name, value in vars(judged).items() if name != "probabilities"}
    return json.dumps({"query": text, "items": items, "judgement": judgement, "hits": hits})


def _more(group: "Group") -> str:
    """`+3 more of this track`, or nothing where the best crop is alone."""
    count = len(group.others)
    if not count:
        return ""
    return f"+{count}{' or more' if count == MOST_OTHERS else ' more'} of this {group.kind}"


def _hit(hit: "Hit") -> dict[str, Any]:
    item = hit.item
    box = item.box and [item.box.left, item.box.top, item.box.right, item.box.bottom]
    place = {"key": item.key, "uri": item.uri, "source": item.source, "box": box}
    facts = {"camera": item.camera, "seen_at": item.seen_at, "track": item.track}
    return (
        {"id": hit.id, "score": round(hit.score, 6)} | place | facts | {"attributes": dict(item.attributes)}
    )
