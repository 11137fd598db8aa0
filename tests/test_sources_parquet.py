"""Parquet manifests: what CSV and JSON Lines say, in columns with types, and pictures inside the file."""

import datetime
import decimal
import itertools
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tars import jpeg

from indexer.errors import SourceError
from indexer.items import Box, RawImage, Rejected
from indexer.shares import Share
from indexer.sources.manifest import ManifestSource
from indexer.sources.scope import Scope


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(ord(name)))
    return tmp_path


def write(place: Path, columns: dict[str, object], **options: object) -> Path:
    pq.write_table(pa.table(columns), place / "m.parquet", **options)
    return place / "m.parquet"


def read(file: Path) -> list[RawImage | Rejected]:
    source = ManifestSource(str(file))
    entries = list(source)
    assert source.total == len(entries)
    assert list(source) == entries
    return entries


def facts(entry: RawImage) -> tuple[object, ...]:
    item = entry.item
    return item.key, item.box, item.camera, item.seen_at, item.track, dict(item.attributes)


ROWS = st.fixed_dictionaries(
    {"path": st.sampled_from(["a.jpg", "b.jpg", "c.jpg", "none.jpg"])},
    optional={
        "key": st.text(max_size=5),
        "camera": st.sampled_from(["gate", "", "tor ü"]),
        "seen_at": st.sampled_from(["2026-05-01T14:00:00+02:00", "yesterday", "2026-05-01"]),
        "track": st.integers(0, 3),
        "box": st.sampled_from(["1,2,11,32", "1,2,3", "0,0,9,9"]),
        "bags": st.integers(-5, 2**40),
        "tall": st.booleans(),
        "shade": st.floats(allow_nan=True),
        "note": st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    },
)


@settings(max_examples=50, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=6), st.integers(1, 3))
def test_the_same_rows_say_the_same_as_json_lines(tmp_path_factory, rows, group) -> None:
    place = tmp_path_factory.mktemp("rows")
    for name in ("a", "b", "c"):
        (place / f"{name}.jpg").write_bytes(jpeg())
    names = sorted({name for row in rows for name in row})
    file = write(place, {name: [row.get(name) for row in rows] for name in names}, row_group_size=group)
    (place / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ours, truth = read(file), list(ManifestSource(str(place / "m.jsonl")))
    assert [type(entry) for entry in ours] == [type(entry) for entry in truth]
    for one, other in zip(ours, truth, strict=True):
        if isinstance(one, RawImage):
            assert facts(one) == facts(other)
            assert one.data == other.data
        else:
            assert one.reason == other.reason


def test_every_type_that_has_a_meaning_is_mapped(place: Path) -> None:
    moment = datetime.datetime(2026, 5, 1, 12, 0, 0, 500_000)
    columns = {
        "path": pa.array(["a.jpg"]).dictionary_encode(),
        "seen_at": pa.array([1777636800_000000123], pa.timestamp("ns", "Europe/Berlin")),
        "box": pa.array([{"left": 1, "top": 2, "right": 11, "bottom": 32}]),
        "camera": pa.array(["gate"], pa.large_string()).dictionary_encode(),
        "track": pa.array([7], pa.uint8()),
        "until": pa.array([moment], pa.timestamp("us")),
        "day": pa.array([moment.date()]),
        "clock": pa.array([moment.time()]),
        "price": pa.array([decimal.Decimal("1.50")]),
        "count": pa.array([decimal.Decimal("3.00")]),
        "half": pa.array([0.5], pa.float32()),
        "yes": pa.array([True]),
        "nothing": pa.array([None], pa.null()),
    }
    [entry] = read(write(place, columns))
    item = entry.item
    assert (item.box, item.camera, item.track) == (Box(1, 2, 11, 32), "gate", "7")
    assert item.seen_at == "2026-05-01T12:00:00.000Z"
    assert item.attributes == {
        "until": "2026-05-01T12:00:00.500000",
        "day": "2026-05-01",
        "clock": "12:00:00.500000",
        "price": 1.5,
        "count": 3,
        "half": 0.5,
        "yes": True,
    }
    assert [type(item.attributes[name]) for name in ("count", "yes")] == [int, bool]


def test_times_of_every_unit_and_zone_are_one_moment(place: Path) -> None:
    for unit, factor in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
        for zone in (None, "UTC", "+02:00"):
            column = pa.array([1777636800 * factor], pa.timestamp(unit, zone))
            [entry] = read(write(place, {"path": ["a.jpg"], "seen_at": column}))
            assert entry.item.seen_at == "2026-05-01T12:00:00.000Z"


def test_a_box_may_be_a_list_of_any_kind(place: Path) -> None:
    for kind in (pa.list_(pa.int16()), pa.list_(pa.float64(), 4), pa.large_list(pa.float32())):
        [entry] = read(write(place, {"path": ["a.jpg"], "box": pa.array([[1, 2, 11, 32]], kind)}))
        assert entry.item.box == Box(1, 2, 11, 32)


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        (
            "tags",
            pa.array([None, [["x"]], None]),
            "column tags: an attribute is a text, a number, true or false.",
        ),
        ("n", pa.array([1, 2**64 - 1, 3], pa.uint64()), "column n: 18446744073709551615 is no number"),
        ("raw", pa.array([None, b"x", None]), "column raw: an attribute is"),
        ("camera", pa.array([None, {"a": 1}, None]), "column camera: {'a': 1} is no text."),
        (
            "seen_at",
            pa.array([0, 10**18, 0], pa.timestamp("us")),
            "column seen_at: a value that cannot be read",
        ),
        ("seen_at", pa.array([None, True, None]), "column seen_at: True is no time"),
        ("box", pa.array([None, [1, 2, 3], None]), "column box: [1, 2, 3] is no box"),
    ],
)
def test_what_has_no_meaning_is_said_about_its_row_only(place: Path, name, column, reason) -> None:
    first, second, third = read(write(place, {"path": ["a.jpg", "b.jpg", "c.jpg"], name: column}))
    assert isinstance(first, RawImage)
    assert isinstance(third, RawImage)
    assert second.reason.startswith(reason)
    assert second.key == f"{place}/m.parquet#2"


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_pictures_inside_the_file_need_no_path(place: Path, kind: pa.DataType) -> None:
    images = pa.array([jpeg(1), None, jpeg(3), jpeg(4)], kind)
    columns = {"image": images, "camera": ["x", "y", "z", ""], "key": [None, None, "own", None]}
    file = write(place, columns)
    one, two, three, four = read(file)
    assert [entry.data for entry in (one, three, four)] == [jpeg(1), jpeg(3), jpeg(4)]
    assert [entry.item.key for entry in (one, three, four)] == [f"{file}#1", "own", f"{file}#4"]
    assert three.item.uri == f"{file}#3"
    assert (one.item.camera, one.item.attributes) == ("x", {})
    assert (two.key, two.reason) == (f"{file}#2", "has no path.")


