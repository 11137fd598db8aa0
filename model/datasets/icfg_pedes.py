"""ICFG-PEDES (Ding et al., "Semantically Self-Aligned Network for Text-to-Image Part-aware Person
Re-identification", 2021).

4,102 people, 54,522 images, one caption each, no validation split. The annotation file is found in the wild
in two spellings.
"""

from model.datasets.samples import Layout

ICFG_PEDES = Layout(
    title="ICFG-PEDES",
    files=(
        "ICFG-PEDES/ICFG-PEDES.json",
        "ICFG-PEDES/ICFG_PEDES.json",
        "ICFG-PEDES.json",
        "ICFG_PEDES.json",
    ),
    path_key="file_path",
)
