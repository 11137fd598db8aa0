"""The words of the captions: what witnesses call people, garments, hair, bags and poses.

In each tuple the commoner words come first: the base domain favours the front of a list, the shifted one its
end. Only words that are true of every garment of that kind stand here; what is true of some only is in
`captions.py`.
"""

PEOPLE: dict[str, tuple[str, ...]] = {
    "man": ("man", "man", "male", "guy", "gentleman", "male pedestrian", "fellow", "male person"),
    "woman": ("woman", "woman", "lady", "female", "female pedestrian", "female person"),
}
YOUNG = {"man": ("young man", "boy", "young guy", "youth"), "woman": ("young woman", "girl", "young lady")}
OLD = {
    "man": ("older man", "elderly man", "old man", "senior man", "aged man"),
    "woman": ("older woman", "elderly woman", "old lady", "elderly lady", "senior woman"),
}
HEAVY = ("heavy", "stout", "large", "heavyset", "broad", "big-built", "stocky")
SLENDER = ("slim", "thin", "slender", "skinny", "lean", "slightly built")

UPPER: dict[str, tuple[str, ...]] = {
    "t-shirt": (
        "t-shirt",
        "T-shirt",
        "tee",
        "tee shirt",
        "cotton t-shirt",
        "crew-neck t-shirt",
        "round-neck tee",
    ),
    "shirt": ("shirt", "button-up shirt", "collared shirt", "button-down shirt", "buttoned shirt"),
    "jacket": ("jacket", "jacket", "casual jacket", "outdoor jacket", "windbreaker", "anorak"),
    "hoodie": ("hoodie", "hooded sweatshirt", "hoody", "hooded top", "hooded sweater", "hooded pullover"),
    "coat": ("coat", "long coat", "overcoat", "knee-length coat", "trench coat", "greatcoat"),
    "sweater": (
        "sweater",
        "jumper",
        "pullover",
        "sweatshirt",
        "crew-neck sweater",
        "knitted jumper",
        "jersey",
    ),
    "tank top": ("tank top", "sleeveless top", "vest top", "tank", "singlet", "sleeveless vest"),
    "dress": ("dress", "dress", "frock", "one-piece dress", "gown"),
}
UPPER_LOOSELY: dict[str, tuple[str, ...]] = {
    "t-shirt": ("top", "shirt"),
    "shirt": ("top", "blouse"),
    "jacket": ("top layer", "outerwear"),
    "hoodie": ("sweatshirt", "top"),
    "coat": ("jacket", "outerwear"),
    "sweater": ("top", "sweatshirt"),
    "tank top": ("top", "undershirt"),
    "dress": ("outfit",),
}
INNER = ("t-shirt", "shirt", "top", "tee", "undershirt", "inner shirt")
LOWER: dict[str, tuple[str, ...]] = {
    "trousers": (
        "trousers",
        "pants",
        "pants",
        "slacks",
        "long pants",
        "full-length trousers",
        "long trousers",
    ),
    "jeans": ("jeans", "jeans", "denim jeans", "denim pants", "denims", "denim trousers"),
    "shorts": ("shorts", "shorts", "short pants", "short trousers"),
    "skirt": ("skirt", "skirt", "cloth skirt"),
}
SHOES: dict[str, tuple[str, ...]] = {
    "sneakers": ("sneakers", "shoes", "sneakers", "trainers", "sports shoes", "running shoes", "tennis shoes", "athletic shoes", "gym shoes", "sport shoes"),
    "boots": ("boots", "boots", "ankle boots", "leather boots", "winter boots", "footwear"),
    "dress shoes": ("dress shoes", "shoes", "leather shoes", "formal shoes", "low shoes", "loafers", "flat shoes"),
    "sandals": ("sandals", "sandals", "open shoes", "slippers", "open-toed sandals", "flip-flops", "summer sandals"),
}  # fmt: skip
LOOSE_SHOES = ("shoes", "footwear", "leather shoes", "low shoes", "flat shoes")
BAG: dict[str, tuple[str, ...]] = {
    "backpack": ("backpack", "backpack", "rucksack", "school bag", "knapsack", "daypack", "back pack"),
    "handbag": ("handbag", "purse", "hand bag", "tote", "carrier", "hand-held bag"),
    "shoulder bag": ("shoulder bag", "messenger bag", "satchel", "side bag", "sling bag"),
    "suitcase": (
        "suitcase",
        "trolley case",
        "rolling suitcase",
        "wheeled suitcase",
        "trolley",
        "travel case",
    ),
}
HAT: dict[str, tuple[str, ...]] = {
    "cap": ("cap", "baseball cap", "peaked cap", "ball cap", "sports cap"),
    "hat": ("hat", "brimmed hat", "round hat", "sun hat", "bucket hat"),
    "beanie": ("beanie", "knit cap", "woolly hat", "knitted hat", "winter hat", "woollen hat"),
}
GLASSES = {
    "glasses": ("glasses", "eyeglasses", "spectacles", "eyewear", "a pair of glasses"),
    "sunglasses": ("sunglasses", "dark glasses", "shades", "tinted glasses"),
}
HAIR_COLOUR: dict[str, tuple[str, ...]] = {
    "black": ("black", "black", "jet-black", "dark", "raven"),
    "dark brown": ("dark brown", "brown", "dark", "brunette", "deep brown"),
    "brown": ("brown", "light brown", "chestnut", "brunette", "auburn-brown"),
    "blond": ("blond", "blonde", "fair", "golden", "yellowish", "sandy"),
    "red": ("red", "reddish", "ginger", "auburn", "copper"),
    "grey": ("grey", "gray", "silver", "greying", "whitish"),
}
SHORT_HAIR = ("short", "short", "cropped", "short-cut", "close-cut", "trimmed")
LONG_HAIR = ("long", "long", "loose long", "flowing", "shoulder-length", "long, untied")
BALD = ("a bald head", "no hair", "a shaved head", "a bare scalp", "a hairless head", "a clean-shaven head")
PONYTAIL = (
    "in a ponytail",
    "tied in a ponytail",
    "tied back",
    "tied up",
    "pulled back in a ponytail",
    "gathered in a ponytail",
    "bound at the back",
)
BUN = (
    "in a bun",
    "tied in a bun",
    "tied up",
    "pinned up",
    "knotted in a bun",
    "put up in a knot",
    "gathered in a bun",
)
TIED = ("tied back", "pulled back", "tied up", "combed back", "drawn back")
CURLY = ("curly", "wavy", "frizzy", "curled")
BEARD = ("a beard", "a full beard", "facial hair", "a bearded face", "whiskers")

