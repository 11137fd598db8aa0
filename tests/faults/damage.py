"""Damaged files: every region of every file flipped, cut off, zeroed, emptied, replaced, deleted."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from launcher import shared
from truth import WRONG_COUNT, WRONG_KEYS, Truth

DATABASE = "gallery.db"
LOG = "gallery.db-wal"
_UNREAD = {"gallery.db-shm", "writer.lock"}
"""Made anew, or empty, whatever stands in them."""

SCRIPT = [
    ["open"],
    ["add", list(range(60))],
    ["build"],
    ["remove", [3, 30]],
    ["update", 31, 1],
    ["add", list(range(60, 90))],
    ["build"],
    ["add", list(range(90, 100))],
    ["remove", [95]],
    ["add", list(range(100, 104))],
]


def sound_gallery(worker, folder, last=(), **further):
    """A gallery, the truth of it, and of every moment before.

    Unless the last operation is to close it, its log is there too, as after a kill.
    """
    walk = worker.walk(folder, Truth(), script=[*SCRIPT, *last], **further)
    if walk.findings or walk.refusals:
        raise AssertionError([*walk.findings, *walk.refusals])
    moments = [Truth()]
    for operation in SCRIPT:
        moments.append(moments[-1].after(operation))
    return walk.truth, moments


def files_of(folder):
    """Derived files, as paths below the folder: every file but the database's own."""
    every = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [path for path in every if path.name not in {DATABASE, LOG, *_UNREAD}]


def damages(data, grid, chance):
    """(what, damaged bytes or None for deleted): a flip in each of `grid` equal regions, and more."""
    size = len(data)
    yield "deleted", None
    yield "emptied", b""
    yield "one byte longer", data + b"\0"
    for region in range(grid):
        start, end = size * region // grid, max(size * region // grid + 1, size * (region + 1) // grid)
        filled = [place for place in range(start, min(end, size)) if data[place]]
        place = chance.choice(filled or [start])
        flipped = bytearray(data)
        flipped[place] ^= 1 << chance.randrange(8)
        yield f"bit flipped at {place}", bytes(flipped)
        if region % 3 == 0:
            yield f"cut off at {place}", data[:place]
        if region % 3 == 1 and any(data[place:]):
            yield f"zeroed from {place}", data[:place] + bytes(size - place)
        if region % 3 == 2:
            until = min(size, place + chance.choice((1, 16, 512, 4096)))
            noise = bytes(
                byte ^ chance.randrange(1, 256) for byte in data[place:until]
            )  # never what was there
            yield f"noise from {place} to {until}", data[:place] + noise + data[until:]


def _each(workers, folder, jobs, look):
    """Spoil a copy for every job and look at it; all that was wrong."""
    return shared(workers, jobs, lambda worker, job: _spoil_and_look(worker, folder, job, look))


def _spoil_and_look(worker, folder, job, look):
    name, what, data = job
    place = folder.parent / f"spoilt-{id(worker)}"
    shutil.copytree(folder, place)
    if data is None:
        Path(place, name).unlink()
    else:
        Path(place, name).write_bytes(data)
    found = [f"{name} {what}: {finding}" for finding in look(worker, place, name)]
    shutil.rmtree(place)
    return found


def damage_derived(workers, folder, truth, seed, grid):
    """Spoil each derived file: answers stay right, the next writer mends. Count, all that was wrong."""
    jobs = derived_damages(folder, seed, grid)
    return len(jobs), shared(workers, jobs, lambda worker, job: look_at_derived(worker, folder, truth, job))


def derived_damages(folder, seed, grid):
    """(derived file, what, damaged bytes or None for deleted)."""
    chance, jobs = random.Random(seed), []
    files = files_of(folder)
    for name in files:
        data = Path(folder, name).read_bytes()
        others = [other for other in files if other.suffix == name.suffix and other != name]
        exchanged = [("exchanged", Path(folder, other).read_bytes()) for other in others[:1]]
        jobs += [(name, *damage) for damage in [*damages(data, grid, chance), *exchanged]]
    return jobs


