"""The colours that clothes come in: name, picture value, spread and the words people use for them."""

from dataclasses import dataclass

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Colour:
    """One named colour: `rgb` its centre (sRGB, 0-255), `spread` how far a piece of cloth may lie from it,
    `words` what a witness may call it (the first is the name itself)."""

    rgb: Rgb
    spread: int
    words: tuple[str, ...]


COLOURS: dict[str, Colour] = {
    "black": Colour(
        (30, 30, 33), 6, ("black", "black", "black", "jet black", "pitch-black", "ebony", "inky black")
    ),
    "white": Colour(
        (236, 235, 231),
        6,
        ("white", "white", "white", "off-white", "snow-white", "ivory white", "plain white"),
    ),
    "grey": Colour(
        (132, 134, 137), 8, ("grey", "gray", "medium grey", "ash grey", "stone grey", "mouse grey")
    ),
    "light grey": Colour(
        (188, 189, 191),
        7,
        ("light grey", "light gray", "pale grey", "silver grey", "silvery", "ash-coloured", "faded grey"),
    ),
    "dark grey": Colour(
        (78, 80, 84),
        6,
        ("dark grey", "charcoal", "dark gray", "charcoal grey", "slate grey", "anthracite", "graphite"),
    ),
    "navy": Colour(
        (34, 42, 84),
        6,
        ("navy", "navy blue", "dark blue", "deep blue", "midnight blue", "ink blue", "indigo"),
    ),
    "blue": Colour(
        (40, 84, 178),
        9,
        ("blue", "royal blue", "medium blue", "cobalt blue", "azure", "sapphire blue", "vivid blue"),
    ),
    "light blue": Colour(
        (142, 182, 224),
        9,
        ("light blue", "pale blue", "sky blue", "baby blue", "powder blue", "pastel blue", "ice blue"),
    ),
    "red": Colour(
        (194, 34, 40),
        9,
        ("red", "bright red", "scarlet", "crimson", "cherry red", "tomato red", "fire-engine red"),
    ),
    "maroon": Colour(
        (104, 26, 42),
        7,
        ("maroon", "dark red", "burgundy", "wine red", "wine-coloured", "oxblood", "claret", "deep red"),
    ),
    "green": Colour(
        (46, 136, 66),
        9,
        ("green", "grass green", "emerald green", "leaf green", "kelly green", "vivid green"),
    ),
    "dark green": Colour(
        (28, 70, 46),
        7,
        (
            "dark green",
            "forest green",
            "bottle green",
            "deep green",
            "pine green",
            "hunter green",
            "racing green",
        ),
    ),
    "light green": Colour(
        (158, 206, 132),
        9,
        (
            "light green",
            "pale green",
            "mint green",
            "pistachio green",
            "pastel green",
            "apple green",
            "sage green",
        ),
    ),
    "olive": Colour(
        (100, 98, 54), 7, ("olive", "olive green", "army green", "moss green", "military green", "drab green")
    ),
    "yellow": Colour(
        (232, 204, 58),
        9,
        (
            "yellow",
            "bright yellow",
            "mustard yellow",
            "lemon yellow",
            "golden yellow",
            "canary yellow",
            "sunny yellow",
        ),
    ),
    "orange": Colour(
        (230, 118, 34), 9, ("orange", "bright orange", "tangerine", "pumpkin orange", "vivid orange", "amber")
    ),
    "pink": Colour(
        (230, 146, 174),
        9,
        ("pink", "rose pink", "rose", "light pink", "salmon pink", "bubblegum pink", "pastel pink"),
    ),
    "purple": Colour((106, 54, 148), 9, ("purple", "violet", "grape purple", "deep purple", "aubergine")),
    "lilac": Colour(
        (184, 160, 214),
        8,
        ("lilac", "lavender", "light purple", "pale purple", "mauve", "pale violet", "pastel purple"),
    ),
    "brown": Colour(
        (100, 66, 40),
        7,
        ("brown", "dark brown", "chocolate brown", "chestnut", "coffee brown", "mahogany", "walnut brown"),
    ),
    "tan": Colour(
        (178, 136, 92), 8, ("tan", "light brown", "camel", "caramel", "fawn", "toffee brown", "cinnamon")
    ),
    "beige": Colour(
        (214, 198, 164), 7, ("beige", "cream", "sand", "cream-coloured", "ecru", "oatmeal", "buff", "sandy")
    ),
    "khaki": Colour(
        (160, 146, 106), 7, ("khaki", "khaki", "khaki brown", "sand brown", "dusty khaki", "mushroom")
    ),
    "teal": Colour(
        (30, 134, 138),
        8,
        ("teal", "turquoise", "blue-green", "petrol blue", "sea green", "peacock blue", "aqua"),
    ),
}
