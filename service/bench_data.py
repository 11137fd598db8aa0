"""What the service is measured with: a gallery of random vectors, and sentences about people."""

import random
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from model.embedder import Embedder

ROWS_AT_ONCE = 1000

COLOURS = ("red", "dark blue", "light grey", "black", "white", "green", "yellow", "pink", "brown", "orange")
UPPER = ("t-shirt", "striped shirt", "leather jacket", "hoodie with a logo", "long coat", "sweater")
LOWER = ("jeans", "trousers", "shorts", "skirt", "sports trousers")
CARRIED = ("", ", carrying a backpack", ", with a handbag", " and a cap", ", pulling a suitcase behind them")


def fill(place: Path, embedder: "Embedder", items: int) -> None:
    """Make a gallery of random unit vectors, each with the same small picture."""
    from PIL import Image

    from indexer.gallery import open_gallery
    from indexer.items import EmbeddedItem, GalleryItem
    from indexer.prepared import thumbnail

    picture = thumbnail(Image.linear_gradient("L").resize((64, 128)))
    vectors = unit_vectors(items, embedder.dimension)
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    with closing(open_gallery(place, create_for=made_by, write=True)) as gallery:
        for start in range(0, items, ROWS_AT_ONCE):
            rows = range(start, min(start + ROWS_AT_ONCE, items))
            facts = [GalleryItem(f"{row}", f"{row}.jpg", "bench", camera=f"camera {row % 4}") for row in rows]
            gallery.add(
                [
                    EmbeddedItem(*pair, picture)
                    for pair in zip(facts, vectors[rows.start : rows.stop], strict=True)
                ]
            )
        gallery.build_generation()


def sentences(number: int) -> list[str]:
    """Descriptions of people, the same at every call."""
    draw = random.Random(0)
    return [
        f"a {draw.choice(('man', 'woman', 'person'))} in a {draw.choice(COLOURS)} {draw.choice(UPPER)} and "
        f"{draw.choice(COLOURS)} {draw.choice(LOWER)}{draw.choice(CARRIED)}"
        for _ in range(number)
    ]


def unit_vectors(number: int, dimension: int) -> "npt.NDArray[np.float32]":
    """Random ones (number, dimension), the same at every call; a search compares with every row, so real
    ones would take as long."""
    import numpy as np

    vectors = np.random.default_rng(0).standard_normal((number, dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors
