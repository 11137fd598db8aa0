"""The attributes of a synthetic person, as class names: labels for training and facts for captions.

Every value is what a picture shows; what a view hides is still listed here, so callers that need visibility
ask `model.people.captions` or the pixel counts of the view.
"""

from model.people.colours import COLOURS
from model.people.looks import HAIR_COLOURS, Look
from model.people.shapes import Shape
from model.people.view import View, facing

_COLOUR_NAMES = tuple(COLOURS)

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "sex": ("man", "woman"),
    "hair_style": ("short", "long", "tied", "bald"),
    "hair_colour": (*HAIR_COLOURS, "none"),
    "upper_type": ("t-shirt", "shirt", "jacket", "hoodie", "coat", "sweater", "tank top", "dress"),
    "upper_colour": _COLOUR_NAMES,
    "sleeves": ("none", "short", "long"),
    "lower_type": ("trousers", "jeans", "shorts", "skirt", "dress"),
    "lower_colour": _COLOUR_NAMES,
    "shoes_type": ("sneakers", "boots", "dress shoes", "sandals"),
    "shoes_colour": _COLOUR_NAMES,
    "bag_type": ("none", "backpack", "handbag", "shoulder bag", "suitcase"),
    "bag_colour": (*_COLOUR_NAMES, "none"),
    "headwear": ("none", "cap", "hat", "beanie"),
    "headwear_colour": (*_COLOUR_NAMES, "none"),
    "pattern": ("plain", "striped", "vertical stripes", "checked", "logo"),
    "glasses": ("none", "glasses", "sunglasses"),
    "facing": ("front", "side", "back"),
}


def attributes(shape: Shape, look: Look, view: View) -> dict[str, str]:
    """One class name for every attribute of this person in this view (keys as in `ATTRIBUTES`)."""
    dress = shape.upper_type == "dress"
    return {
        "sex": shape.sex,
        "hair_style": shape.hair_style,
        "hair_colour": "none" if shape.hair_style == "bald" else look.names["hair"],
        "upper_type": shape.upper_type,
        "upper_colour": look.names["upper"],
        "sleeves": shape.sleeves,
        "lower_type": "dress" if dress else shape.lower_type,
        "lower_colour": look.names["upper" if dress else "lower"],
        "shoes_type": shape.shoes_type,
        "shoes_colour": look.names["shoes"],
        "bag_type": shape.bag_type,
        "bag_colour": "none" if shape.bag_type == "none" else look.names["bag"],
        "headwear": shape.headwear,
        "headwear_colour": "none" if shape.headwear == "none" else look.names["hat"],
        "pattern": look.pattern,
        "glasses": shape.glasses,
        "facing": facing(view.yaw),
    }
