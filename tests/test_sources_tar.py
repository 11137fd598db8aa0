"""Tars read forward: the same as the standard library reads at leisure, and hostile ones that get nowhere."""

import gzip
import io
import os
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tars import END, member, tar

from indexer.sources.tar import BrokenTar, Member, members

MOST = 10_000


class ForwardOnly(io.RawIOBase):
    """A file that cannot be wound back, as a network gives it, and gives little at a time."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def read(self, size: int = -1) -> bytes:
        part = self._data[self._place : self._place + min(size if size >= 0 else 1 << 30, 700)]
        self._place += len(part)
        return part


def read(data: bytes, wanted: tuple[str, ...] = (".jpg",), most: int = MOST) -> tuple[list[Member], str]:
    """The members, and how the archive broke, if it did."""
    found = list[Member]()
    try:
        for one in members(ForwardOnly(data), wanted, most):
            found.append(one)
    except BrokenTar as error:
        return found, str(error)
    return found, ""


NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/"), min_size=1, max_size=150
)
FILES = st.dictionaries(
    st.tuples(NAMES, st.sampled_from([".jpg", ".txt", ".JPG", ""]))
    .map("".join)
    .filter(lambda n: n.strip("./ ")),
    st.binary(max_size=1500),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(FILES, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]), st.sampled_from(["w", "w:gz"]))
def test_sound_archives_read_as_the_standard_library_reads_them(files, form, mode) -> None:
    data = tar(files, form, mode)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        expected = [
            Member(info.name, archive.extractfile(info).read())
            for info in archive
            if info.name.lower().endswith(".jpg")
        ]
    assert read(data) == (expected, "")


@settings(max_examples=60, deadline=None)
@given(FILES, st.integers(0, 12_000), st.sampled_from(["w", "w:gz"]))
def test_cut_anywhere_what_came_before_is_read_and_the_break_is_told(files, cut, mode) -> None:
    data = tar(files, tarfile.GNU_FORMAT, mode)
    whole, _ = read(data)
    found, broke = read(data[: min(cut, len(data))])
    assert found == whole[: len(found)]
    assert broke or found == whole
    if mode == "w" and cut < len(data.rstrip(b"\0")):
        assert broke.startswith("broke at byte ")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_anywhere_it_ends_and_never_fails_otherwise(data) -> None:
    form = data.draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    raw = bytearray(tar({"a.jpg": b"x" * 700, "ü" * 70 + ".jpg": b"y", "c.jpg": b""}, form))
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found, broke = read(bytes(raw))
    assert sum(len(one.data or b"") for one in found) <= len(raw)
    assert "\n" not in broke


def test_a_damaged_header_is_told_with_its_place() -> None:
    """The standard library ends there in silence, as if the archive were complete."""
    first = member("a.jpg", b"aa")
    second = bytearray(member("b.jpg", b"bb"))
    second[0] ^= 0xFF
    found, broke = read(first + bytes(second) + member("c.jpg", b"cc") + END)
    assert [one.name for one in found] == ["a.jpg"]
    assert broke == "broke at byte 1,536 near a.jpg: a header is damaged"
    found, broke = read(first)
    assert broke == "broke at byte 1,024 near a.jpg: the file ends without the mark of an archive's end"
    found, broke = read(first + member("b.jpg", b"b" * 600)[:-500])
    assert [one.name for one in found] == ["a.jpg"]
    assert broke == "broke at byte 2,060 near b.jpg: the file ends inside this member"


def test_links_devices_pipes_and_sparse_files_are_named_and_nothing_is_opened(tmp_path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    kinds = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
    links = [str(tmp_path / "secret.jpg"), "../secret.jpg", "", "", ""]
    data = b"".join(
        member(f"{n}.jpg", kind=kind, link=link)
        for n, (kind, link) in enumerate(zip(kinds, links, strict=True))
    )
    data += member("s.jpg", b"\0" * 512, tarfile.GNUTYPE_SPARSE) + member("z.jpg", b"z") + END
    found, broke = read(data)
    assert broke == ""
    assert [one.data for one in found] == [None] * 6 + [b"z"]
    assert all("only plain files are read" in one.reason for one in found[:5])
    assert found[5].reason == "is a sparse file, which is not read."


def test_names_that_lead_elsewhere_are_only_texts(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["../up.jpg", "/etc/root.jpg", "a/../../b.jpg", "caf\udce9.jpg", "x" * 3000 + ".jpg"]
    found, broke = read(tar(dict.fromkeys(names, b"1")))
    assert broke == ""
    assert [one.name for one in found] == [*names[:3], "caf\\xe9.jpg", names[4]]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (member("a.jpg", size=8**11 - 1), ""),
        (member("././@LongLink", b"", tarfile.GNUTYPE_LONGNAME, size=8**11 - 1), "headers are larger"),
        (member("p", b"", tarfile.XHDTYPE, size=8**11 - 1), "headers are larger"),
        (member("p", b"1" * 5000, tarfile.XHDTYPE) + member("a.jpg"), "longer than any real one"),
        (b"".join(member("p", b"6 a=b\n", tarfile.XHDTYPE) for _ in range(5000)), "headers"),
        (member("p", b"17 size=-1048576\n", tarfile.XHDTYPE) + member("a.jpg", b"1"), "less than nothing"),
        (member("p", b"11 size=x\n", tarfile.XHDTYPE) + member("a.jpg", b"1"), "broke"),
        (b"", "empty file"),
        (b"no tar at all " * 100, "broke at byte"),
        (b"\x28\xb5\x2f\xfd" + b"\0" * 100, "is compressed by zstd, which is not read; use gzip or none"),
        (b"\x1f\x8b" + b"\0" * 100, "compressed data"),
        (gzip.compress(tar({"a.jpg": b"1"}), mtime=0)[:-40], "compressed data end too early"),
    ],
)
def test_hostile_archives_end_with_a_sentence(data: bytes, why: str) -> None:
    found, broke = read(data)
    assert not any(one.data for one in found)
    assert why in broke
    assert broke


def test_memory_stays_flat_over_many_members_and_large_ones_are_not_held() -> None:
    class Endless(io.RawIOBase):
        """Members without end, made while they are read."""

        def __init__(self) -> None:
            self.number, self.rest = 0, b""

        def read(self, size: int = -1) -> bytes:
            if not self.rest and self.number < 12_000:
                large = self.number % 4000 == 0
                data = b"\0" * (2_000_000 if large else 100)
                self.rest = member(f"{self.number}.jpg", data)
                self.number += 1
            part, self.rest = self.rest[:size], self.rest[size:]
            return part or b"\0" * size

    tracemalloc.start()
    seen = refused = 0
    for one in members(Endless(), (".jpg",), MOST):
        seen, refused = seen + 1, refused + (one.data is None)
        if seen == 1000:
            tracemalloc.reset_peak()
            early = tracemalloc.get_traced_memory()[0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (seen, refused) == (12_000, 3)
    assert peak - early < 8_000_000
