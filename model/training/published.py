"""The papers' own figures, text to image on the test split, to print beside ours.

From the tables of the papers where these are at hand, else from later papers that repeat them; all of them
were reached by choosing the best epoch on test.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedFigures:
    """Percentages, and where they stand."""

    r1: float
    r5: float
    r10: float
    mean_ap: float
    source: str


_ITSELF = "Table 1 of ITSELF (WACV 2026)"
_IRRA = "the README of IRRA (CVPR 2023)"

PUBLISHED: dict[tuple[str, str], PublishedFigures] = {
    ("full", "cuhk_pedes"): PublishedFigures(68.19, 86.47, 91.47, 61.12, _IRRA),
    ("full", "icfg_pedes"): PublishedFigures(56.74, 75.72, 82.26, 31.84, _IRRA),
    ("full", "rstp_reid"): PublishedFigures(54.05, 80.70, 88.00, 43.41, _IRRA),
    ("cskt", "cuhk_pedes"): PublishedFigures(69.70, 86.92, 91.80, 62.74, _ITSELF),
    ("cskt", "icfg_pedes"): PublishedFigures(58.90, 77.31, 83.56, 33.87, _ITSELF),
    ("cskt", "rstp_reid"): PublishedFigures(57.75, 81.30, 88.35, 46.43, _ITSELF),
    ("dm_adapter", "cuhk_pedes"): PublishedFigures(72.17, 88.74, 92.85, 64.33, _ITSELF),
    ("dm_adapter", "icfg_pedes"): PublishedFigures(62.64, 79.53, 85.32, 36.50, _ITSELF),
    ("dm_adapter", "rstp_reid"): PublishedFigures(60.00, 82.10, 87.90, 47.37, _ITSELF),
}
"""By method (a recipe's first name) and data set."""
