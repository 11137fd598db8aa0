"""Which tar files an address names: one, those of a folder, or those of a pattern."""

import itertools
import math
import re
from pathlib import Path

from indexer.errors import SourceError
from indexer.sources import remote
from indexer.sources.places import LocalFile, Place, RemoteFile, place_of

SHARD_SUFFIXES = (".tar", ".tar.gz", ".tgz")
MOST_SHARDS = 100_000
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")


def find_shards(place: str) -> tuple[list[Place], str]:
    """The shards in order, and their common name; raises SourceError where there is none."""
    if "{" in place and not Path(place).expanduser().exists():
        return _pattern(place)
    found = place_of(place)
    shards: list[Place] = []
    if isinstance(found, LocalFile) and found.path.is_dir():
        shards = [LocalFile(path.resolve()) for path in sorted(found.path.iterdir()) if _is_shard(path.name)]
    elif found.name.lower().endswith(SHARD_SUFFIXES):
        shards = [found] if found.exists() else []
    elif isinstance(found, RemoteFile):
        shards = _listed(found)
    elif found.exists():
        raise SourceError(f"{place} is no shard; its name must end in {', '.join(SHARD_SUFFIXES)}.")
    if not shards:
        raise SourceError(
            f"{found.shown if isinstance(found, RemoteFile) else place} does not exist or holds no shard; "
            f"name a file {', '.join(SHARD_SUFFIXES)}, a folder of them or a pattern {{000000..000123}}."
        )
    return shards, found.shown


def _is_shard(name: str) -> bool:
    return name.lower().endswith(SHARD_SUFFIXES) and not name.startswith(".")


def _listed(folder: RemoteFile) -> list[Place]:
    try:
        entries = remote.list_folder(folder.url)
    except remote.Unreachable as error:
        raise SourceError(f"{folder.shown} {error}.") from None
    path = folder.url.path.rstrip("/")
    return [
        RemoteFile(folder.url.at(f"{path}/{entry.name}"))
        for entry in entries
        if not entry.is_folder and _is_shard(entry.name)
    ]


def _pattern(pattern: str) -> tuple[list[Place], str]:
    """The shards of a pattern; those that are missing show when they are read."""
    parts = _RANGE.split(pattern)
    texts, ends = parts[::3], list(zip(parts[1::3], parts[2::3], strict=True))
    if not ends or "{" in "".join(texts) or any(int(first) > int(last) for first, last in ends):
        raise SourceError("a pattern of shards is written like shard-{000000..000123}.tar.")
    count = math.prod(int(last) - int(first) + 1 for first, last in ends)
    if count > MOST_SHARDS:
        raise SourceError(f"the pattern names {count:,} shards; at most {MOST_SHARDS:,} are read.")
    numbers = [
        [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)] for first, last in ends
    ]
    shards = [
        place_of(texts[0] + "".join(number + text for number, text in zip(chosen, texts[1:], strict=True)))
        for chosen in itertools.product(*numbers)
    ]
    if not any(shard.exists() for shard in shards):
        raise SourceError(f"{shards[0].shown} does not exist, nor does any other shard of the pattern.")
    return shards, place_of(pattern).shown
