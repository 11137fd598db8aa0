"""What a pixel can be made of. A view stores these numbers; a look gives each of them a colour."""

MATERIALS: tuple[str, ...] = (
    "background",
    "skin",
    "hair",
    "eye",
    "iris",
    "brow",
    "lips",
    "upper",
    "upper_trim",
    "fastening",
    "inner",
    "lower",
    "belt",
    "shoes",
    "sole",
    "socks",
    "bag",
    "bag_trim",
    "hat",
    "hat_trim",
    "frame",
    "lens",
    "metal",
    "phone",
    "occluder",
)
ID: dict[str, int] = {name: number for number, name in enumerate(MATERIALS)}
CLOTH: tuple[str, ...] = ("upper", "upper_trim", "inner", "lower", "socks")