def test_a_path_beside_a_picture_names_it_and_is_not_opened(place: Path) -> None:
    paths = ["gone/1.jpg", "a.jpg", "https://example.org/1.jpg"]
    file = write(place, {"image": pa.array([jpeg(1), None, jpeg(2)]), "path": paths})
    gone, inside, far = read(file)
    assert (gone.item.key, gone.data) == (f"{place}/gone/1.jpg", jpeg(1))
    assert inside.data == (place / "a.jpg").read_bytes()
    assert (far.item.uri, far.data) == ("https://example.org/1.jpg", jpeg(2))


def test_the_pictures_of_the_datasets_library_are_found(place: Path) -> None:
    images = pa.array([{"bytes": jpeg(1), "path": "x.jpg"}, {"bytes": None, "path": "y.jpg"}])
    one, two = read(write(place, {"image": images, "label": [3, 4]}))
    assert (one.data, one.item.attributes) == (jpeg(1), {"label": 3})
    assert two.reason == "has no path."


def test_a_column_image_of_text_is_an_attribute_as_in_csv(place: Path) -> None:
    [entry] = read(write(place, {"path": ["a.jpg"], "image": ["front"]}))
    assert entry.item.attributes == {"image": "front"}


def test_a_damaged_row_group_costs_its_rows_only(place: Path) -> None:
    images = [jpeg(n) + bytes([n]) * 200 for n in range(30)]
    file = write(
        place, {"image": pa.array(images)}, row_group_size=10, compression="gzip", use_dictionary=False
    )
    raw = bytearray(file.read_bytes())
    start = pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    raw[start : start + 40] = b"\xff" * 40
    file.write_bytes(raw)
    entries = list(ManifestSource(str(file)))
    assert [entry.data for entry in entries if isinstance(entry, RawImage)] == images[:10] + images[20:]
    [bad] = [entry for entry in entries if isinstance(entry, Rejected)]
    assert bad.reason.startswith("the rows 11 to 20 cannot be read: ")


def test_shares_of_a_parquet_file_are_disjoint_and_whole(place: Path) -> None:
    file = write(place, {"image": pa.array([jpeg()] * 40), "key": [f"k{n}" for n in range(40)]})
    parts = [ManifestSource(str(file), Scope(Share(number, 3))) for number in (1, 2, 3)]
    keys = [[entry.item.key for entry in part] for part in parts]
    assert [part.total for part in parts] == [len(part) for part in keys]
    assert sorted(itertools.chain(*keys)) == sorted(f"k{n}" for n in range(40))


def test_what_is_no_usable_file_is_one_sentence(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(place, {"file": ["a.jpg"], "camera": ["x"]})
    with pytest.raises(SourceError, match="no column named path; the columns found are: file, camera"):
        ManifestSource(str(file))
    with pytest.raises(SourceError, match="has no row"):
        ManifestSource(str(write(place, {"path": pa.array([], pa.string())})))
    with pytest.raises(SourceError, match="no column named path"):
        ManifestSource(str(write(place, {"image": ["text"]})))
    pq.write_table(pa.Table.from_arrays([pa.array(["a"])] * 2, ["path", "path"]), place / "m.parquet")
    with pytest.raises(SourceError, match="has the column path twice"):
        ManifestSource(str(file))
    for content in (b"", b"PAR1", b"path,camera\n", b"PAR1" + b"\xff" * 100 + b"PAR1"):
        file.write_bytes(content)
        with pytest.raises(SourceError, match="is no proper Parquet file: ") as caught:
            ManifestSource(str(file))
        assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(SourceError, match=r"needs pyarrow; run pip install cskt\[parquet\]"):
        ManifestSource(str(file))
