"""A description of a person to its phrases, in its own words."""

import re

MOST_PHRASES = 8
MOST_CHARACTERS = 80

_CUT = re.compile(
    r"\n|[,;:.!?](?!\S)"  # not inside 1.5 or 10:30
    r"|(?<![\w-])(?:and|with|who|wearing|wears|wore|dressed in|clad in|carrying|carries|holding|holds|pulling"
    r"|pulls|having|has|have|had|is|are|was|in)(?![\w-])",  # "without" belongs to what is not there
    re.IGNORECASE,
)
_MARKS = ",;:.!?" + "".join(filter(str.isspace, map(chr, range(0x3001))))  # every space there is
_LIST = re.compile(r",|and", re.IGNORECASE)
_WORD = re.compile(r"[^\s,]+")

_ARTICLES = {"a", "an", "the", "his", "her", "their", "this", "that"}
# fmt: off
_ADJECTIVES = {
    "black", "white", "grey", "gray", "silver", "red", "maroon", "burgundy", "pink", "orange", "yellow",
    "gold", "golden", "beige", "cream", "khaki", "tan", "brown", "olive", "green", "teal", "turquoise",
    "blue", "navy", "purple", "violet", "light", "dark", "bright", "pale", "deep", "plain", "striped",
    "stripy", "checked", "checkered", "chequered", "plaid", "floral", "patterned", "printed", "long",
    "short", "loose", "tight", "slim", "baggy", "big", "large", "small", "little", "tall", "thin", "young",
    "old", "curly", "straight", "wavy", "blond", "blonde", "denim", "leather", "knitted", "woollen",
    "hooded", "sleeveless", "short-sleeved", "long-sleeved",
}
# fmt: on
_SAYS_NOTHING = {"he", "she", "they", "it", "and", *_ARTICLES}


def phrases_of(text: str) -> list[str]:
    """The noun phrases of an English description, in order and as they are written; none of an empty text.

    Cut at punctuation and at words such as "and", "with", "wearing", but not behind a colour or another
    adjective ("a black and white shirt"). At most `MOST_PHRASES` of at most `MOST_CHARACTERS`.
    """
    phrases, start = [], 0
    for cut in _CUT.finditer(text):
        piece = text[start : cut.start()]
        if not (_LIST.fullmatch(cut[0]) and _only_adjectives(piece)):
            phrases.append(piece)
            start = cut.end()
    phrases.append(text[start:])
    return [piece for phrase in phrases if _says_something(piece := _shortened(phrase))][:MOST_PHRASES]


def _only_adjectives(piece: str) -> bool:
    if len(piece) > MOST_CHARACTERS:
        return False
    words = [word.lower() for word in _WORD.findall(piece)]
    told = words[1:] if words and words[0] in _ARTICLES else words
    return bool(told) and all(word in _ADJECTIVES or word == "and" for word in told)


def _says_something(piece: str) -> bool:
    return piece.lower() not in _SAYS_NOTHING and any(map(str.isalnum, piece))


def _shortened(phrase: str) -> str:
    """Without space, marks and a last "and" around; a long one ends behind a whole word if it can."""
    phrase = phrase.strip(_MARKS)
    while phrase.lower().endswith(" and"):
        phrase = phrase[: -len(" and")].rstrip(_MARKS)
    if len(phrase) <= MOST_CHARACTERS:
        return phrase
    start, *_ = phrase[: MOST_CHARACTERS + 1].rsplit(maxsplit=1)
    return start[:MOST_CHARACTERS].rstrip(_MARKS)
