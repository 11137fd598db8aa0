"""Proof that a gallery is sound: pages, counts, checksums, and that the index files hold the same."""

import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from indexer.local import candidate, catalogue
from indexer.local.checked_rows import (
    changed_facts,
    damaged_entries,
    damaged_facts,
    damaged_thumbnails,
    fact_rows,
)
from indexer.local.derived import DamagedFileError, check_file
from indexer.local.facts import Facts
from indexer.local.segments import Segment, read_segment
from indexer.local.store import Store
from indexer.vectors.vector_index import Ids

_UNIT_TOLERANCE = 2e-2
_REMEDY = "the next `cskt index` into this gallery rebuilds it."


def problems(folder: Path, store: Store) -> list[str]:
    """One sentence for each inconsistency; empty when all is sound. Reads every page of the database."""
    found, comparable = database_problems(store)
    if not comparable:
        return found
    for table, ids in catalogue.damaged_entries(store).items():
        found += [f"entry {id} of the table {table} does not fit its checksum; {_REMEDY}" for id in ids]
    with store.one_moment():
        for segment in catalogue.segments(store):
            found += _segment_problems(store, folder, segment)
        coarse = catalogue.coarse_file(store)
    if coarse is not None:
        try:
            check_file(folder, coarse.file)
        except DamagedFileError as error:
            found.append(f"{error}; {_REMEDY}")
    return found


def database_problems(store: Store) -> tuple[list[str], bool]:
    """What is wrong with the database alone, and whether index files can be compared with its vectors."""
    found = [f"{store.path}: {text}." for text in store.integrity()]
    if found:
        return found, False
    bare, lost = store.unpaired()
    if bare:
        found.append(f"{bare} items have no vector.")
    if lost:
        found.append(f"{lost} vectors belong to no item.")
    broken = [*damaged_entries(store), *damaged_facts(store), *_vector_problems(store)]
    beside = [] if broken else _candidate_problems(store)
    return [*found, *broken, *damaged_thumbnails(store), *beside], not broken


def _candidate_problems(store: Store) -> Iterator[str]:
    """The same of the vectors of the other encoder, if there is one."""
    if candidate.state(store) is None:
        return
    with closing(Store(store.path.parent, candidate=True, file=store.path)) as other:
        lost = other.unpaired()[1]
        problems = [f"{lost} vectors belong to no item."] if lost else []
        for problem in [*problems, *_vector_problems(other)]:
            yield (
                f"of the encoder {other.identity.encoder}, which does not live, {problem.removesuffix('.')}: "
                "drop all of its vectors with `cskt gallery migrate --discard`."
            )


def _vector_problems(store: Store) -> Iterator[str]:
    """Rows whose bytes, length or norm cannot be right."""
    after = 0
    while rows := store.checksums(after, 4096):
        after = rows[-1][0]
        for id, value, crc in rows:
            if len(value) != 2 * store.identity.dimension:
                yield f"the vector of item {id} has {len(value)} bytes."
            elif zlib.crc32(value) != crc:
                yield f"the vector of item {id} does not fit its checksum."
            elif not abs(_norm(value) - 1) < _UNIT_TOLERANCE:
                yield f"the vector of item {id} is not of unit length."


def _norm(value: bytes) -> float:
    return float(np.linalg.norm(np.frombuffer(value, "<f2").astype(np.float32)))


def _segment_problems(store: Store, folder: Path, segment: Segment) -> Iterator[str]:
    """Whether the files hold the very vectors and facts of the database, but for what came later."""
    name = f"{segment.rows_file.name} with {segment.facts_file.name}"
    try:
        content = read_segment(folder, segment, store.identity.dimension)
    except DamagedFileError as error:
        yield f"{error}; {_REMEDY}"
        return
    removed: Ids = store.removed(segment.removed_to)
    left = content.index.ids[~np.isin(content.index.ids, removed)]
    stored = [(ids, vectors) for ids, vectors in store.vectors(segment.after, segment.up_to)]
    ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in stored)])
    if not np.array_equal(left, ids):
        yield f"{name} does not cover the items up to {segment.up_to}; {_REMEDY}"
        return
    places = np.flatnonzero(np.isin(content.index.ids, ids))
    vectors = np.concatenate([np.empty((0, store.identity.dimension), np.float16), *(v for _, v in stored)])
    if not np.array_equal(content.index.vectors_at(places), vectors.astype(np.float32)):
        yield f"{name} holds other vectors than the database; {_REMEDY}"
    changed = changed_facts(store, segment.changed_to)
    truth = Facts.from_rows(fact_rows(store, segment.after, segment.up_to))
    if not _same(content.facts.changed(changed), truth, ids):
        yield f"{name} holds other facts than the database; {_REMEDY}"


def _same(facts: Facts, truth: Facts, ids: Ids) -> bool:
    """Whether both say the same of these rows."""
    return _told(facts, ids) == _told(truth, ids)


def _told(facts: Facts, ids: Ids) -> dict[str, list[object]]:
    """For each field what the rows have, with the type; fields that none has are left out."""
    wanted = np.isin(facts.ids, ids)
    told: dict[str, list[object]] = {}
    for field, column in facts.columns.items():
        values = [None, *((type(value), value) for value in column.values.listed())]
        row = [values[code] for code in column.dense()[wanted].tolist()]
        if any(row):
            told[field] = row
    return told
