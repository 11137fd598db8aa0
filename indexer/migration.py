"""Moving a gallery to another encoder: embed the stored crops beside the living vectors, compare, switch.

The gallery is searched and added to meanwhile. What is embedded is kept if the migration is interrupted, and
it goes on where it was. The previous encoder's vectors stay until they are discarded.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from indexer.decoders import Decoders
from indexer.errors import GalleryBusy, GalleryError
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.local import candidate
from indexer.local.building import build_segments
from indexer.local.checked_rows import Crop
from indexer.local.rows import NORM_TOLERANCE
from indexer.local.snapshot import take
from indexer.local.store import Store
from indexer.local.writer import Writer
from indexer.pipeline import ImageEmbedder
from model.progress import Progress

log = logging.getLogger(__name__)

COMPARED_HITS = 10
_ITEMS_AT_ONCE = 64
_BUSY_SECONDS = 5.0
_NOBODY = GalleryItem("", "", "")
"""Of a stored crop nothing is known but its number: it is the whole picture."""


class Encoder(ImageEmbedder, Protocol):
    """What a migration needs of model.embedder.Embedder."""

    @property
    def name(self) -> str:
        """How the encoder was given."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identifies weights, configuration, tokenizer and preprocessing."""
        ...

    @property
    def dimension(self) -> int:
        """Length of its vectors."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors (texts, dimension)."""
        ...


@dataclass(frozen=True)
class Compared:
    """How differently two encoders answer one query.

    common: hits among the first ten that both have; same_first: whether both put the same item first.
    """

    query: str
    common: int
    same_first: bool


def prepare(folder: Path, encoder: Encoder) -> int:
    """Embed every stored crop by the new encoder; returns how many were embedded now. Resumes by itself.

    GalleryError if an item has no crop that can be read, or another encoder's vectors are still kept.
    """
    with closing(Store(folder)) as store:
        if store.identity.fingerprint == encoder.fingerprint:
            raise GalleryError(f"the gallery is one of the encoder {encoder.name} already.")
        with _writing(folder) as writer, writer.transaction() as connection:
            candidate.begin(connection, encoder.name, encoder.fingerprint, encoder.dimension)
        done, total = store.count("candidate_vector"), store.count("item")
        with Progress("migrating", total, "crops", start=done) as progress, Decoders() as decoders:
            return _embed_rest(folder, store, encoder, decoders, progress)


def _embed_rest(folder: Path, store: Store, encoder: Encoder, decoders: Decoders, progress: Progress) -> int:
    embedded = 0
    while crops := candidate.crops_without(store, _ITEMS_AT_ONCE):
        vectors = _embed(crops, encoder, decoders)
        with _writing(folder) as writer, writer.transaction() as connection:
            candidate.add(connection, encoder.fingerprint, [id for id, _ in crops], vectors)
        embedded += len(crops)
        progress.advance(len(crops))
    return embedded


def compare(folder: Path, living: Encoder, other: Encoder, queries: Sequence[str]) -> list[Compared]:
    """Ask both the same; exact searches over what both have."""
    found = []
    for encoder, is_candidate in ((living, False), (other, True)):
        if is_candidate:
            with closing(Store(folder, candidate=True)) as store, _writing(folder) as writer:
                build_segments(writer, store, folder)
        with closing(Store(folder, candidate=is_candidate)) as store:
            _, ids = take(store, folder).search(encoder.embed_texts(queries), COMPARED_HITS, None)
            found.append(ids)
    return [
        Compared(query, len(set(old[old >= 0]) & set(new[new >= 0])), bool(old[0] == new[0]))
        for query, old, new in zip(queries, *found, strict=True)
    ]


def switch(folder: Path, encoder: Encoder) -> None:
    """Let the encoder live whose vectors are prepared, or were the previous ones, in one step.

    What was added meanwhile is embedded first. GalleryError if its vectors are not there at all.
    """
    with closing(Store(folder)) as store:
        known = candidate.state(store)
        if known is None or known[1] != encoder.fingerprint:
            raise GalleryError(
                f"the gallery has no vectors of the encoder {encoder.name}: prepare them with "
                f"`cskt gallery migrate --encoder {encoder.name}` first."
            )
        with _writing(folder) as writer, Decoders() as decoders:
            while crops := candidate.crops_without(store, _ITEMS_AT_ONCE):
                vectors = _embed(crops, encoder, decoders)
                with writer.transaction() as connection:
                    candidate.add(connection, encoder.fingerprint, [id for id, _ in crops], vectors)
            with closing(Store(folder, candidate=True)) as other:
                build_segments(writer, other, folder)
            with writer.transaction() as connection:
                candidate.switch(connection, encoder.fingerprint)


def previous_encoder(folder: Path) -> str:
    """The name of the encoder that lived before; GalleryError if its vectors are not kept."""
    with closing(Store(folder)) as store:
        known = candidate.state(store)
    if known is None or known[2] != candidate.PREVIOUS:
        raise GalleryError(f"the gallery at {folder} keeps no vectors of an encoder before this one.")
    return known[0]


def discard(folder: Path) -> None:
    """Forget the vectors of the encoder that does not live."""
    with closing(Store(folder)) as store, _writing(folder) as writer:
        with writer.transaction() as connection:
            candidate.discard(connection)
        build_segments(writer, store, folder)


@contextmanager
def _writing(folder: Path) -> Iterator[Writer]:
    """The writer's place, waited for while somebody else has it; says so once."""
    told = False
    while True:
        try:
            writer = Writer(folder)
            break
        except GalleryBusy as error:
            if not told:
                log.warning("the migration goes on later: %s", error)
            told = True
            time.sleep(_BUSY_SECONDS)
    with closing(writer):
        yield writer


def _embed(crops: Sequence[Crop], encoder: Encoder, decoders: Decoders) -> npt.NDArray[np.float32]:
    """Unit vectors (crops, dimension); GalleryError for a crop that cannot be read or embedded."""
    import torch

    def pixels(crop: Crop) -> npt.NDArray[np.uint8]:
        id, jpeg = crop
        prepared = decoders.prepare(RawImage(_NOBODY, jpeg or b""), encoder.preprocess)
        if isinstance(prepared, Rejected):
            raise GalleryError(
                f"the stored crop of item {id} {prepared.reason} Remove it with `cskt remove --id {id}`, or "
                "index its source into a new gallery."
            )
        return prepared.pixels

    with ThreadPoolExecutor(decoders.workers) as pool:
        vectors = encoder.embed_pixels(torch.from_numpy(np.stack(list(pool.map(pixels, crops)))))
    for (id, _), length in zip(crops, np.linalg.norm(vectors, axis=1).tolist(), strict=True):
        if not abs(length - 1) < NORM_TOLERANCE:  # one that is not finite would spoil every search
            raise GalleryError(
                f"the encoder {encoder.name} gave no unit vector for the stored crop of item {id}: try "
                f"another --precision, or remove the item with `cskt remove --id {id}`."
            )
    return vectors
