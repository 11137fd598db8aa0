"""Filters in words mean what they say, come back from their own text, and fail with a place and a reason."""

import json
import random

import pytest
from filter_makers import FILTERS, passes, random_item
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indexer.errors import FilterError, GalleryError
from indexer.filter_text import MAX_CHARACTERS, format_filter, parse_filter
from indexer.filters import MAX_DEPTH, AllOf, AnyOf, Compare, Exists, Not, OneOf

RED = OneOf("attributes.coat", ("red",))
BAG = Exists("attributes.bag")
CAMERA = OneOf("camera", ("north",))
MIDNIGHT, NOON = "2026-05-01T00:00:00.000Z", "2026-05-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("coat = red", RED),
        ("coat=red", RED),
        ("  coat\n=\tred ", RED),
        ("coat = 'red'", RED),
        ('"coat" = "red"', RED),
        ("attributes.coat = red", RED),
        ("coat != red", Not(RED)),
        ("not coat = red", Not(RED)),
        ("NOT NOT coat = red", Not(Not(RED))),
        ("coat in (red)", RED),
        ("coat in (red, 'dark blue', 3)", OneOf("attributes.coat", ("red", "dark blue", "3"))),
        ("coat Not In (red)", Not(RED)),
        ("coat in ()", OneOf("attributes.coat", ())),
        ("bag exists", BAG),
        ("bag not exists", Not(BAG)),
        ("height < 1.8", Compare("attributes.height", "<", "1.8")),
        ("height>=-1e3", Compare("attributes.height", ">=", "-1e3")),
        ("id <= 7", Compare("id", "<=", "7")),
        ("seen_at > '2026-05-01 14:00+02:00'", Compare("seen_at", ">", NOON)),
        ("seen_at in (2026-05-01, 1777636800)", OneOf("seen_at", (MIDNIGHT, NOON))),
        ("camera = north", CAMERA),
        ("attributes.camera = north", OneOf("attributes.camera", ("north",))),
        ('"camera" = north', OneOf("attributes.camera", ("north",))),
        ("'seen_at' = north", OneOf("attributes.seen_at", ("north",))),
        ("'attributes.x' = 1", OneOf("attributes.attributes.x", ("1",))),
        ("attributes.a.b exists", Exists("attributes.a.b")),
        ("'' exists", Exists("attributes.")),
        ("coat = red and bag exists or camera = north", AnyOf((AllOf((RED, BAG)), CAMERA))),
        ("coat = red AND (bag exists Or camera = north)", AllOf((RED, AnyOf((BAG, CAMERA))))),
        ("not (coat = red or bag exists) and camera = north", AllOf((Not(AnyOf((RED, BAG))), CAMERA))),
        ("((coat = red))", RED),
        (r'name = "a \"b\" \\ \u00e9 \ud83d\ude00"', OneOf("attributes.name", ('a "b" \\ é 😀',))),
        (r"name = 'it\'s \"so\" \n'", OneOf("attributes.name", ('it\'s "so" \n',))),
        ("name = O'Brien", OneOf("attributes.name", ("O'Brien",))),
        ("name = wow!", OneOf("attributes.name", ("wow!",))),
        ("mäntel = grün", OneOf("attributes.mäntel", ("grün",))),
        ("path = /a/b:c.jpg#x", OneOf("attributes.path", ("/a/b:c.jpg#x",))),
        ("'not' = 'and'", OneOf("attributes.not", ("and",))),
    ],
)
def test_words_mean_what_they_say(text, where):
    assert parse_filter(text) == where


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("name=dark blue", "name", "dark blue"),
        ("upper color=dark  blue ", "upper color", "dark  blue"),
        ("name=O'Brien's coat", "name", "O'Brien's coat"),
        ("name=Smith, John", "name", "Smith, John"),
        ("a=b=c", "a", "b=c"),
        ("url=http://x?y=z", "url", "http://x?y=z"),
        ("f=g(x)", "f", "g(x)"),
    ],
)
def test_one_plain_condition_needs_no_quotes(text, name, value):
    assert parse_filter(text) == OneOf(f"attributes.{name}", (value,))


