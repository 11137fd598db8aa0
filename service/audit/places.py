"""Where the books, their heads and the key are kept."""

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from service.audit.chain import Head, beginning, following, parted, sealed, unsealed
from service.errors import ServeError

KEY_BYTES = 32
_TRIES = 5  # of reading a head that is being written at this very moment


@dataclass(frozen=True)
class Places:
    """`books`: the folder of the log; `key_file`, `heads`: may lie where those who write the log cannot."""

    books: Path
    key_file: Path
    heads: Path

    @classmethod
    def of(cls, state_folder: Path, key_file: str | None = None, heads: str | None = None) -> "Places":
        """Beside the keys and cases, unless said otherwise."""
        return cls(
            state_folder / "audit",
            Path(key_file) if key_file else state_folder / "audit.key",
            Path(heads) if heads else state_folder / "audit-heads",
        )

    def book(self, name: str) -> Path:
        """The file of a book."""
        return self.books / f"{name}.jsonl"

    def head(self, name: str) -> Path:
        """The file of its head."""
        return self.heads / f"{name}.head"

    def names(self) -> list[str]:
        """All books there are or should be, in order."""
        found = {path.stem for path in self.books.glob("book-*.jsonl")}
        return sorted(found | {path.stem for path in self.heads.glob("book-*.head")})

    def make(self) -> None:
        """Make the folders. Raises OSError."""
        for folder in (self.books, self.heads, self.key_file.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def key(self) -> bytes:
        """The key, made if there is neither it nor a log. Raises OSError, ServeError (another log's key)."""
        if not self.key_file.exists():
            if self.names():
                raise ServeError(
                    f"The key of the audit log, {self.key_file}, is missing, yet there is a log; put it back "
                    "(CSKT_AUDIT_KEY_FILE names another place), or move the log away to begin a new one."
                )
            _write_key(self.key_file)
        key, names = read_key(self.key_file), self.names()
        if names and not any(self._is_of(key, name) for name in names):
            raise ServeError(
                f"The key in {self.key_file} is not that of the audit log in {self.books}: nothing there was "
                "written with it. Put the right one back, or move the log and its heads away to begin anew."
            )
        return key

    def _is_of(self, key: bytes, name: str) -> bool:
        """Whether this key sealed a book's head or, if that is damaged, its first record. Raises OSError."""
        with suppress(ValueError, FileNotFoundError):
            self.read_head(key, name)
            return True
        with suppress(ValueError, FileNotFoundError):
            with self.book(name).open("rb") as book:
                body, mac = parted(book.readline().removesuffix(b"\n"))
            return following(key, beginning(key, name), body) == mac
        return False

    def read_head(self, key: bytes, name: str) -> Head:
        """The head of a book. Raises ValueError when it is not as it was sealed, OSError."""
        for left in reversed(range(_TRIES)):
            try:
                return unsealed(key, self.head(name).read_bytes(), name)
            except (ValueError, KeyError, TypeError):
                if not left:
                    raise ValueError("its head is not as it was sealed") from None
        raise AssertionError

    def new_head(self, key: bytes, head: Head) -> None:
        """Begin a head, for good. Raises OSError."""
        fresh = self.head(head.book).with_suffix(".new")
        try:
            write_durably(fresh, sealed(key, head))
            fresh.replace(self.head(head.book))
            sync_folder(self.heads)
        except OSError:
            with suppress(OSError):
                fresh.unlink()
            raise

    def heads_now(self, key: bytes) -> Iterator[Head]:
        """The heads of all books that can be read."""
        for name in self.names():
            with suppress(ValueError, OSError):
                yield self.read_head(key, name)


def read_key(file: Path) -> bytes:
    """The key in a file. Raises ServeError when it holds none, OSError."""
    try:
        key = bytes.fromhex(file.read_text("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ServeError(
            f"The file {file} holds no key of an audit log (64 hex digits); put the right one there."
        )
    return key


def _write_key(file: Path) -> None:
    """A new random key; if another process is quicker, its key stands."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    write_durably(fresh, secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
    try:
        with suppress(FileExistsError):
            os.link(fresh, file)
    finally:
        fresh.unlink()
    sync_folder(file.parent)


def write_durably(file: Path, content: bytes) -> None:
    """Write a file only its owner can read. Raises OSError."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(descriptor, content, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes, at: int) -> None:
    """All of it, from that byte on. Raises OSError."""
    while content:
        written = os.pwrite(descriptor, content, at)
        content, at = content[written:], at + written


def sync_folder(folder: Path) -> None:
    """What was made or renamed in the folder is there for good. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