def look_at_derived(worker, folder, truth, job):
    """Spoil a copy in one way; all that is wrong."""

    def look(worker, place, name):
        report = worker.check(place, truth, going_on=True, damaged=True)
        findings = [*report["findings"], *filter(None, [report["refused"]])]
        if not any(name.stem in warning for warning in report["warnings"]):
            findings.append("nobody was warned")
        return findings

    return _spoil_and_look(worker, folder, job, look)


def damage_database(workers, folder, truth, seed, grid):
    """Spoil the database: it is refused and named, or answers are right.

    Counts: damages, refusals; and all that was wrong.

    SQLite looks keys up in indexes of its own, which have no checksum: a key that got lost there is found by
    `verify` only.
    """
    data = Path(folder, DATABASE).read_bytes()
    jobs = [(Path(DATABASE), *damage) for damage in damages(data, grid, random.Random(seed))]
    refused = []

    def look(worker, place, _):
        report = worker.check(place, truth, damaged=True)
        if report["refused"]:
            refused.append(report["refused"])
            return (
                [] if str(place) in report["refused"] else [f"refused without naming it: {report['refused']}"]
            )
        found = report["findings"]
        only_lost = all(finding in (WRONG_KEYS, WRONG_COUNT) for finding in found)
        return [] if only_lost and report["unsound"] else found

    findings = _each(workers, folder, jobs, look)
    return len(jobs), len(refused), findings


ROWS = {
    "item": "id",
    "thumbnail": "item_id",
    "vector": "item_id",
    "removal": "id",
    "gallery": "id",
}
"""Tables in which a changed value must be refused, with their keys."""


def damage_rows(workers, folder, truth):
    """Turn a bit in each value of a row of each table: it is refused, or answers are right and verify tells.

    Count, all that was wrong.
    """
    jobs = row_damages(folder)
    return len(jobs), shared(workers, jobs, lambda worker, job: look_at_row(worker, folder, truth, job))


def row_damages(folder):
    """(table, key, id, column) of each value."""
    jobs = []
    with closing(sqlite3.connect(Path(folder, DATABASE))) as connection:
        for table, key in ROWS.items():
            ((id,),) = connection.execute(f"SELECT max({key}) FROM {table}")
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            jobs += [(table, key, id, column) for column in columns if column != key]
    return jobs


def look_at_row(worker, folder, truth, job):
    """Turn a bit of one value in a copy; all that is wrong."""
    table, key, id, column = job
    place = folder.parent / f"spoilt-{id}-{table}-{column}"
    shutil.copytree(folder, place)
    with closing(sqlite3.connect(place / DATABASE)) as connection, connection:
        query = f"SELECT CAST({column} AS BLOB), typeof({column}) FROM {table} WHERE {key} = ?"
        value, kind = connection.execute(query, [id]).fetchone()
        flipped = bytes([value[0] ^ 2]) + value[1:] if value else b"3"
        connection.execute(
            f"UPDATE {table} SET {column} = CAST(? AS {'TEXT' if kind == 'null' else kind}) WHERE {key} = ?",
            [flipped, id],
        )
    report = worker.check(place, truth, damaged=True)
    shutil.rmtree(place)
    return [f"{table}.{column}: {finding}" for finding in report["findings"] if not report["refused"]]


def damage_log(workers, folder, moments, seed, grid):
    """Spoil the write-ahead log. Count, and all that was wrong.

    SQLite ends it where a checksum does not fit, as after a power cut; so what is found must be what stood
    there at one moment, or it is refused.
    """
    data = Path(folder, LOG).read_bytes()
    jobs = [(Path(LOG), *damage) for damage in damages(data, grid, random.Random(seed))]

    def look(worker, place, _):
        reports = []
        for moment in reversed(moments):
            report = worker.check(place, moment, damaged=True)
            if not report["findings"]:
                return []
            reports.append(report["findings"])
        return min(reports, key=len)

    return len(jobs), _each(workers, folder, jobs, look)
