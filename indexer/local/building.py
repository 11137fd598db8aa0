"""Making segments from the database, until they cover every row and hold no removed one.

Each file is on the disk before its row enters the database, and its row is gone before it is deleted. A build
that is interrupted has kept what it had entered.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from indexer.errors import GalleryBusy, GalleryError, GalleryFull
from indexer.jobs import forget_jobs
from indexer.local import catalogue
from indexer.local.checked_rows import fact_rows
from indexer.local.derived import DamagedFileError, check_file, sweep
from indexer.local.segments import SEGMENT_ROWS, Content, plan, read_rows, write_segment
from indexer.local.store import Moment, Store
from indexer.local.writer import Writer
from indexer.vectors.faiss_index import FaissIndex

log = logging.getLogger(__name__)


def build_segments(writer: Writer, store: Store, folder: Path, damaged: frozenset[int] = frozenset()) -> None:
    """Cover every row by sound segments without removed rows; what covers them already stays."""
    stale = catalogue.stale_segments(store) | damaged
    todo = plan(catalogue.segments(store), stale, store.moment().last_id, lambda gap: store.has_rows(*gap))
    fingerprint = store.identity.fingerprint
    for after, up_to in todo.written:
        for content, reach, moment in _contents(store, after, up_to):
            files = write_segment(folder, content)
            with writer.transaction() as connection:
                catalogue.forget_segments_within(connection, reach, fingerprint)
                catalogue.enter_segment(connection, reach, len(content.index), fingerprint, moment, files)
    with writer.transaction() as connection:
        catalogue.forget_segments(connection, stale)
    tidy(writer, store, folder)


def _contents(store: Store, after: int, up_to: int) -> Iterator[tuple[Content, tuple[int, int], Moment]]:
    """The rows of a range as segments hold them, the range of each, and the moment it shows."""
    while True:
        with store.one_moment():
            facts = fact_rows(store, after, up_to, SEGMENT_ROWS)
            if not facts:
                return
            end = facts[-1][0] if len(facts) == SEGMENT_ROWS else up_to
            index, columns = read_rows(store, after, end, facts, FaissIndex(store.identity.dimension))
            moment = store.moment()
        yield Content(index, columns), (after, end), moment
        after = end


def end_erasure(writer: Writer, store: Store, folder: Path) -> None:
    """Leave no trace of the rows that are marked as to be erased: in no file, page or log. GalleryBusy."""
    with writer.transaction() as connection:
        catalogue.forget_coarse_with_removed(connection)
    build_segments(writer, store, folder)
    writer.rewrite()
    writer.empty_log()
    forget_jobs(folder)
    writer.end_erasing()


def tidy(writer: Writer, store: Store, folder: Path) -> None:
    """Delete every derived file that no row names."""
    sweep(folder, catalogue.file_names(store))


def drop_damaged_coarse(writer: Writer, store: Store, folder: Path) -> None:
    """Forget an approximate index whose file does not fit its row; the next build makes one."""
    file = catalogue.coarse_file(store)
    if file is None:
        return
    try:
        check_file(folder, file.file)
    except DamagedFileError as error:
        log.warning("%s: every row is scanned until the next index is built.", error)
        with writer.transaction() as connection:
            catalogue.forget_coarse(connection, file.fingerprint)


def drop_damaged_entries(writer: Writer, store: Store) -> bool:
    """Forget the files whose rows in the database are damaged; warns of each; whether there are any."""
    entries = catalogue.damaged_entries(store)
    for table, ids in entries.items():
        for id in ids:
            log.warning("entry %d of the table %s is damaged: its file is made anew.", id, table)
    if not any(entries.values()):
        return False
    with writer.transaction() as connection:
        catalogue.forget_damaged_entries(connection, entries)
    return True


def damaged_segments(store: Store, folder: Path) -> frozenset[int]:
    """The segments whose files do not fit their rows; warns of each."""
    damaged = set()
    for segment in catalogue.segments(store):
        try:
            for file in (segment.rows_file, segment.facts_file):
                check_file(folder, file)
        except DamagedFileError as error:
            log.warning("%s: it is rebuilt from the database.", error)
            damaged.add(segment.id)
    return frozenset(damaged)


def mend(writer: Writer, store: Store, folder: Path) -> None:
    """Clear away what an interrupted writer left, replace damaged index files, end an erasure."""
    forgotten = drop_damaged_entries(writer, store)
    damaged = damaged_segments(store, folder)
    drop_damaged_coarse(writer, store, folder)
    if forgotten or damaged:
        build_segments(writer, store, folder, damaged)
    try:
        tidy(writer, store, folder)
    except GalleryError as error:  # what is left of a writer keeps nobody from writing
        log.warning("%s It is of no use; the next writer tries again.", error)
    if writer.erasing():
        try:
            end_erasure(writer, store, folder)
        except (GalleryBusy, GalleryFull) as error:
            log.warning("people to be erased have left traces, which stay for now: %s", error)
