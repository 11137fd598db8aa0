"""Hard negatives made from true captions: one attribute word replaced by another of its kind.

"A man in a red jacket" becomes "A man in a green jacket". The new word never says the same as the old one,
nor what another witness might say of the same thing (a shirt for a T-shirt, navy for black), so that the new
caption is false of the picture. Names of several words are taken whole, hair has colours of its own, and a
word behind "a" or "an" gives way to one that fits it, so that grammar does not give the new caption away.
Words for people, and colours said of them, are left alone.
"""

import re
from typing import NamedTuple

import numpy as np

# fmt: off
COLOURS: dict[str, tuple[str, ...]] = {
    "black": ("black", "jet black"),
    "white": ("white", "off-white", "snow white"),
    "grey": ("grey", "gray"),
    "light grey": ("light grey", "light gray", "pale grey", "pale gray", "silver"),
    "dark grey": ("dark grey", "dark gray", "charcoal", "charcoal grey", "charcoal gray"),
    "blue": ("blue", "royal blue", "bright blue"),
    "light blue": ("light blue", "pale blue", "sky blue", "baby blue"),
    "dark blue": ("dark blue", "navy blue", "navy", "deep blue"),
    "red": ("red", "bright red", "scarlet"),
    "dark red": ("dark red", "maroon", "burgundy", "wine red", "deep red"),
    "green": ("green", "bright green"),
    "light green": ("light green", "pale green", "lime green", "mint green"),
    "dark green": ("dark green", "deep green"),
    "olive": ("olive", "olive green", "army green"),
    "yellow": ("yellow", "bright yellow", "light yellow", "pale yellow", "mustard yellow"),
    "orange": ("orange", "bright orange"),
    "pink": ("pink", "light pink", "hot pink", "bright pink", "pale pink"),
    "purple": ("purple", "violet", "dark purple", "light purple", "lavender"),
    "brown": ("brown",),
    "dark brown": ("dark brown", "chocolate brown"),
    "light brown": ("light brown", "tan", "camel"),
    "beige": ("beige", "cream", "khaki", "cream-colored", "cream-coloured"),
    "turquoise": ("turquoise", "teal"),
}
HAIR_COLOURS: dict[str, tuple[str, ...]] = {
    "black": ("black", "jet-black"),
    "dark brown": ("dark brown",),
    "brown": ("brown", "brunette"),
    "light brown": ("light brown",),
    "blond": ("blond", "blonde", "golden"),
    "red": ("red", "ginger", "auburn"),
    "grey": ("grey", "gray", "white", "silver"),
}
HAIR_KINDS: dict[str, tuple[str, ...]] = {"straight": ("straight",), "curly": ("curly", "wavy", "frizzy")}
HAIR_STYLES: dict[str, tuple[str, ...]] = {"ponytail": ("ponytail",), "bun": ("bun",), "braid": ("braid",)}
HAIR_LENGTHS: dict[str, tuple[str, ...]] = {"long": ("long",), "short": ("short",)}
SLEEVES: dict[str, tuple[str, ...]] = {"long": ("long", "full"), "short": ("short", "half")}
UPPER: dict[str, tuple[str, ...]] = {
    "t-shirt": ("t-shirt", "tee shirt", "tee"),
    "shirt": ("shirt", "dress shirt", "button-up shirt", "button-down shirt", "collared shirt", "blouse"),
    "polo shirt": ("polo shirt", "polo"),
    "jacket": ("jacket", "windbreaker", "suit jacket", "denim jacket", "jean jacket", "leather jacket"),
    "coat": ("coat", "overcoat", "trench coat", "winter coat"),
    "sweater": ("sweater", "jumper", "pullover", "cardigan"),
    "sweatshirt": ("sweatshirt",),
    "hoodie": ("hoodie", "hoody", "hooded sweatshirt", "hooded jacket"),
    "vest": ("vest", "waistcoat", "sweater vest"),
    "tank top": ("tank top", "singlet"),
    "dress": ("dress", "sundress"),
    "suit": ("suit",),
}
LOWER: dict[str, tuple[str, ...]] = {
    "trousers": ("trousers", "pants", "slacks", "long pants", "dress pants", "sweatpants"),
    "jeans": ("jeans", "denim jeans", "denims"),
    "shorts": ("shorts", "short pants", "denim shorts", "jean shorts"),
    "leggings": ("leggings", "tights", "yoga pants"),
}
LOWER_SINGULAR: dict[str, tuple[str, ...]] = {
    "skirt": ("skirt", "mini skirt"),
    "trousers": ("pair of trousers", "pair of pants"),
    "jeans": ("pair of jeans",),
    "shorts": ("pair of shorts",),
}
SHOES: dict[str, tuple[str, ...]] = {
    "sneakers": ("sneakers", "trainers", "tennis shoes", "running shoes", "sports shoes", "athletic shoes"),
    "boots": ("boots", "ankle boots", "leather boots"),
    "sandals": ("sandals", "flip-flops", "slippers"),
    "high heels": ("high heels", "heels", "high-heeled shoes"),
    "dress shoes": ("dress shoes", "leather shoes", "loafers"),
    "shoes": ("shoes",),
}
BAGS: dict[str, tuple[str, ...]] = {
    "backpack": ("backpack", "rucksack", "knapsack", "school bag", "book bag"),
    "handbag": ("handbag", "purse", "tote bag", "tote"),
    "shoulder bag": ("shoulder bag", "messenger bag", "satchel", "cross-body bag"),
    "suitcase": ("suitcase", "rolling suitcase", "trolley case"),
    "shopping bag": ("shopping bag", "plastic bag", "grocery bag"),
}
# Meanings that one thing may be called by two witnesses: any two of a row.
NEAR_COLOURS: tuple[tuple[str, ...], ...] = (
    ("black", "dark grey", "dark blue", "dark brown"), ("black", "dark green"), ("black", "dark red"),
    ("white", "light grey", "beige"), ("white", "light blue"), ("grey", "light grey"), ("grey", "dark grey"),
    ("grey", "light blue"), ("light grey", "light blue"), ("grey", "beige"), ("dark grey", "dark green"),
    ("blue", "light blue", "turquoise"), ("blue", "dark blue"), ("blue", "purple"),
    ("dark blue", "purple"), ("red", "dark red"), ("red", "pink"), ("red", "orange"), ("dark red", "purple"),
    ("dark red", "brown", "dark brown"), ("green", "light green", "turquoise"),
    ("green", "dark green", "olive"), ("dark green", "turquoise"), ("olive", "beige", "light brown"),
    ("olive", "brown"), ("olive", "dark grey"), ("light green", "yellow"), ("light green", "olive"),
    ("yellow", "orange"), ("yellow", "beige"), ("yellow", "olive"), ("orange", "pink"), ("orange", "brown"),
    ("orange", "light brown"), ("pink", "purple"), ("pink", "beige"), ("brown", "dark brown"),
    ("brown", "light brown", "beige"),
)
NEAR_HAIR: tuple[tuple[str, ...], ...] = (
    ("black", "dark brown"), ("dark brown", "brown"), ("brown", "light brown", "red"),
    ("light brown", "blond"), ("blond", "grey"),
)
NEAR_UPPER: tuple[tuple[str, ...], ...] = (
    ("shirt", "t-shirt", "polo shirt"), ("shirt", "sweatshirt", "sweater"), ("shirt", "jacket"),
    ("t-shirt", "tank top"), ("sweater", "sweatshirt", "hoodie"), ("jacket", "coat", "suit"),
    ("jacket", "hoodie"), ("jacket", "sweatshirt"), ("jacket", "sweater", "vest"), ("suit", "shirt"),
    ("suit", "vest"), ("vest", "tank top"),
)
NEAR_LOWER: tuple[tuple[str, ...], ...] = (("trousers", "jeans"), ("trousers", "leggings"))
NEAR_SHOES: tuple[tuple[str, ...], ...] = (
    ("shoes", "sneakers"), ("shoes", "dress shoes"), ("shoes", "high heels"), ("shoes", "boots"),
    ("dress shoes", "high heels"), ("sandals", "high heels"),
)
NEAR_BAGS: tuple[tuple[str, ...], ...] = (("handbag", "shoulder bag"), ("handbag", "shopping bag"))
# fmt: on


class Group(NamedTuple):
    """Names by meaning; the meanings that come near each other; what must follow a name and what may precede
    it and be replaced with it (patterns)."""

    names: dict[str, tuple[str, ...]]
    near: tuple[tuple[str, ...], ...] = ()
    followed_by: str = r"(?![\w-])"
    preceded_by: str = ""


def _either(*groups: dict[str, tuple[str, ...]]) -> str:
    return "|".join(_pattern(name) for group in groups for names in group.values() for name in names)


def _pattern(name: str) -> str:
    """Its words with a space, a hyphen or nothing between them."""
    return r"[\s-]?".join(re.escape(word) for word in re.split(r"[\s-]", name))


_BEFORE_HAIR = rf"(?=(?:[\s,]+(?:and|{_either(HAIR_LENGTHS, HAIR_KINDS, HAIR_COLOURS)}))*[\s-]+hair)"
_PEOPLE = (
    r"(?:gentle|wo)?m[ae]n|(?:fe)?males?|lady|ladies|guys?|persons?|people|boys?|girls?|child|children|"
    r"pedestrians?|individuals?|skin"
)
_NOT_OF_PEOPLE = rf"(?![\w-]|\s+(?:{_PEOPLE})\b)"
_SHADE = r"(?:(?:light|dark|bright|deep|pale|faded)[\s-])?"
GROUPS = (
    Group(HAIR_COLOURS, NEAR_HAIR, _BEFORE_HAIR),
    Group(HAIR_KINDS, (), _BEFORE_HAIR),
    Group(HAIR_LENGTHS, (), _BEFORE_HAIR),
    Group(SLEEVES, (), r"(?=[\s-]+sleeve)"),
    Group(HAIR_STYLES),
    Group(COLOURS, NEAR_COLOURS, _NOT_OF_PEOPLE, _SHADE),
    Group(UPPER, NEAR_UPPER),
    Group(LOWER, NEAR_LOWER),
    Group(LOWER_SINGULAR, NEAR_LOWER),
    Group(SHOES, NEAR_SHOES),
    Group(BAGS, NEAR_BAGS),
)


