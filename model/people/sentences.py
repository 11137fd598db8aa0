"""From the told parts of a picture to sentences: five ways of saying the same things."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.people import words

_PLURAL = {
    "has": "have",
    "wears": "wear",
    "is": "are",
    "carries": "carry",
    "pulls": "pull",
    "rolls": "roll",
    "drags": "drag",
    "tows": "tow",
    "wheels": "wheel",
    "bears": "bear",
    "takes": "take",
    "hauls": "haul",
    "lugs": "lug",
    "totes": "tote",
    "brings": "bring",
    "trundles": "trundle",
    "draws": "draw",
}
_IN = ("wears", "has on", "is wearing", "is dressed in", "is in")
_JOINTS = (" and ", ", and ", " with ", " along with ", " together with ", " plus ", " as well as ")
_SHOWN = ("is in the picture", "is seen here", "is shown", "appears in the image", "passes by", "is visible")
_THERE = ("there is", "the picture shows", "the image shows", "we see", "one can see", "the camera caught")


@dataclass(frozen=True)
class Voice:
    """A witness's habits: draws words, commoner ones first in the base domain, rarer ones first in the
    shifted.
    """

    rng: np.random.Generator
    domain: str

    def chance(self, share: float) -> bool:
        """True with probability `share`."""
        return bool(self.rng.random() < share)

    def pick(self, options: Sequence[str]) -> str:
        """One of the options, by the domain's preference."""
        weights = 0.76 ** np.arange(len(options))
        if self.domain == "shifted":
            weights = weights[::-1]
        return options[int(self.rng.choice(len(options), p=weights / weights.sum()))]

    def any(self, options: Sequence[str]) -> str:
        """One of the options, all alike."""
        return options[int(self.rng.integers(len(options)))]


@dataclass(frozen=True)
class Parts:
    """What is to be said: the person's noun, a participle of pose or view, phrases with their articles."""

    who: str
    stance: str
    clothes: tuple[str, ...]
    features: tuple[str, ...]
    bag: str
    wheeled: bool
    pronoun: str

    @property
    def looks(self) -> str:
        """Hair and glasses in one phrase, empty if neither is told."""
        return " and ".join(self.features)


def article(phrase: str) -> str:
    """The phrase behind its indefinite article."""
    vowel = phrase[0].lower() in "aeio" and not phrase.startswith("one-")
    sounded = phrase.startswith(("upright", "unbuttoned", "unzipped", "unfastened", "under", "undone"))
    return f"{'an' if vowel or sounded else 'a'} {phrase}"


def compose(voice: Voice, parts: Parts) -> str:
    """One to three sentences with capital letters and full stops."""
    shares = (0.34, 0.28, 0.16, 0.10, 0.12) if voice.domain == "base" else (0.16, 0.26, 0.26, 0.08, 0.24)
    style = _STYLES[int(voice.rng.choice(len(_STYLES), p=shares))]
    text = " ".join(style(voice, parts).split()).replace(" ,", ",")
    return ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))


def _join(voice: Voice, items: Sequence[str]) -> str:
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + voice.pick(_JOINTS) + items[-1]


def _verb(pronoun: str, verb: str) -> str:
    """`verb` as it stands behind he or she, in the plural behind they."""
    first, *rest = verb.split(" ")
    return " ".join([_PLURAL.get(first, first) if pronoun == "they" else first, *rest])


def _carries(voice: Voice, parts: Parts) -> str:
    return f"{voice.pick(words.ROLLS_VERB if parts.wheeled else words.CARRIES_VERB)} {parts.bag}"


def _opening(voice: Voice, parts: Parts) -> str:
    return voice.any((article(parts.who), article(parts.who), f"the {parts.who}", f"this {parts.who}"))


def _one_sentence(voice: Voice, parts: Parts) -> str:
    text = _opening(voice, parts) + (f" with {parts.looks}" if parts.features else "")
    if parts.clothes:
        stance = f", {parts.stance}," if parts.stance else ""
        text += f"{stance} {voice.pick(words.WEARS)} {_join(voice, parts.clothes)}"
    else:
        text += f" {parts.stance}"
    if parts.bag:
        carrying = voice.pick(words.ROLLS if parts.wheeled else words.CARRIES)
        joint = ", " if carrying == "with" else voice.any((", ", " and ", ", "))
        text += f"{joint}{carrying} {parts.bag}"
    return f"{text}."


def _two_sentences(voice: Voice, parts: Parts) -> str:
    start = _opening(voice, parts)
    if parts.clothes:
        stance = f"is {parts.stance} and " if parts.stance and voice.chance(0.6) else ""
        first = f"{start} {stance}{voice.any(_IN)} {_join(voice, parts.clothes)}"
    else:
        first = f"{start} is {parts.stance}" if parts.stance else f"{start} {voice.any(_SHOWN)}"
    second = [f"{_verb(parts.pronoun, 'has')} {parts.looks}"] if parts.features else []
    if parts.bag:
        second.append(_verb(parts.pronoun, _carries(voice, parts)))
    return f"{first}. {parts.pronoun} {' and '.join(second)}." if second else f"{first}."


def _three_sentences(voice: Voice, parts: Parts) -> str:
    start, stance = _opening(voice, parts), parts.stance
    if parts.features:
        told = [f"{start} has {parts.looks}" + (f" and is {stance}" if stance else "")]
    else:
        told = [f"{start} is {stance}" if stance else f"{voice.any(_THERE)} {article(parts.who)}"]
    if parts.clothes:
        told.append(f"{parts.pronoun} {_verb(parts.pronoun, voice.any(_IN))} {_join(voice, parts.clothes)}")
    if parts.bag:
        told.append(f"{parts.pronoun} {_verb(parts.pronoun, _carries(voice, parts))}")
    return ". ".join(told) + "."


def _listed(voice: Voice, parts: Parts) -> str:
    items = (parts.who, *parts.clothes, parts.bag, *parts.features, parts.stance)
    return ", ".join(item for item in items if item) + ("." if voice.chance(0.7) else "")


def _clothes_first(voice: Voice, parts: Parts) -> str:
    if not parts.clothes:
        return _listed(voice, parts)
    who = voice.any((article(parts.who), f"the {parts.who}", f"this {parts.who}"))
    text = f"{voice.any(('wearing', 'dressed in', 'in', 'clad in'))} {_join(voice, parts.clothes)}, {who}"
    told = [f"is {parts.stance}"] if parts.stance else []
    if parts.features:
        told.append(f"has {parts.looks}")
    if parts.bag:
        told.append(_carries(voice, parts))
    return f"{text} {' and '.join(told) or voice.any(_SHOWN)}."


_STYLES: tuple[Callable[[Voice, Parts], str], ...] = (
    _one_sentence,
    _two_sentences,
    _three_sentences,
    _listed,
    _clothes_first,
)
