"""What a witness would say about one view: true sentences with synonyms, free word order and left-out facts.

Only what the view shows is named (pixel counts of its materials), and about a quarter of that is left out.
The second value of `describe_with_facts` tells which attributes the sentence states, by the class names of
`ATTRIBUTES`.
"""

import numpy as np

from model.people import words
from model.people.attributes import attributes
from model.people.looks import Look
from model.people.phrases import Phrases
from model.people.sentences import Parts, Voice, compose
from model.people.shapes import Shape
from model.people.view import View, facing, visible


def describe(shape: Shape, look: Look, view: View, rng: np.random.Generator, domain: str) -> str:
    """One to three English sentences about the person in this view."""
    return describe_with_facts(shape, look, view, rng, domain)[0]


def describe_with_facts(
    shape: Shape, look: Look, view: View, rng: np.random.Generator, domain: str
) -> tuple[str, dict[str, str]]:
    """The sentences and the attributes they state (name -> class name)."""
    teller = _Teller(shape, look, view, Voice(rng, domain), attributes(shape, look, view))
    text = teller.tell()
    return text, teller.stated


_KEEP = {
    "upper": 0.96,
    "lower": 0.92,
    "shoes": 0.66,
    "hair": 0.66,
    "hat": 0.86,
    "bag": 0.85,
    "glasses": 0.6,
}
"""How often each visible part is told."""


class _Teller(Phrases):
    """Tells one caption."""

    def stance(self) -> str:
        """A participle about pose or view, or nothing."""
        told = []
        if self.shape.phone and visible(self.view, "phone") > 0.0006 and self.shape.bag_type != "suitcase":
            if self.voice.chance(0.7):
                told.append(self.voice.pick(words.POSE["phone"]))
        elif (
            self.view.pose in ("walking", "standing", "pocket")
            and visible(self.view, "lower", "skin") > 0.04
            and self.voice.chance(0.25)
        ):
            told.append(self.voice.pick(words.POSE[self.view.pose]))
        if self.voice.chance(0.22):
            self.state("facing")
            told.append(self.voice.pick(words.FACING[facing(self.view.yaw)]))
        return " ".join(told[:2]) if len(told) < 2 else f"{told[0]}, {told[1]}"

    def tell(self) -> str:
        """The whole text."""
        told = {
            name: getattr(self, name)() if self.voice.chance(share) else "" for name, share in _KEEP.items()
        }
        if self.shape.beard and facing(self.view.yaw) == "front" and self.voice.chance(0.35):
            told["glasses"] = " and ".join(
                part for part in (told["glasses"], self.voice.pick(words.BEARD)) if part
            )
        who, stance = self.person(), self.stance()
        clothes = [told[part] for part in ("upper", "lower", "shoes") if told[part]]
        if self.voice.chance(0.12):
            clothes = clothes[::-1]
        if told["hat"]:
            clothes.insert(0 if self.voice.chance(0.3) else len(clothes), told["hat"])
        features = [told[part] for part in ("hair", "glasses") if told[part]]
        pronoun = "they" if "sex" not in self.stated else "she" if self.shape.sex == "woman" else "he"
        wheeled = self.stated.get("bag_type") == "suitcase"
        parts = Parts(who, stance, tuple(clothes), tuple(features), told["bag"], wheeled, pronoun)
        return compose(self.voice, parts)