class _Name(NamedTuple):
    group: Group
    meaning: str
    text: str


_NAMES = sorted(
    (
        _Name(group, meaning, name)
        for group in GROUPS
        for meaning, names in group.names.items()
        for name in names
    ),
    key=lambda name: -len(name.text),  # the longest first: "dark blue" before "blue"
)
_FINDER = re.compile(
    r"(?<![\w-])(?:"
    + "|".join(f"({n.group.preceded_by}{_pattern(n.text)}{n.group.followed_by})" for n in _NAMES)
    + ")",
    re.IGNORECASE,
)


def swapped_caption(caption: str, rng: np.random.Generator) -> str | None:
    """The caption with one attribute word or name replaced, all else as it was; None if it holds none.

    The place is drawn evenly among the known words, then the meaning, then one of its names.
    """
    places = [
        (match, choices) for match in _FINDER.finditer(caption) if (choices := _choices(caption, match))
    ]
    if not places:
        return None
    match, choices = places[rng.integers(len(places))]
    names = choices[rng.integers(len(choices))]
    name = _in_case_of(match.group(), names[rng.integers(len(names))])
    return caption[: match.start()] + name + caption[match.end() :]


def _choices(caption: str, match: re.Match[str]) -> list[tuple[str, ...]]:
    """Names that may stand in the word's place, by meaning: of other meanings, fitting the article."""
    assert match.lastindex is not None  # every alternative is a group
    own = _NAMES[match.lastindex - 1]
    near = {own.meaning}.union(*(row for row in own.group.near if own.meaning in row))
    article = re.search(r"\b(an?)\s+$", caption[: match.start()], re.IGNORECASE)
    fitting = [
        tuple(name for name in names if article is None or _starts_with_vowel(name) == (len(article[1]) == 2))
        for meaning, names in own.group.names.items()
        if meaning not in near
    ]
    return [names for names in fitting if names]


def _starts_with_vowel(name: str) -> bool:
    return name[0] in "aeiou"


def _in_case_of(old: str, new: str) -> str:
    """In capitals, capitalised or as it is, like the old word; the T of "T-shirt" is no capitalisation."""
    if old.isupper():
        return new.upper()
    return new[0].upper() + new[1:] if old[0].isupper() and old[1].isalpha() else new
