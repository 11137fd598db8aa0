"""A disk in memory: what recorded file calls leave on it when the power goes.

Only what was synced is safe: the data of a file by its own sync, a name (made, renamed, deleted) by the sync
of its folder. The rest may have reached the disk or not: names of a folder in the order they were made, data
of a file in any order, in part, or as zeros.
"""

from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512
SHARED_MEMORY = "-shm"
"""SQLite's file of that ending is memory shared between processes; it makes it anew at the first open."""

OUTCOMES = ("nothing", "names", "data", "everything", "names and zeros", "chance")
"""What of the unsynced has reached the disk."""


@dataclass
class _File:
    safe: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)

    def sync(self):
        for change in self.pending:
            _do(self.safe, change)
        self.pending.clear()


@dataclass
class Disk:
    """`names`: path -> inode, None for a folder, as far as they are safe; `pending`: changes since."""

    root: str
    files: dict = field(default_factory=dict)
    names: dict = field(default_factory=dict)
    pending: list = field(default_factory=list)

    def take(self, change):
        """One recorded change."""
        match change.what:
            case "w" | "t":
                self._file(change.inode).pending.append(change)
            case "s":
                self._file(change.inode).sync()
            case "c":
                self.files[change.inode] = _File()
                self.pending.append(change)
            case "r" | "u" | "m":
                self.pending.append(change)
            case "d":
                now, later = [], []
                for name in self.pending:
                    (now if change.path in _folders(name) else later).append(name)
                self.pending = later
                for name in now:
                    _rename(self.names, name)

    def _file(self, inode):
        return self.files.setdefault(inode, _File())

    def after_power_cut(self, outcome, chance):
        """path below the root -> bytes, or None for a folder, that the next start finds."""
        names = dict(self.names)
        for name in self._names_kept(outcome, chance):
            _rename(names, name)
        found = {}
        for path, inode in sorted(names.items()):
            if path.endswith(SHARED_MEMORY) or not _reachable(path, names, self.root):
                continue
            found[path[len(self.root) + 1 :]] = (
                None if inode is None else self._content(self.files[inode], outcome, chance)
            )
        return found

    def _names_kept(self, outcome, chance):
        if outcome in ("nothing", "data"):
            return []
        if outcome != "chance":
            return self.pending
        kept, ended = [], set()
        for name in self.pending:
            if chance.random() < 0.3:
                ended |= _folders(name)
            if not ended & _folders(name):
                kept.append(name)
        return kept

    def _content(self, file, outcome, chance):
        content = bytearray(file.safe)
        if outcome in ("data", "everything"):
            for change in file.pending:
                _do(content, change)
        elif outcome == "names and zeros":
            end = max([len(content), *(change.offset + len(change.data) for change in file.pending)])
            content += bytes(end - len(content))
        elif outcome == "chance":
            share = chance.choice((0.0, 0.5, 0.9, 1.0))
            for change in file.pending:
                if chance.random() < share:
                    _do(content, change, chance)
        return bytes(content)


def write_out(found, folder):
    """Put what was found into a real folder."""
    for path, content in found.items():
        place = Path(folder, path)
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.write_bytes(content)


def _do(content, change, chance=None):
    """Write or cut; with `chance`, a write may be torn at a sector."""
    if change.what == "t":
        content[change.offset :] = bytes(max(0, change.offset - len(content)))
        return
    data, start = change.data, change.offset
    if chance and chance.random() < 0.3:
        data = data[: chance.randrange(len(data) // SECTOR + 1) * SECTOR]
    content.extend(bytes(max(0, start - len(content))))
    content[start : start + len(data)] = data


def _folders(name):
    return {path.rpartition("/")[0] for path in (name.path, name.other) if path}


def _rename(names, name):
    match name.what:
        case "c":
            names[name.path] = name.inode
        case "m":
            names[name.path] = None
        case "u":
            names.pop(name.path, None)
        case "r":
            names.pop(name.path, None)
            names[name.other] = name.inode


def _reachable(path, names, root):
    """Whether every folder above, up to the root, is there."""
    parent = path.rpartition("/")[0]
    return parent == root or (parent in names and _reachable(parent, names, root))
