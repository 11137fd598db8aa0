"""The named cameras of the synthetic world: where they hang, what light and picture they give."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Camera:
    """One camera. Ranges are (low, high); angles in degrees.

    `pitch` how far it looks down; `distance` metres; `light` direction to the main light in camera axes (x
    right, y away, z up) with its strength, `ambient` the rest; `tint` multiplies red, green, blue;
    `background` names the family of scenes; `sharpness` the share of the picture's height that is really
    resolved; `noise` standard deviation (0-255); `quality` the JPEG quality; `haze` how much grey lies over
    everything; `gamma`.
    """

    name: str
    background: str
    pitch: tuple[float, float]
    distance: tuple[float, float]
    light: tuple[float, float, float]
    strength: float
    ambient: float
    tint: tuple[float, float, float]
    sharpness: tuple[float, float]
    noise: tuple[float, float]
    quality: tuple[int, int]
    haze: float
    gamma: float


CAMERAS: dict[str, tuple[Camera, ...]] = {
    "base": (
        Camera(
            "street",
            "street",
            (4, 14),
            (6, 10),
            (-0.6, -0.5, 0.7),
            0.75,
            0.50,
            (1.02, 1.0, 0.96),
            (0.7, 1.0),
            (1, 4),
            (70, 92),
            0.02,
            1.0,
        ),
        Camera(
            "hall",
            "hall",
            (10, 22),
            (5, 8),
            (0.1, -0.6, 0.9),
            0.55,
            0.62,
            (1.04, 1.0, 0.92),
            (0.55, 0.9),
            (2, 6),
            (60, 88),
            0.04,
            1.05,
        ),
        Camera(
            "station",
            "station",
            (12, 25),
            (6, 10),
            (0.5, -0.3, 0.9),
            0.60,
            0.52,
            (0.95, 1.0, 1.03),
            (0.45, 0.8),
            (3, 8),
            (50, 80),
            0.06,
            1.1,
        ),
        Camera(
            "park",
            "park",
            (2, 10),
            (6, 11),
            (0.7, -0.4, 0.6),
            0.80,
            0.48,
            (1.0, 1.02, 0.94),
            (0.65, 1.0),
            (1, 4),
            (70, 92),
            0.02,
            0.98,
        ),
        Camera(
            "shop",
            "shop",
            (14, 25),
            (4, 7),
            (-0.2, -0.7, 0.8),
            0.50,
            0.68,
            (1.0, 1.0, 1.0),
            (0.6, 0.95),
            (2, 5),
            (60, 90),
            0.03,
            1.0,
        ),
    ),
    "shifted": (
        Camera(
            "night street",
            "street",
            (8, 20),
            (6, 10),
            (0.4, -0.5, 0.8),
            0.60,
            0.42,
            (1.06, 0.98, 0.84),
            (0.4, 0.8),
            (5, 11),
            (45, 75),
            0.05,
            1.1,
        ),
        Camera(
            "platform",
            "station",
            (16, 25),
            (7, 11),
            (-0.5, -0.2, 0.9),
            0.62,
            0.46,
            (0.90, 1.0, 1.06),
            (0.4, 0.75),
            (3, 9),
            (45, 75),
            0.09,
            1.1,
        ),
        Camera(
            "campus",
            "park",
            (6, 18),
            (6, 11),
            (-0.7, -0.3, 0.5),
            0.85,
            0.42,
            (1.05, 1.0, 0.9),
            (0.5, 0.9),
            (2, 6),
            (60, 88),
            0.05,
            0.95,
        ),
        Camera(
            "corridor",
            "hall",
            (14, 25),
            (4, 7),
            (0.0, -0.4, 1.0),
            0.50,
            0.55,
            (0.97, 1.03, 0.95),
            (0.45, 0.85),
            (3, 8),
            (50, 85),
            0.05,
            1.1,
        ),
    ),
    "lamplight": (
        Camera(
            "tunnel",
            "station",
            (10, 22),
            (6, 10),
            (0.2, -0.3, 1.0),
            0.7,
            0.4,
            (1.25, 0.72, 0.26),
            (0.4, 0.75),
            (4, 9),
            (45, 75),
            0.06,
            1.1,
        ),
        Camera(
            "car park",
            "street",
            (12, 25),
            (6, 11),
            (-0.4, -0.3, 0.9),
            0.6,
            0.4,
            (0.62, 0.95, 0.7),
            (0.4, 0.75),
            (5, 11),
            (45, 75),
            0.05,
            1.1,
        ),
        Camera(
            "underpass",
            "hall",
            (8, 20),
            (5, 8),
            (0.0, -0.5, 0.9),
            0.6,
            0.45,
            (0.55, 0.72, 1.25),
            (0.4, 0.8),
            (4, 9),
            (45, 75),
            0.05,
            1.1,
        ),
    ),
}
"""The cameras of each domain, and those under lamps that dye everything: sodium, mercury, neon."""

NEUTRAL = Camera(
    "neutral",
    "plain",
    (2, 12),
    (6, 9),
    (-0.3, -0.8, 0.5),
    0.45,
    0.72,
    (1.0, 1.0, 1.0),
    (1.0, 1.0),
    (0, 0),
    (95, 95),
    0.0,
    1.0,
)
"""A camera that adds nothing: even light, no noise; for tests and close looks."""
