"""A ranking on paper: what stands in a table and on a contact sheet."""

import csv
import html
import io

import pytest

from service.printed.hits import _hit, hits_csv
from service.schemas.search import Judgement, SearchHit, SearchResponse


@pytest.mark.parametrize("hostile", ["=cmd|'/c calc'!A1", "+1", "@sum", "-1", 'a,"b"\nc'])
def test_a_table_is_read_back_as_it_was_and_holds_no_formula(hostile: str) -> None:
    found = SearchResponse.model_construct(
        hits=[
            SearchHit(
                id=7,
                camera=hostile,
                seen_at=None,
                track=None,
                source="s",
                attributes={"a": hostile},
                image_url="/v1/images/7",
                score=-0.25,
                probability=None,
                others=[],
            )
        ],
        judgement=Judgement.model_construct(threshold=0.6),
    )
    text = hits_csv(found, hostile, hostile).decode("utf-8-sig")
    ((row,)) = csv.DictReader(io.StringIO(text, newline=""))
    for column in ("camera", "attribute a", "searched_for", "filter"):
        assert row[column].removeprefix("'") == hostile
        assert not row[column].startswith(("=", "+", "-", "@"))
    assert (row["rank"], row["id"], row["score"], row["convincing_from"]) == ("1", "7", "-0.25", "0.6")


@pytest.mark.parametrize(
    ("probability", "said"),
    [(0.0, "< 1 %"), (0.0099, "< 1 %"), (0.01, "1 %"), (0.994, "> 99 %"), (0.99, "99 %"), (0.385, "38 %")],
)
def test_a_sheet_says_never_quite_nothing_and_never_certain(probability: float, said: str) -> None:
    hit = SearchHit.model_construct(
        id=1, score=0.5, probability=probability, camera=None, seen_at=None, attributes={}
    )
    assert f"{said} likely" in html.unescape(_hit(1, hit, {}))
