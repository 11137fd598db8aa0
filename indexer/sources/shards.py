"""Tar shards in the layout of WebDataset: one sample is the files that share a stem, one after the other.

`shards:FILE.tar`, a folder of them, or a pattern `shard-{000000..000123}.tar`; here or behind a URL, plain
or gzip. A picture `000123.jpg` (.jpeg, .png, .webp) is an entry; `000123.json` beside it holds its facts as a
manifest's row does (`rows.py`); `000123.txt` and `000123.cls` become the attributes `txt` and `cls`. Other
files are left out, among them hidden ones and further pictures such as `000123.mask.png` beside
`000123.jpg`.

A picture's key is the shard's absolute path or URL, `#`, and the member's name, with its box if it has one.
A `key` among its facts becomes an attribute: other data sets, and the sample's other pictures, may have the
same one (img2dataset begins each with 000000000). Of two members with one name the first counts. A shard is
one file to read, so `--shard i/n` deals out whole shards: cut a data set into several times as many shards as
there are runs.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

from indexer.decode import MOST_BYTES
from indexer.errors import SourceError
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.sources.folder import IMAGE_SUFFIXES
from indexer.sources.places import Place
from indexer.sources.rows import RowError, item_of, text_of, typed
from indexer.sources.scope import EVERYTHING, Scope
from indexer.sources.shard_list import find_shards
from indexer.sources.tar import BrokenTar, Member, members

TEXT_SUFFIXES = (".txt", ".cls")
WANTED = (*IMAGE_SUFFIXES, *TEXT_SUFFIXES, ".json")
MOST_TEXT = 2_000
MOST_MEMBERS = 64
MOST_SAMPLE_BYTES = 64_000_000
"""A sample with more members or bytes is taken in parts."""


class ShardsSource:
    """The pictures of tar shards, shard by shard in order of their names.

    `total` is None: counting would read everything. A shard that is missing, or breaks, gives what could be
    read and then one Rejected that says where. Raises SourceError where there is no shard at all.
    """

    total: int | None = None

    def __init__(self, place: str, scope: Scope = EVERYTHING) -> None:
        self._shards, shown = find_shards(place)
        self._scope = scope
        self.name = f"shards:{shown}"

    def __iter__(self) -> Iterator[RawImage | Rejected]:
        for shard in self._shards:
            if self._scope.share.holds(shard.shown):
                yield from self._shard(shard)

    def _shard(self, shard: Place) -> Iterator[RawImage | Rejected]:
        try:
            with closing(shard.stream()) as file:
                for sample in _samples(members(file, WANTED, MOST_BYTES)):
                    yield from self._sample(shard, sample)
        except SourceError as error:
            yield Rejected(shard.shown, shard.shown, self.name, f"the shard cannot be read: {error}")
        except BrokenTar as error:
            key = f"{shard.shown}#damage"
            yield Rejected(key, shard.shown, self.name, f"the shard {shard.name} {error}.")

    def _sample(self, shard: Place, sample: list[Member]) -> Iterator[RawImage | Rejected]:
        named = dict[str, Member]()
        for member in sample:
            named.setdefault(member.name, member)
        pictures = [member for member in named.values() if _suffix(member.name) in IMAGE_SUFFIXES]
        plain = [
            member for member in pictures if _stem(member.name) + _suffix(member.name) == member.name.lower()
        ]
        for member in plain or pictures:
            uri = f"{shard.shown}#{member.name}"
            try:
                if member.data is None:
                    raise RowError(member.reason)
                yield RawImage(_item(_facts(list(named.values())), uri, self.name), member.data)
            except RowError as error:
                yield Rejected(uri, uri, self.name, str(error))


def _samples(found: Iterator[Member]) -> Iterator[list[Member]]:
    """Neighbours with one stem together; what came before the archive broke is still given."""
    sample: list[Member] = []
    weight = 0
    try:
        for member in found:
            if _is_hidden(member.name):
                continue
            full = len(sample) >= MOST_MEMBERS or weight > MOST_SAMPLE_BYTES
            if sample and (full or _stem(member.name) != _stem(sample[0].name)):
                yield sample
                sample, weight = [], 0
            sample.append(member)
            weight += len(member.data or b"")
    except BrokenTar:
        if sample:
            yield sample
        raise
    if sample:
        yield sample


def _item(facts: dict[str, object], uri: str, source: str) -> GalleryItem:
    """The item of a picture, its `key` an attribute; raises RowError."""
    key = text_of(facts, "key")
    item = item_of({name: value for name, value in facts.items() if name != "key"}, uri, source)
    return replace(item, attributes={"key": key, **item.attributes}) if key else item


def _facts(sample: list[Member]) -> dict[str, object]:
    """What the texts of a sample say, as a row; raises RowError."""
    facts, texts = dict[str, object](), dict[str, object]()
    for member in sample:
        suffix = _suffix(member.name)
        if suffix in IMAGE_SUFFIXES:
            continue
        if member.data is None:
            raise RowError(f"{member.name} {member.reason}")
        try:
            text = member.data.decode("utf-8-sig")
            if suffix == ".json":
                facts = _object(text)
            elif len(text) <= MOST_TEXT:
                texts[suffix[1:]] = typed(text)
        except (ValueError, RecursionError) as error:
            kind = "JSON object" if suffix == ".json" else "UTF-8 text"
            raise RowError(f"{member.name} beside it is no {kind}.") from error
    return texts | facts


def _object(text: str) -> dict[str, object]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def _stem(name: str) -> str:
    """The name up to the first point of its last part, in small letters."""
    folder, slash, last = name.lower().rpartition("/")
    return folder + slash + last.partition(".")[0]


def _is_hidden(name: str) -> bool:
    """Such as the `._000123.jpg` that some computers put beside each file."""
    return any(part.startswith(".") and part.strip(".") for part in name.split("/"))


def _suffix(name: str) -> str:
    return "." + name.lower().rpartition(".")[2]