SLEEVES: dict[str, tuple[str, ...]] = {
    "short": ("short-sleeved", "short sleeve", "short-sleeve", "half-sleeved", "half sleeve"),
    "long": ("long-sleeved", "long sleeve", "long-sleeve", "full-sleeved", "full sleeve"),
    "none": ("sleeveless", "sleeveless", "strappy", "armless"),
}
PATTERN: dict[str, tuple[str, ...]] = {
    "striped": ("striped", "horizontally striped", "stripy", "banded"),
    "vertical stripes": ("striped", "vertically striped", "pinstriped", "stripy"),
    "checked": ("checked", "plaid", "checkered", "chequered", "tartan"),
}
STRIPES = ("stripes", "horizontal stripes", "bands", "lines across")
VERTICAL = ("stripes", "vertical stripes", "pinstripes", "upright stripes")
CHECKS = ("checks", "squares", "a check pattern", "a plaid pattern", "a grid pattern")
LOGO = ("logo", "print", "emblem", "graphic", "design", "patch", "motif")
CUT: dict[str, tuple[str, ...]] = {
    "slim": ("slim", "tight", "skinny", "slim-fit", "close-fitting", "narrow", "fitted"),
    "straight": ("straight", "straight-leg", "regular-fit", "plain"),
    "wide": ("wide", "loose", "baggy", "wide-leg", "loose-fitting", "roomy"),
    "flared": ("flared", "bell-bottom", "bootcut", "flaring"),
}
CROPPED = ("cropped", "ankle-length", "short-cut", "three-quarter", "rolled-up")
SHORT_SKIRT = ("short", "mini", "above-the-knee")
KNEE = ("knee-length", "mid-length", "medium-length")
MIDI = ("midi", "long", "calf-length", "below-the-knee")
LOOSE_TOP = ("loose", "baggy", "oversized", "loose-fitting", "wide", "roomy")
TIGHT_TOP = ("fitted", "tight", "close-fitting", "slim", "snug")
OPEN = ("open", "unbuttoned", "unzipped", "unfastened", "open-fronted")

WEARS = (
    "wearing",
    "wears",
    "is wearing",
    "in",
    "dressed in",
    "is dressed in",
    "has on",
    "clad in",
    "clothed in",
    "is clad in",
    "attired in",
)
CARRIES = ("carrying", "with", "holding on to", "having")
CARRIES_VERB = ("carries", "has", "is carrying", "is seen with", "bears", "takes along")
ROLLS = ("pulling", "rolling", "with", "dragging", "towing", "wheeling")
ROLLS_VERB = ("pulls", "rolls", "is pulling", "drags", "is dragging", "tows", "wheels along")
ON_BACK = ("on the back", "over both shoulders", "strapped on", "worn on the back")
ACROSS = (
    "across the body",
    "worn crosswise",
    "over one shoulder",
    "with a diagonal strap",
    "slung across the chest",
)
ON_SIDE = ("over the shoulder", "at the hip", "on one shoulder", "hanging at the side", "by the side")
IN_HAND = ("in the hand", "in one hand", "held by the handles", "at arm's length", "dangling from the hand")
POSE: dict[str, tuple[str, ...]] = {
    "walking": ("walking", "walking along", "striding", "strolling", "on the move", "taking a step", "stepping forward", "pacing"),
    "standing": ("standing", "standing still", "standing upright", "waiting", "standing around", "stopped"),
    "phone": ("talking on the phone", "holding a phone", "making a call", "holding a mobile phone up", "with a cell phone in hand", "on the telephone"),
    "pocket": ("standing", "standing relaxed"),
}  # fmt: skip
FACING: dict[str, tuple[str, ...]] = {
    "front": ("facing the camera", "seen from the front", "facing forward", "coming towards the camera", "turned to the viewer", "in front view"),
    "side": ("seen from the side", "in profile", "in side view", "turned sideways", "facing sideways", "viewed side-on"),
    "back": ("seen from behind", "seen from the back", "facing away", "with the back to the camera", "turned away", "viewed from the rear", "in back view"),
}  # fmt: skip
