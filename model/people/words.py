"""The words of the captions: what witnesses call people, garments, hair, bags and poses.

In each tuple the commoner words come first: the base domain favours the front of a list, the shifted one its
end. Only words that are true of every garment of that kind stand here; what is true of some only is in
`captions.py`.
"""

# fmt: off
PEOPLE: dict[str, tuple[str, ...]] = {
    "man": (
        "man", "man", "male", "guy", "gentleman", "male pedestrian", "fellow", "male person", "bloke",
        "chap", "gent",
    ),
    "woman": (
        "woman", "woman", "lady", "female", "female pedestrian", "female person", "adult female",
        "female passer-by",
    ),
}
YOUNG = {
    "man": ("young man", "boy", "young guy", "youth", "young fellow", "lad", "youngster"),
    "woman": ("young woman", "girl", "young lady"),
}
OLD = {
    "man": ("older man", "elderly man", "old man", "senior man", "aged man"),
    "woman": ("older woman", "elderly woman", "old lady", "elderly lady", "senior woman"),
}
HEAVY = (
    "heavy", "stout", "large", "heavyset", "broad", "big-built", "stocky", "plump", "bulky",
    "solidly built", "burly",
)
SLENDER = ("slim", "thin", "slender", "skinny", "lean", "slightly built", "slight", "narrow-shouldered")
UPPER: dict[str, tuple[str, ...]] = {
    "t-shirt": (
        "t-shirt", "T-shirt", "tee", "tee shirt", "cotton t-shirt", "crew-neck t-shirt", "round-neck tee",
        "jersey t-shirt", "basic tee",
    ),
    "shirt": (
        "shirt", "button-up shirt", "collared shirt", "button-down shirt", "buttoned shirt",
        "shirt with buttons", "woven shirt",
    ),
    "jacket": (
        "jacket", "jacket", "casual jacket", "outdoor jacket", "windbreaker", "anorak", "short jacket",
        "blouson", "zip jacket",
    ),
    "hoodie": (
        "hoodie", "hooded sweatshirt", "hoody", "hooded top", "hooded sweater", "hooded pullover",
        "top with a hood", "sweatshirt with a hood",
    ),
    "coat": (
        "coat", "long coat", "overcoat", "knee-length coat", "trench coat", "greatcoat", "outer coat",
        "topcoat",
    ),
    "sweater": (
        "sweater", "jumper", "pullover", "sweatshirt", "crew-neck sweater", "knitted jumper", "jersey",
        "knitted sweater", "knit top", "woollen jumper",
    ),
    "tank top": (
        "tank top", "sleeveless top", "vest top", "tank", "singlet", "sleeveless vest",
        "undershirt-style top", "sleeveless shirt", "muscle shirt",
    ),
    "dress": ("dress", "dress", "frock", "one-piece dress", "gown", "summer dress"),
}
UPPER_LOOSELY: dict[str, tuple[str, ...]] = {
    "t-shirt": ("top", "shirt"),
    "shirt": ("top", "buttoned top"),
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
        "trousers", "pants", "pants", "slacks", "long pants", "full-length trousers", "long trousers",
        "cotton trousers", "casual pants", "ankle-long slacks", "chinos",
    ),
    "jeans": ("jeans", "jeans", "denim jeans", "denim pants", "denims", "denim trousers", "denim bottoms"),
    "shorts": ("shorts", "shorts", "short pants", "short trousers", "casual shorts", "summer shorts"),
    "skirt": ("skirt", "skirt", "cloth skirt", "fabric skirt", "plain skirt"),
}
SHOES: dict[str, tuple[str, ...]] = {
    "sneakers": (
        "sneakers", "shoes", "sneakers", "trainers", "sports shoes", "running shoes", "tennis shoes",
        "athletic shoes", "gym shoes", "sport shoes", "lace-ups", "canvas shoes", "joggers",
        "rubber-soled shoes",
    ),
    "boots": (
        "boots", "boots", "ankle boots", "leather boots", "winter boots", "high shoes", "sturdy boots",
        "walking boots", "footwear",
    ),
    "dress shoes": (
        "dress shoes", "shoes", "leather shoes", "formal shoes", "low shoes", "loafers", "flat shoes",
        "office shoes", "slip-ons", "moccasins",
    ),
    "sandals": (
        "sandals", "sandals", "open shoes", "slippers", "open-toed sandals", "flip-flops",
        "summer sandals", "strapped sandals", "beach shoes",
    ),
}
LOOSE_SHOES = ("shoes", "footwear", "leather shoes", "low shoes", "flat shoes")
BAG: dict[str, tuple[str, ...]] = {
    "backpack": (
        "backpack", "backpack", "rucksack", "school bag", "knapsack", "daypack", "back pack", "day bag",
        "haversack",
    ),
    "handbag": (
        "handbag", "purse", "hand bag", "tote", "carrier", "hand-held bag", "small bag", "ladies' bag",
    ),
    "shoulder bag": (
        "shoulder bag", "messenger bag", "satchel", "side bag", "sling bag", "bag with a flap", "book bag",
    ),
    "suitcase": (
        "suitcase", "trolley case", "rolling suitcase", "wheeled suitcase", "trolley", "travel case",
        "trolley bag", "luggage case", "cabin case",
    ),
}
HAT: dict[str, tuple[str, ...]] = {
    "cap": ("cap", "baseball cap", "peaked cap", "ball cap", "sports cap", "visored cap", "cap with a brim"),
    "hat": ("hat", "brimmed hat", "round hat", "sun hat", "bucket hat", "wide-brimmed hat"),
    "beanie": (
        "beanie", "knit cap", "woolly hat", "knitted hat", "winter hat", "woollen hat", "knitted cap",
        "skullcap", "toque", "ski cap",
    ),
}
GLASSES = {
    "glasses": (
        "glasses", "eyeglasses", "spectacles", "eyewear", "a pair of glasses", "specs", "rimmed glasses",
    ),
    "sunglasses": (
        "sunglasses", "dark glasses", "shades", "tinted glasses", "dark shades", "black sunglasses",
    ),
}
HAIR_COLOUR: dict[str, tuple[str, ...]] = {
    "black": ("black", "black", "jet-black", "dark", "raven", "coal-black", "deep black"),
    "dark brown": (
        "dark brown", "brown", "dark", "brunette", "deep brown", "espresso-coloured", "dark chestnut",
    ),
    "brown": (
        "brown", "light brown", "chestnut", "brunette", "auburn-brown", "hazel", "nut-brown", "mid-brown",
    ),
    "blond": (
        "blond", "blonde", "fair", "golden", "yellowish", "sandy", "straw-coloured", "flaxen",
        "honey-coloured", "light",
    ),
    "red": ("red", "reddish", "ginger", "auburn", "copper", "rust-coloured", "orange-red", "coppery"),
    "grey": ("grey", "gray", "silver", "greying", "whitish", "silvery", "ash-grey", "salt-and-pepper"),
}
SHORT_HAIR = (
    "short", "short", "cropped", "short-cut", "close-cut", "trimmed", "neat short", "clipped",
    "tidy short",
)
LONG_HAIR = ("long", "long", "loose long", "flowing", "shoulder-length", "long, untied")
BALD = ("a bald head", "no hair", "a shaved head", "a bare scalp", "a hairless head", "a clean-shaven head")
PONYTAIL = (
    "in a ponytail", "tied in a ponytail", "tied back", "tied up", "pulled back in a ponytail",
    "gathered in a ponytail", "bound at the back",
)
BUN = (
    "in a bun", "tied in a bun", "tied up", "pinned up", "knotted in a bun", "put up in a knot",
    "gathered in a bun",
)
TIED = ("tied back", "pulled back", "tied up", "combed back", "drawn back")
CURLY = ("curly", "wavy", "frizzy", "curled", "ringleted", "tousled")
BEARD = ("a beard", "a full beard", "facial hair", "a bearded face", "whiskers", "a trimmed beard")
SLEEVES: dict[str, tuple[str, ...]] = {
    "short": ("short-sleeved", "short sleeve", "short-sleeve", "half-sleeved", "half sleeve", "short-armed"),
    "long": (
        "long-sleeved", "long sleeve", "long-sleeve", "full-sleeved", "full sleeve", "wrist-length",
        "long-armed",
    ),
    "none": ("sleeveless", "sleeveless", "strappy", "armless"),
}
PATTERN: dict[str, tuple[str, ...]] = {
    "striped": ("striped", "horizontally striped", "stripy", "banded", "barred", "sailor-striped", "lined"),
    "vertical stripes": ("striped", "vertically striped", "pinstriped", "stripy"),
    "checked": (
        "checked", "plaid", "checkered", "chequered", "tartan", "gingham", "squared", "chequerboard",
    ),
}
STRIPES = ("stripes", "horizontal stripes", "bands", "lines across", "rows of stripes", "crosswise stripes")
VERTICAL = ("stripes", "vertical stripes", "pinstripes", "upright stripes")
CHECKS = ("checks", "squares", "a check pattern", "a plaid pattern", "a grid pattern")
LOGO = (
    "logo", "print", "emblem", "graphic", "design", "patch", "motif", "badge", "label", "symbol",
    "printed image",
)
CUT: dict[str, tuple[str, ...]] = {
    "slim": (
        "slim", "tight", "skinny", "slim-fit", "close-fitting", "narrow", "fitted", "clinging",
        "figure-hugging", "pencil-thin",
    ),
    "straight": ("straight", "straight-leg", "regular-fit", "plain"),
    "wide": (
        "wide", "loose", "baggy", "wide-leg", "loose-fitting", "roomy", "generous", "billowy", "relaxed",
    ),
    "flared": ("flared", "bell-bottom", "bootcut", "flaring", "widening", "bell-shaped"),
}
CROPPED = (
    "cropped", "ankle-length", "short-cut", "three-quarter", "rolled-up", "seven-eighths", "shortened",
)
SHORT_SKIRT = ("short", "mini", "above-the-knee")
KNEE = ("knee-length", "mid-length", "medium-length")
MIDI = ("midi", "long", "calf-length", "below-the-knee")
LOOSE_TOP = ("loose", "baggy", "oversized", "loose-fitting", "wide", "roomy")
TIGHT_TOP = ("fitted", "tight", "close-fitting", "slim", "snug")
OPEN = ("open", "unbuttoned", "unzipped", "unfastened", "open-fronted", "gaping", "undone")
WEARS = (
    "wearing", "wears", "is wearing", "in", "dressed in", "is dressed in", "has on", "clad in",
    "clothed in", "is clad in", "attired in", "outfitted in", "sporting", "shown in",
)
CARRIES = ("carrying", "with", "holding on to", "having", "toting", "lugging", "bearing")
CARRIES_VERB = (
    "carries", "has", "is carrying", "is seen with", "bears", "takes along", "hauls", "lugs", "totes",
    "brings",
)
ROLLS = ("pulling", "rolling", "with", "dragging", "towing", "wheeling", "trundling", "hauling")
ROLLS_VERB = (
    "pulls", "rolls", "is pulling", "drags", "is dragging", "tows", "wheels along", "trundles", "draws",
)
ON_BACK = ("on the back", "over both shoulders", "strapped on", "worn on the back")
ACROSS = (
    "across the body", "worn crosswise", "over one shoulder", "with a diagonal strap",
    "slung across the chest",
)
ON_SIDE = ("over the shoulder", "at the hip", "on one shoulder", "hanging at the side", "by the side")
IN_HAND = ("in the hand", "in one hand", "held by the handles", "at arm's length", "dangling from the hand")
POSE: dict[str, tuple[str, ...]] = {
    "walking": (
        "walking", "walking along", "striding", "strolling", "on the move", "taking a step",
        "stepping forward", "pacing", "marching", "heading along", "wandering", "in mid-stride", "passing",
    ),
    "standing": (
        "standing", "standing still", "standing upright", "waiting", "standing around", "stopped",
        "pausing", "lingering", "at rest", "posing", "motionless",
    ),
    "phone": (
        "talking on the phone", "holding a phone", "making a call", "holding a mobile phone up",
        "with a cell phone in hand", "on the telephone", "phoning", "using a smartphone",
        "lifting a phone", "with a raised mobile",
    ),
    "pocket": ("standing", "standing relaxed"),
}
FACING: dict[str, tuple[str, ...]] = {
    "front": (
        "facing the camera", "seen from the front", "facing forward", "coming towards the camera",
        "turned to the viewer", "in front view", "looking our way", "head-on", "frontal",
    ),
    "side": (
        "seen from the side", "in profile", "in side view", "turned sideways", "facing sideways",
        "viewed side-on", "in a lateral view", "seen sidelong",
    ),
    "back": (
        "seen from behind", "seen from the back", "facing away", "with the back to the camera",
        "turned away", "viewed from the rear", "in back view", "showing the back", "from the rear",
    ),
}
# fmt: on
