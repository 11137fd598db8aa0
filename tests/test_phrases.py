"""Descriptions to phrases: by example, and what holds for any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.phrases import MOST_CHARACTERS, MOST_PHRASES, phrases_of

WORDS = (
    "a",
    "red",
    "black",
    "and",
    "AND",
    "with",
    "in",
    "coat",
    ",",
    ";",
    ".",
    "\n",
    " ",
    "without",
    "İ",
    "ß",
)


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        (
            "a woman with long brown hair, a red coat and a black backpack",
            ["a woman", "long brown hair", "a red coat", "a black backpack"],
        ),
        (
            "A man in a Black and White shirt, blue jeans and shoes. He is carrying a bag.",
            ["A man", "a Black and White shirt", "blue jeans", "shoes", "a bag"],
        ),
        ("a red, white and blue top; grey trousers", ["a red, white and blue top", "grey trousers"]),
        ("a tall, slim man wearing black and holding a phone", ["a tall, slim man", "black", "a phone"]),
        ("a man without a hat", ["a man without a hat"]),
        ("a check-in bag, 1.5 m tall", ["a check-in bag", "1.5 m tall"]),
        ("she has brown hair in a bun", ["brown hair", "a bun"]),
        ("black and white", ["black and white"]),
        ("a red coat\nblue jeans", ["a red coat", "blue jeans"]),
        ("红色外套", ["红色外套"]),
        ("\x1fa coat\u00a0,\u3000, and\x1f", ["a coat"]),
        ("", []),
        (" , and with ... a ,", []),
    ],
)
def test_phrases(text: str, phrases: list[str]) -> None:
    assert phrases_of(text) == phrases


def test_many_and_long_phrases_are_cut() -> None:
    assert phrases_of(", ".join(f"thing {n}" for n in range(20))) == [
        f"thing {n}" for n in range(MOST_PHRASES)
    ]
    assert phrases_of("x" * 200) == ["x" * MOST_CHARACTERS]
    assert phrases_of("shiny coat " * 20) == ["shiny coat " * 6 + "shiny coat"]


@given(
    st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join) | st.lists(st.sampled_from(WORDS)).map("".join)
)
def test_pieces_of_any_text_stand_in_it_in_order(text: str) -> None:
    phrases, start = phrases_of(text), 0
    assert len(phrases) <= MOST_PHRASES
    for phrase in phrases:
        assert 0 < len(phrase) <= MOST_CHARACTERS
        assert phrase == phrase.strip()
        start = text.index(phrase, start) + len(phrase)
