"""A toy encoder and a toy gallery: small, exact, in memory, and able to fail or wait when a test wants it."""

import io
import itertools
import threading
from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt
from filter_makers import passes
from PIL import Image

from indexer.filters import Filter
from indexer.items import EmbeddedItem, GalleryItem, GalleryStats, Hit, Rejected
from indexer.timeline import Timeline, edges_between
from model.resizing import Resize
from service.query import Question, TextPart

DIMENSION = 64
FINGERPRINT = "toy0123456789abcdef"


def embed(text: str) -> npt.NDArray[np.float32]:
    """A unit vector (64,): the sum of one fixed random direction per word."""
    words = text.lower().split()
    vector = sum(np.random.default_rng(crc32(word.encode())).standard_normal(DIMENSION) for word in words)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def jpeg(colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """A small picture of one colour."""
    data = io.BytesIO()
    Image.new("RGB", (32, 64), colour).save(data, "JPEG")
    return data.getvalue()


COLOURS = {"red": (200, 30, 30), "blue": (30, 30, 200), "green": (30, 160, 30), "white": (240, 240, 240)}


def colour_of(pixels: npt.NDArray[np.uint8]) -> str:
    """The name of the colour nearest to the mean of RGB pixels (height, width, 3)."""
    mean = pixels.reshape(-1, 3).mean(axis=0)
    return min(COLOURS, key=lambda name: float(np.abs(mean - np.array(COLOURS[name])).sum()))


def words(text: str, top_k: int, where: Filter | None = None) -> Question:
    """A search for some words."""
    return Question((TextPart(text),), top_k, where=where)


class ToyEncoder:
    """Remembers every batch; `poison` words fail; clearing `gate` holds the device until it is set again."""

    def __init__(self, poison: str = "poison", fingerprint: str = FINGERPRINT) -> None:
        self.name, self.fingerprint, self.dimension, self.context_length = "toy", fingerprint, DIMENSION, 77
        self.poison, self.precision, self.batches = poison, "float64", []
        self.gate = threading.Event()
        self.gate.set()

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.batches.append(list(texts))
        assert self.gate.wait(30)
        if any(self.poison in text for text in texts):
            raise RuntimeError(f"cannot encode {texts}")
        return np.stack([embed(text) for text in texts])

    @property
    def preprocess(self) -> Resize:
        return Resize((32, 16))

    alive = True

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """A picture is what its mean colour is called."""
        self.batches.append([f"{len(pixels)} pictures"])
        assert self.gate.wait(30)
        return np.stack([embed(colour_of(one)) for one in pixels])

    def revive(self) -> None: ...

    def close(self) -> None: ...

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2


class ToyGallery:
    """Implements indexer.gallery.Gallery by brute force over a list; ids are positions from 1."""

    def __init__(self, items: Sequence[EmbeddedItem] = (), encoder: str = "toy") -> None:
        self.fingerprint, self.encoder, self.dimension = FINGERPRINT, encoder, DIMENSION
        self._rows, self._pending, self.closed, self.refreshed = list(items), [], False, 0
        self._gone: set[int] = set()

    def commit_elsewhere(self, item: EmbeddedItem) -> None:
        """As another process would: found after the next refresh."""
        self._pending.append(item)

    def __len__(self) -> int:
        return len(self._rows)

    def known(self, keys: Sequence[str]) -> set[str]:
        return {row.item.key for row in self._rows} & set(keys)

    def ids(self, where: Filter | None = None) -> npt.NDArray[np.int64]:
        return np.array(
            [
                id
                for id, row in enumerate(self._rows, 1)
                if id not in self._gone and (where is None or passes(row.item, where, id))
            ],
            dtype=np.int64,
        )

    def count(self, where: Filter) -> int:
        return len(self.ids(where))

    def attributes(self, where: Filter | None = None) -> set[str]:
        return {name for id in self.ids(where).tolist() for name in self._rows[id - 1].item.attributes}

    def ids_of(self, keys: Sequence[str]) -> list[int]:
        return [id for id, row in enumerate(self._rows, 1) if row.item.key in keys and id not in self._gone]

    def remove_ids(self, ids: Sequence[int], *, erase: bool = False) -> int:
        there = [id for id in ids if self.get(id) is not None]
        self._gone.update(there)
        return len(there)

    def add(self, items: Sequence[EmbeddedItem], rejected: Sequence[Rejected] = ()) -> int:
        self._rows.extend(items)
        return len(items)

    def search(
        self, vectors: npt.NDArray[np.float32], k: int, where: Filter | None = None
    ) -> list[list[Hit]]:
        allowed = [
            (id, row)
            for id, row in enumerate(self._rows, 1)
            if id not in self._gone and (where is None or passes(row.item, where, id))
        ]
        rankings = []
        for vector in vectors:
            hits = [Hit(id, float(row.vector @ vector), row.item) for id, row in allowed]
            rankings.append(sorted(hits, key=lambda hit: (-hit.score, hit.id))[:k])
        return rankings

    def get(self, id: int) -> GalleryItem | None:
        return self._rows[id - 1].item if 1 <= id <= len(self._rows) and id not in self._gone else None

    def vector(self, id: int) -> npt.NDArray[np.float32] | None:
        return self._rows[id - 1].vector if self.get(id) is not None else None

    def thumbnail(self, id: int) -> bytes | None:
        return self._rows[id - 1].thumbnail if self.get(id) is not None else None

    def rejected(self, limit: int = 100) -> list[Rejected]:
        return []

    def timeline(self, most: int, where: Filter | None = None) -> Timeline:
        seen = [self._rows[id - 1].item.seen_at for id in self.ids(where).tolist()]
        times = sorted(time for time in seen if time)
        if not times:
            return Timeline()
        edges = edges_between(times[0], times[-1], most)
        return Timeline(
            edges, tuple(sum(a <= time < b for time in times) for a, b in itertools.pairwise(edges))
        )

    def newest(self) -> str | None:
        return None

    def build_generation(self) -> None: ...

    def refresh(self) -> bool:
        self.refreshed += 1
        fresh, self._pending = self._pending, []
        self._rows.extend(fresh)
        return bool(fresh)

    def passages(self) -> int:
        return len(self)

    def stats(self) -> GalleryStats:
        items = [row.item for row in self._rows]
        times = sorted(item.seen_at for item in items if item.seen_at)
        return GalleryStats(
            items=len(items),
            rejected=0,
            dimension=DIMENSION,
            encoder=self.encoder,
            fingerprint=FINGERPRINT,
            generation=1,
            indexed_in_generation=len(items),
            fresh=0,
            index_kind="exact",
            index="every row is scanned: exact",
            sources={name: sum(i.source == name for i in items) for name in {i.source for i in items}},
            cameras={
                name: sum(i.camera == name for i in items) for name in {i.camera for i in items} if name
            },
            first_seen=times[0] if times else None,
            last_seen=times[-1] if times else None,
            bytes_on_disk=0,
        )

    def verify(self) -> list[str]:
        return []

    def close(self) -> None:
        self.closed = True


def person(words: str, number: int, hour: int = 12) -> EmbeddedItem:
    """A row whose picture would be described by exactly these words."""
    item = GalleryItem(
        key=f"person-{number}",
        uri=f"/secret/folder/{number}.jpg",
        source="manifest:/secret/folder/people.csv",
        camera=f"camera-{number % 3}",
        seen_at=f"2026-05-01T{hour:02d}:00:00.000Z",
        track=f"track-{number}",
        attributes={"upper": words.split()[0], "number": number, "hat": number % 2 == 0},
    )
    return EmbeddedItem(item, embed(words), jpeg())
