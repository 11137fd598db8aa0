"""One book of the log: a file that one process at a time appends to, and its head.

The order makes every case clear: a group of records is written and synced, then the head, which names the
last of them, is written and synced, then the records are acknowledged. So a book shorter than its head, or
other than its head says, has been tampered with; and what follows the head was never acknowledged: whole
records stand, a line that a kill or a power cut left unfinished is cut off and noted by the next process.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from service.audit.chain import Head, beginning, canonical, following, line_of, parted, sealed
from service.audit.places import Places, sync_folder, write_all


class Distrusted(Exception):
    """Nothing may be added to this book; the text says why."""


class Book:
    """An open book, locked for this process. Build it with `take`."""

    def __init__(self, places: Places, key: bytes, head: Head, book: int, kept_head: int) -> None:
        self._places, self._key, self._head = places, key, head
        self._file, self._head_file = book, kept_head
        self.cut = 0
        self._sound = True

    @property
    def name(self) -> str:
        """Such as book-0001."""
        return self._head.book

    @property
    def size(self) -> int:
        """Bytes that are written for good."""
        return self._head.size

    def append(self, records: Sequence[Mapping[str, object]]) -> None:
        """Return once they are durable; all or none of them count. Raises OSError, then see `undo`."""
        mac, lines = bytes.fromhex(self._head.mac), []
        for seq, record in enumerate(records, self._head.seq + 1):
            body = canonical({**record, "seq": seq})
            mac = following(self._key, mac, body)
            lines.append(line_of(body, mac))
        group = b"".join(lines)
        write_all(self._file, group, self._head.size)
        self._sound = False  # once a sync has failed, nobody knows what the disk holds of the file
        os.fdatasync(self._file)
        head = Head(self.name, self._head.seq + len(records), mac.hex(), self._head.size + len(group))
        write_all(self._head_file, sealed(self._key, head), 0)
        os.fdatasync(self._head_file)
        self._head, self._sound = head, True

    def undo(self) -> bool:
        """Take back what `append` could not finish; False when the book cannot be gone on with."""
        try:
            # The head first: at no moment may it name a record that has just been cut off.
            write_all(self._head_file, sealed(self._key, self._head), 0)
            os.fdatasync(self._head_file)
            os.ftruncate(self._file, self._head.size)
            os.fdatasync(self._file)
        except OSError:
            return False
        return self._sound

    def resume(self) -> None:
        """Find the end. Raises Distrusted when the book is not what its head says, OSError."""
        size, head = os.fstat(self._file).st_size, self._head
        if size < head.size:
            raise Distrusted("it is shorter than its head says")
        if head.seq and not os.pread(self._file, 67, head.size - 67) == f'{head.mac}"}}\n'.encode():
            raise Distrusted("its last acknowledged record is not the one its head names")
        tail = os.pread(self._file, size - head.size, head.size)
        seq, mac, at = head.seq, bytes.fromhex(head.mac), 0
        while (end := tail.find(b"\n", at)) >= 0:
            try:
                body, found = parted(tail[at:end])
            except ValueError:
                break
            if found != following(self._key, mac, body):
                break
            seq, mac, at = seq + 1, found, end + 1
        line, ended, _ = tail[at:].partition(b"\n")
        if ended and b"\0" not in line:  # a crash leaves half a line, or zeros in it, but no whole line
            raise Distrusted("lines have been added to it")
        self.cut = len(tail) - at
        if self.cut:
            os.ftruncate(self._file, head.size + at)
            os.fsync(self._file)
        self._head = Head(head.book, seq, mac.hex(), head.size + at)

    def close(self) -> None:
        """Let go of the files, and so of the lock."""
        for descriptor in (self._file, self._head_file):
            with suppress(OSError):
                os.close(descriptor)


def take(places: Places, key: bytes, longest: int, avoid: Mapping[str, str]) -> tuple[Book, dict[str, str]]:
    """The first book that is free, sound and shorter than `longest` bytes, or a new one; and what is unsound.

    `avoid`: books that failed this process, and why. Raises OSError.
    """
    unsound = dict(avoid)
    with _alone(places):
        names = places.names()
        for name in names:
            if name in unsound:
                continue
            try:
                book = _open(places, key, places.read_head(key, name))
            except (Distrusted, ValueError, FileNotFoundError) as error:
                unsound[name] = str(error) if not isinstance(error, OSError) else "its head is missing"
                continue
            if book is not None and book.size < longest:
                return book, unsound
            if book is not None:
                book.close()
        last = int(names[-1].removeprefix("book-")) if names else 0
        head = Head(name := f"book-{last + 1:04d}", 0, beginning(key, name).hex(), 0)
        places.new_head(key, head)  # first: a book without a head is always one whose head was taken away
        made = _open(places, key, head)
        assert made is not None
        return made, unsound


def _open(places: Places, key: bytes, head: Head) -> Book | None:
    """The book, or None when another process writes to it."""
    flags = os.O_RDWR | os.O_CLOEXEC | (0 if head.seq else os.O_CREAT)
    try:
        file = os.open(places.book(head.book), flags, 0o600)
    except FileNotFoundError:
        raise Distrusted("it is missing") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not head.seq:
            sync_folder(places.books)
        kept = os.open(places.head(head.book), os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return None
        raise
    # Its last writer may have gone on between reading the head and getting the lock.
    book = Book(places, key, places.read_head(key, head.book), file, kept)
    try:
        book.resume()
    except (Distrusted, OSError):
        book.close()
        raise
    return book


@contextmanager
def _alone(places: Places) -> Iterator[None]:
    """No other process takes or begins a book meanwhile."""
    lock = os.open(places.books / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
