"""What can be said of each part of a picture: phrases about the person, hair, clothes and bags."""

from dataclasses import dataclass, field

import numpy as np

from model.people import words
from model.people.colours import COLOURS
from model.people.looks import Look
from model.people.materials import ID
from model.people.sentences import Voice, article
from model.people.shapes import Shape
from model.people.view import View, facing, visible


def logo_share(view: View, look: Look) -> float:
    """Share of the picture that the logo on the chest covers."""
    place = view.pattern.astype(np.float32)
    inside = (np.abs(place[..., 0]) < look.logo[0]) & (np.abs(place[..., 1] - 0.50) < look.logo[1])
    return float((inside & (view.first == ID["upper"])).sum()) / view.first.size


@dataclass
class Phrases:
    """Noun phrases about one view, empty where it shows nothing of the kind; `stated` collects facts."""

    shape: Shape
    look: Look
    view: View
    voice: Voice
    truth: dict[str, str]
    stated: dict[str, str] = field(default_factory=dict)

    def state(self, *names: str) -> None:
        for name in names:
            self.stated[name] = self.truth[name]

    def colour(self, garment: str, attribute: str) -> str:
        self.state(attribute)
        return self.voice.pick(COLOURS[self.look.names[garment]].words)

    def person(self) -> str:
        shape = self.shape
        if self.voice.chance(0.06):
            return self.voice.pick(("person", "pedestrian", "individual", "someone", "figure")).replace(
                "someone", "person"
            )
        self.state("sex")
        grey = self.look.names["hair"] == "grey" and shape.hair_style != "bald"
        if shape.age > 0.8 and grey and self.voice.chance(0.5):
            return self.voice.pick(words.OLD[shape.sex])
        who = self.voice.pick(words.PEOPLE[shape.sex])
        if shape.age < 0.67 and not grey and self.voice.chance(0.35):
            who = self.voice.pick(words.YOUNG[shape.sex])
        if shape.weight > 0.68 and self.voice.chance(0.3):
            return f"{self.voice.pick(words.HEAVY)} {who}"
        if shape.weight < 0.36 and self.voice.chance(0.3):
            return f"{self.voice.pick(words.SLENDER)} {who}"
        return who

    def hair(self) -> str:
        shape, style = self.shape, self.shape.hair_style
        if style == "bald":
            if shape.headwear != "none":
                return ""
            self.state("hair_style")
            return self.voice.pick(words.BALD)
        if visible(self.view, "hair") < 0.0025:
            return ""
        colour = ""
        if self.voice.chance(0.85):
            self.state("hair_colour")
            colour = self.voice.pick(words.HAIR_COLOUR[self.look.names["hair"]])
        curly = (
            self.voice.pick(words.CURLY) + " "
            if shape.curly and style == "long" and self.voice.chance(0.6)
            else ""
        )
        if not self.voice.chance(0.85) and colour:
            return f"{colour} hair"
        return self._styled(style, f"{curly}{colour} hair".strip().replace("  ", " "))

    def _styled(self, style: str, hair: str) -> str:
        self.state("hair_style")
        if style == "short":
            return f"{self.voice.pick(words.SHORT_HAIR)} {hair}"
        if style == "long":
            return f"{self.voice.pick(words.LONG_HAIR)} {hair}"
        if facing(self.view.yaw) == "front":
            return f"{hair} {self.voice.pick(words.TIED)}"
        kind = words.BUN if self.shape.bun else words.PONYTAIL
        if self.voice.chance(0.2):
            colour = hair.removesuffix("hair").strip()
            return article(f"{colour} {'bun' if self.shape.bun else 'ponytail'}".strip())
        return f"{hair} {self.voice.pick(kind)}"

    def upper(self) -> str:
        shape = self.shape
        if visible(self.view, "upper", "upper_trim") < 0.02:
            return ""
        noun = self.voice.pick(words.UPPER[shape.upper_type])
        if self.voice.chance(0.10):
            noun = self.voice.pick(words.UPPER_LOOSELY[shape.upper_type])
        else:
            self.state("upper_type")
        if shape.upper_type == "shirt" and shape.sex == "woman" and self.voice.chance(0.25):
            noun = self.voice.pick(("blouse", "ladies' shirt"))
        before = [self.colour("upper", "upper_colour")] if self.voice.chance(0.95) else []
        if (
            shape.upper_type in ("t-shirt", "shirt", "dress", "sweater")
            and self.voice.chance(0.4)
            and "sleeve" not in noun
        ):
            self.state("sleeves")
            before.append(self.voice.pick(words.SLEEVES[shape.sleeves]))
        before += self._fit(noun)
        after = self._pattern(before) if self.look.pattern != "plain" and self.voice.chance(0.85) else ""
        phrase = " ".join([*before, noun])
        return article(phrase) + after + self._inner()

    def _fit(self, noun: str) -> list[str]:
        shape = self.shape
        if shape.upper_type == "dress":
            length = shape.lower_length
            if self.voice.chance(0.3) and "length" not in noun:
                return [
                    self.voice.pick(
                        words.SHORT_SKIRT[:2]
                        if length > 0.5
                        else words.MIDI[:2]
                        if length < -0.5
                        else words.KNEE
                    )
                ]
            return []
        if shape.upper_open and self.voice.chance(0.35) and facing(self.view.yaw) == "front":
            return [self.voice.pick(words.OPEN[:1] if shape.upper_type == "hoodie" else words.OPEN)]
        if shape.looseness > 0.8 and self.voice.chance(0.2):
            return [self.voice.pick(words.LOOSE_TOP)]
        if (
            shape.looseness < 0.15
            and shape.upper_type in ("t-shirt", "shirt", "sweater")
            and self.voice.chance(0.2)
        ):
            return [self.voice.pick(words.TIGHT_TOP)]
        return []

    def _pattern(self, before: list[str]) -> str:
        """Adds the pattern's adjective to `before` or returns it as an addition behind the noun."""
        pattern, second = self.look.pattern, self.look.pattern_colour
        other = self.voice.pick(COLOURS[second].words)
        if pattern == "logo":
            if logo_share(self.view, self.look) < 0.0025:
                return ""
            self.state("pattern")
            where = self.voice.any(("on the front", "on the chest", "in front", ""))
            named = f"{other} " if self.voice.chance(0.6) else ""
            return f" with {article(named + self.voice.pick(words.LOGO))} {where}".rstrip()
        self.state("pattern")
        if self.voice.chance(0.5):
            if before and self.stated.get("upper_colour") and self.voice.chance(0.5):
                before[0] = f"{before[0]} and {other}"
            before.append(self.voice.pick(words.PATTERN[pattern]))
            return ""
        plural = {"striped": words.STRIPES, "vertical stripes": words.VERTICAL, "checked": words.CHECKS[:2]}[
            pattern
        ]
        return f" with {other} {self.voice.pick(plural)}"

    def _inner(self) -> str:
        shown = self.shape.upper_open and visible(self.view, "inner") > 0.006
        if not shown or not self.voice.chance(0.65):
            return ""
        inner = f"{self.voice.pick(COLOURS[self.look.names['inner']].words)} {self.voice.pick(words.INNER)}"
        return f" {self.voice.any(('over', 'on top of', 'over', 'worn over'))} {article(inner)}"

    def lower(self) -> str:
        shape = self.shape
        if shape.upper_type == "dress" or visible(self.view, "lower") < 0.012:
            return ""
        self.state("lower_type")
        noun = self.voice.pick(words.LOWER[shape.lower_type])
        before = [self.colour("lower", "lower_colour")] if self.voice.chance(0.95) else []
        if self.voice.chance(0.3):
            before += self._leg_words(noun)
        phrase = " ".join([*before, noun])
        if shape.lower_type == "skirt":
            return article(phrase)
        return f"{self.voice.any(('a pair of ', '', '', ''))}{phrase}"

    def _leg_words(self, noun: str) -> list[str]:
        shape, length = self.shape, self.shape.lower_length
        if shape.lower_type == "skirt":
            return [
                self.voice.pick(
                    words.SHORT_SKIRT if length > 0.5 else words.MIDI if length < -0.5 else words.KNEE
                )
            ]
        if shape.lower_type == "shorts":
            return [self.voice.pick(("knee-length", "long", "bermuda"))] if length < -0.4 else []
        if visible(self.view, "lower") < 0.05:
            return []
        if length <= -0.8 and shape.leg_cut != "wide" and shape.shoes_type != "boots":
            return [] if "full" in noun or "long" in noun else [self.voice.pick(words.CROPPED)]
        return (
            [self.voice.pick(words.CUT[shape.leg_cut])]
            if shape.leg_cut != "straight" or self.voice.chance(0.2)
            else []
        )

    def shoes(self) -> str:
        if visible(self.view, "shoes") < 0.0025:
            return ""
        kind = self.shape.shoes_type
        long_legs = (
            self.shape.lower_type in ("trousers", "jeans")
            and kind == "boots"
            and self.shape.leg_cut != "slim"
        )
        noun = self.voice.pick(
            words.LOOSE_SHOES[:2] if long_legs and self.voice.chance(0.4) else words.SHOES[kind]
        )
        if noun not in words.LOOSE_SHOES[:2]:
            self.state("shoes_type")
        phrase = f"{self.colour('shoes', 'shoes_colour')} {noun}" if self.voice.chance(0.92) else noun
        if self._white_sole() and self.voice.chance(0.25):
            phrase += self.voice.any((" with white soles", " with pale soles", " with light soles"))
        return f"{self.voice.any(('a pair of ', '', '', '', ''))}{phrase}"

    def _white_sole(self) -> bool:
        pale = min(self.look.rgb["sole"]) > 200 and self.look.names["shoes"] not in (
            "white",
            "light grey",
            "beige",
        )
        return pale and visible(self.view, "sole") > 0.002

    def bag(self) -> str:
        kind = self.shape.bag_type
        shown = visible(self.view, "bag", "bag_trim")
        if kind == "none" or shown < 0.006:
            return ""
        noun = self.voice.pick(words.BAG[kind])
        if self.voice.chance(0.12) and kind != "suitcase":
            noun = "bag"
        else:
            self.state("bag_type")
        phrase = f"{self.colour('bag', 'bag_colour')} {noun}" if self.voice.chance(0.9) else noun
        where = {
            "backpack": words.ON_BACK,
            "handbag": words.IN_HAND,
            "suitcase": ("behind", "alongside", "on wheels"),
        }
        place = where.get(kind, words.ACROSS if self.shape.crossbody else words.ON_SIDE)
        if kind == "shoulder bag" and self.shape.crossbody and facing(self.view.yaw) == "side":
            place = ("over one shoulder", "with a long strap")
        if noun == "bag" or self.voice.chance(0.25):
            phrase += " " + self.voice.pick(place)
        return article(phrase)

    def hat(self) -> str:
        if self.shape.headwear == "none" or visible(self.view, "hat", "hat_trim") < 0.0025:
            return ""
        self.state("headwear")
        noun = self.voice.pick(words.HAT[self.shape.headwear])
        return article(f"{self.colour('hat', 'headwear_colour')} {noun}" if self.voice.chance(0.92) else noun)

    def glasses(self) -> str:
        need = 0.0005 if self.shape.glasses == "glasses" else 0.0007
        if self.shape.glasses == "none" or visible(self.view, "frame", "lens") < need:
            return ""
        self.state("glasses")
        return self.voice.pick(words.GLASSES[self.shape.glasses])
