"""Proof that a gallery is sound: pages, counts, vectors, index files, and what searches find."""

import zlib
from pathlib import Path

import numpy as np

from indexer.local.generations import DamagedFileError, read_file
from indexer.local.store import Store
from indexer.vectors.vector_index import Ids, Scores, VectorIndex, Vectors

_UNIT_TOLERANCE = 2e-2
_SCORE_TOLERANCE = 1e-4
_PROBES = 20


def problems(folder: Path, store: Store) -> list[str]:
    """One sentence for each inconsistency; empty when all is sound. Reads every page of the database."""
    found = [f"{store.path}: {text}." for text in store.integrity()]
    if found:
        return found
    bare, lost = store.unpaired()
    if bare:
        found.append(f"{bare} items have no vector.")
    if lost:
        found.append(f"{lost} vectors belong to no item.")
    broken = _vector_problems(store)
    if broken:  # nothing to compare the index files with
        return found + broken
    for generation in store.generations():
        try:
            index = read_file(folder, generation, store.identity.dimension)
        except DamagedFileError as error:
            found.append(f"{error}; the next `cskt index` into this gallery rebuilds it.")
            continue
        found += _index_problems(store, index, generation.file.name, generation.built_to)
    return found


def _vector_problems(store: Store) -> list[str]:
    """Rows whose bytes, length or norm cannot be right."""
    found, after = [], 0
    while rows := store.checksums(after, 4096):
        after = rows[-1][0]
        for id, value, crc in rows:
            if len(value) != 2 * store.identity.dimension:
                found.append(f"the vector of item {id} has {len(value)} bytes.")
            elif zlib.crc32(value) != crc:
                found.append(f"the vector of item {id} does not fit its checksum.")
            elif (
                not abs(float(np.linalg.norm(np.frombuffer(value, "<f2").astype(np.float32))) - 1)
                < _UNIT_TOLERANCE
            ):
                found.append(f"the vector of item {id} is not of unit length.")
    return found


def _index_problems(store: Store, index: VectorIndex, name: str, built_to: int) -> list[str]:
    """Whether the file covers exactly the rows it should, and finds what a scan of the database finds."""
    ids, best, probes = _scan(store, built_to)
    found = []
    if len(np.setdiff1d(ids, index.ids)) or len(np.setdiff1d(index.ids, np.union1d(ids, store.removed()))):
        found.append(f"{name} does not cover the items up to {built_to}.")
    elif len(probes):
        scores, _ = index.search(probes, 1)
        wrong = int(np.sum(np.abs(scores[:, 0] - best) > _SCORE_TOLERANCE))
        if wrong:
            found.append(f"{name} answers {wrong} of {len(probes)} searches otherwise than the database.")
    return found


def _scan(store: Store, up_to: int) -> tuple[Ids, Scores, Vectors]:
    """All ids, some stored vectors to ask for, and the best score that a plain scan gives each of them."""
    ids = [chunk for chunk, _ in store.vectors(0, up_to)]
    every = np.concatenate([*ids, np.empty(0, np.int64)])
    wanted = every[np.linspace(0, len(every) - 1, min(_PROBES, len(every))).astype(np.int64)]
    chosen = [vectors[np.isin(chunk, wanted)] for chunk, vectors in store.vectors(0, up_to)]
    if not chosen:
        return every, np.empty(0), np.empty((0, store.identity.dimension), np.float32)
    probes = np.concatenate(chosen).astype(np.float32)
    tops = [(vectors.astype(np.float32) @ probes.T).max(axis=0) for _, vectors in store.vectors(0, up_to)]
    return every, np.max(tops, axis=0).astype(np.float64), probes