def test_a_plain_time_is_a_time():
    assert parse_filter("seen_at=2026-05-01 12:00") == OneOf("seen_at", (NOON,))
    assert parse_filter("camera=north gate") == OneOf("camera", ("north gate",))


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", 1, "the name of a field"),
        ("   ", 4, "the name of a field"),
        ("coat", 5, "exists"),
        ("coat =", 7, "a value"),
        ("coat = )", 8, "a value"),
        ("coat = and", 8, "a value"),
        ("coat = 'red", 8, "a value"),
        ("coat == red", 7, "a value"),
        ("coat => red", 7, "a value"),
        ("coat red", 6, "exists"),
        ("coat = red bag exists", 12, "and, or, or the end"),
        ("coat = red bag = blue", 12, "and, or, or the end"),
        ("coat = red and", 15, "the name of a field"),
        ("coat = red and bag exsts", 20, "exists"),
        ("coat = cat in the hat", 12, "quotes"),
        ("(coat = red", 12, "closing parenthesis"),
        ("coat = red)", 11, "the end"),
        ("coat in red", 9, "in parentheses"),
        ("coat in (red blue)", 14, "comma"),
        ("coat in (red", 13, "comma"),
        ("coat in (,)", 10, "a value"),
        ("coat in (red,)", 14, "a value"),
        ("coat not = red", 10, "in or exists"),
        ("coat ! red", 6, "exists"),
        (r"coat = '\q'", 8, "escapes"),
        ("seen_at > yesterday", 11, "a time"),
        ("seen_at=some day", 9, "a time"),
        ("= red", 1, "the name of a field"),
        ("exists", 1, "the name of a field"),
    ],
)
def test_errors_name_the_place_and_what_was_expected(text, place, expected):
    with pytest.raises(FilterError) as error:
        parse_filter(text)
    sentence = str(error.value)
    assert f"at character {place}:" in sentence
    assert expected in sentence.split(" was expected")[0]
    assert sentence.endswith(".")
    assert isinstance(error.value, GalleryError)


def test_errors_show_nothing_that_steers_a_terminal():
    for text in ("coat \x1b[31m red", "coat = red \x1b[31m exists", "\ud800\u202e"):
        with pytest.raises(FilterError) as error:
            parse_filter(text)
        assert str(error.value).isprintable()


def test_length_and_depth_are_bounded():
    for text in ("not " * MAX_DEPTH + "bag exists", "(" * MAX_DEPTH + "bag exists" + ")" * MAX_DEPTH):
        parse_filter(text)
    parse_filter(" and ".join(["(not bag exists)"] * (MAX_DEPTH + 1)))
    alternating = "a exists or b exists and ("
    for text in (
        "not " * (MAX_DEPTH + 1) + "bag exists",
        "(" * (MAX_DEPTH + 1) + "bag exists" + ")" * (MAX_DEPTH + 1),
        "(" * MAX_CHARACTERS,
        alternating * 40 + "c exists" + ")" * 40,
    ):
        with pytest.raises(FilterError, match="too deep"):
            parse_filter(text)
    with pytest.raises(FilterError, match="characters"):
        parse_filter("a" * (MAX_CHARACTERS + 1))
    with pytest.raises(FilterError):
        parse_filter(" " * MAX_CHARACTERS)


def spelled(where):
    """The same with each number as the text that spells it."""
    match where:
        case AllOf(parts) | AnyOf(parts):
            return type(where)(tuple(map(spelled, parts)))
        case Not(part):
            return Not(spelled(part))
        case OneOf(field, values):
            return OneOf(field, tuple(map(_text, values)))
        case Compare(field, sign, value):
            return Compare(field, sign, _text(value))
    return where


def _text(value):
    return value if isinstance(value, str) else json.dumps(value)


@settings(max_examples=400, deadline=None)
@given(where=FILTERS, seed=st.integers(0, 2**32))
def test_a_filter_comes_back_from_its_text(where, seed):
    text = format_filter(where)
    assert text.isprintable()
    again = parse_filter(text)
    rng = random.Random(seed)
    for id in range(10):
        item = random_item(rng, id)
        assert passes(item, again, id) == passes(item, spelled(where), id)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (AllOf(()), "id not in ()"),
        (Exists("attributes.attributes.x"), '"attributes.x" exists'),
        (Exists("attributes.in"), '"in" exists'),
        (AnyOf(()), "id in ()"),
        (Not(AllOf((AnyOf((RED, BAG)),))), "not (coat = red or bag exists)"),
        (AllOf((AnyOf((RED, BAG)), CAMERA)), "(coat = red or bag exists) and camera = north"),
        (OneOf("attributes.camera", ("a b", "\n")), '"camera" in ("a b", "\\n")'),
        (OneOf("attributes.x", (True, 1.5, float("inf"), float("nan"))), "x in (true, 1.5, 1e999)"),
        (Compare("attributes.x", "<", float("nan")), "x in ()"),
    ],
)
def test_the_text_of_a_filter(where, text):
    assert format_filter(where) == text


PIECES = [
    "and",
    "or",
    "not",
    "in",
    "exists",
    "(",
    ")",
    "=",
    "!=",
    "<",
    ">=",
    ",",
    "coat",
    "seen_at",
    "id",
    "red",
]
PIECES += ['"a b"', "'", '"', "\\", "2026-05-01T12:00", "attributes.", "!", "=", "3", " ", "\ud800", "\0"]
ANYTHING = st.lists(st.sampled_from(PIECES), max_size=25).map(" ".join) | st.text(
    st.sampled_from("ano rti()=<>!,\"'\\u0d8é\n") | st.characters(), max_size=60
)


@settings(max_examples=1500, deadline=None)
@given(text=ANYTHING)
@example("seen_at = 99999999999")
@example("seen_at = 9999-12-31T23:59:59.9999")
@example(r'x = "\ud800"')
def test_any_text_is_a_filter_or_a_filter_error(text):
    try:
        where = parse_filter(text)
    except FilterError:
        return
    passes(random_item(random.Random(1), 1), where, 1)
    assert parse_filter(format_filter(where)) == where
