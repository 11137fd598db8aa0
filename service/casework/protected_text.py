"""Texts that ask for what the law protects are refused: origin, religion, health, orientation, politics.

It reads words, not minds: what it lets through is no proof that nothing of the kind was meant. What can be
seen and put on stays allowed, a headscarf as much as a black coat, a wheelchair as a visible thing.
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from service.errors import ProtectedTrait

_WORDS = tomllib.loads((Path(__file__).parent / "protected_words.toml").read_text("utf-8"))
_ALWAYS = {trait: frozenset(words.split()) for trait, words in _WORDS["always"].items()}
_CONTEXT = {name: frozenset(words.split()) for name, words in _WORDS["context"].items()}
_SKINS_BEFORE = {skin: frozenset(shades.split()) for skin, shades in _WORDS["skins_before"].items()}
_ARTICLES, _RELATIVE = {"a", "the", "one"}, {"who", "that"}
_BEING = {"is", "was", "looks", "seems", "appears"}
_OF_SOMETHING = {"haired", "hair", "clad", "dressed", "bearded", "eyed", "booted", "suited"}
_LOOKALIKES = str.maketrans("авеікмнорстухѕјԁɡοαερνιτκ", "abeikmhopctyxsjdgoaepvitk")
_DIGITS = str.maketrans("013457@$", "oieastas")
_SPLIT = re.compile(r"(?<![^\W\d_])(?:[^\W\d_][ ._*-]){3,}[^\W\d_](?![^\W\d_])")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]*)?|[,.;:!?()]")


def check_words(texts: Iterable[str]) -> None:
    """Raises ProtectedTrait, naming the words and what they ask for."""
    for text in texts:
        for found, trait in protected(text):
            raise ProtectedTrait(
                f"The words “{found}” ask for {trait}, by which nobody is searched for here; describe "
                "clothes, hair, bags and what else can be seen."
            )


def protected(text: str) -> Iterator[tuple[str, str]]:
    """The words of a text that ask for a protected trait, and for which."""
    words = _words(text)
    for place, word in enumerate(words):
        yield from _alone(words, place, word)
        yield from _of_people(words, place, word)
        yield from _of_skin(words, place, word)
        yield from _from_afar(words, place, word)


def _alone(words: Sequence[str], place: int, word: str) -> Iterator[tuple[str, str]]:
    for trait, known in _ALWAYS.items():
        if word in known or word.removesuffix("s") in known:
            yield word, trait
    following = _at(words, place + 1)
    if (
        word in _CONTEXT["peoples"] or word.removesuffix("s") in _CONTEXT["peoples"]
    ) and following not in _CONTEXT["things"]:
        yield word, "origin or skin"


def _of_people(words: Sequence[str], place: int, word: str) -> Iterator[tuple[str, str]]:
    """A colour that a person is, not what the person wears: black man, homme noir."""
    if word in _CONTEXT["skin_colours"]:
        behind = place + 1
        while _at(words, behind) in _CONTEXT["ages"]:
            behind += 1
        if _at(words, behind) in _CONTEXT["persons"]:
            yield f"{word} {_at(words, behind)}", "origin or skin"
    if word in _CONTEXT["persons"] and (colour := _who_is(words, place + 1)):
        yield f"{word} who is {colour}", "origin or skin"
    if word == "negro" and _at(words, place - 1) in _ARTICLES:
        yield f"{_at(words, place - 1)} {word}", "origin or skin"
    if word in _CONTEXT["persons_before"] and _at(words, place + 1) in _CONTEXT["colours_behind"]:
        yield f"{word} {_at(words, place + 1)}", "origin or skin"


def _who_is(words: Sequence[str], place: int) -> str:
    """The colour in `(a man) who is black`, "" where what follows is black: black haired, black clad."""
    if _at(words, place) not in _RELATIVE or _at(words, place + 1) not in _BEING:
        return ""
    colour, following = _at(words, place + 2), _at(words, place + 3)
    of_something = following in _CONTEXT["things"] or following in _OF_SOMETHING
    return colour if colour in _CONTEXT["skin_colours"] and not of_something else ""


def _from_afar(words: Sequence[str], place: int, word: str) -> Iterator[tuple[str, str]]:
    if word == "from" and _at(words, place + 1) in _CONTEXT["places"]:
        yield f"{word} {_at(words, place + 1)}", "origin or skin"


def _of_skin(words: Sequence[str], place: int, word: str) -> Iterator[tuple[str, str]]:
    if word in _CONTEXT["skins"]:
        before, behind = _at(words, place - 1), _at(words, place + 1)
        tone = behind in ("tone", "color", "colour") and _at(words, place + 2) not in _CONTEXT["things"]
        if before in _CONTEXT["shades"] or tone:
            yield f"{before} {word}".strip(), "origin or skin"
    if _at(words, place + 1) in _SKINS_BEFORE.get(word, ()):
        yield f"{word} {_at(words, place + 1)}", "origin or skin"


def _at(words: Sequence[str], place: int) -> str:
    return words[place] if 0 <= place < len(words) else ""


def _words(text: str) -> list[str]:
    """Lower-case words without accents, lookalike letters, hidden characters or gaps between letters."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    plain = unicodedata.normalize("NFKD", plain.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).translate(_LOOKALIKES)
    plain = _SPLIT.sub(lambda match: _joined(match[0]), plain)
    return [_letters(word) for word in _WORD.findall(_mixed(plain))]


def _joined(letters: str) -> str:
    """`a g a y` as `agay gay`: an article before single letters is one of them too."""
    word = re.sub(r"[ ._*-]", "", letters)
    return f"{word} {word[1:]}"


def _mixed(text: str) -> str:
    """`g@y` as one word: signs that stand for letters, where letters are around."""
    return re.sub(r"(?<=[^\W\d_])[@$](?=[^\W\d_])", lambda match: match[0].translate(_DIGITS), text)


def _letters(word: str) -> str:
    if any(letter.isalpha() for letter in word) and any(letter.isdigit() for letter in word):
        return word.translate(_DIGITS)
    return word
