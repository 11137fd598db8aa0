"""Manifests: what a CSV or JSON Lines file says about images, and one sentence for each row that is wrong."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from indexer.errors import SourceError
from indexer.items import Box, GalleryItem, RawImage, Rejected
from indexer.sources.manifest import ManifestSource
from indexer.sources.rows import RowError, read_box, typed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a", "b", "ü"):
        Image.new("RGB", (20, 40), (200, 30, 30)).save(tmp_path / f"{name}.jpg")
    return tmp_path


def entries(file: Path, text: str | bytes) -> list[RawImage | Rejected]:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    source = ManifestSource(str(file))
    read = list(source)
    assert source.total == len(read)
    assert list(source) == read  # a second pass is the same
    return read


def items(file: Path, text: str | bytes) -> list[GalleryItem]:
    read = entries(file, text)
    assert all(isinstance(entry, RawImage) for entry in read), read
    return [entry.item for entry in read]


def reasons(file: Path, text: str | bytes) -> list[str]:
    return [entry.reason for entry in entries(file, text) if isinstance(entry, Rejected)]


def test_every_column_is_taken_up(place: Path) -> None:
    text = (
        "path,key,camera,seen_at,track,box,upper,bags,tall,shade,code\n"
        'a.jpg,p1,gate,2026-05-01T14:00:00+02:00,t7,"1,2,11.5,32",red jacket,2,true,0.5,007\n'
    )
    file = place / "m.csv"
    [item] = items(file, text)
    assert item == GalleryItem(
        key="p1",
        uri=str(place / "a.jpg"),
        source=f"manifest:{file}",
        box=Box(1, 2, 11.5, 32),
        camera="gate",
        seen_at="2026-05-01T12:00:00.000Z",
        track="t7",
        attributes={"upper": "red jacket", "bags": 2, "tall": True, "shade": 0.5, "code": "007"},
    )
    assert type(item.attributes["tall"]) is bool


def test_json_lines_say_the_same_as_csv(place: Path) -> None:
    csv_items = items(
        place / "m.csv",
        "path,camera,seen_at,track,box,upper,bags,tall\n"
        'a.jpg,gate,1777636800,7,"1,2,11,32",red,2,true\nb.jpg,,,,,blue,,\nü.jpg,c,,,,,,\n',
    )
    rows = [
        {"path": "a.jpg", "camera": "gate", "seen_at": 1777636800, "track": 7, "box": [1, 2, 11, 32]}
        | {"upper": "red", "bags": 2, "tall": True},
        {"path": "b.jpg", "camera": None, "upper": "blue", "bags": None},
        {"path": "ü.jpg", "camera": "c"},
    ]
    json_items = items(place / "m.jsonl", "\n\n".join(map(json.dumps, rows)))
    plain = [(i.key, i.uri, i.box, i.camera, i.seen_at, i.track, i.attributes) for i in csv_items]
    assert plain == [(i.key, i.uri, i.box, i.camera, i.seen_at, i.track, i.attributes) for i in json_items]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_line_ends_and_marks_of_spreadsheets(place: Path, separator: str) -> None:
    lines = [["path", " camera ", "note"], ["a.jpg", "gate", '"two\nlines"'], [], ["b.jpg", "", ""]]
    text = "\ufeff" + "\r\n".join(separator.join(line) for line in lines)
    first, second = items(place / "m.csv", text)
    assert (first.camera, first.attributes) == ("gate", {"note": "two\nlines"})
    assert (second.camera, second.attributes) == (None, {})


def test_without_a_key_path_and_box_tell_rows_apart(place: Path) -> None:
    text = 'path,box\na.jpg,\na.jpg,"0,0,10,20"\na.jpg,"5,5,10,20"\n./x/../a.jpg,\n'
    found = [item.key for item in items(place / "m.csv", text)]
    path = str(place / "a.jpg")
    assert found == [path, f"{path}#xywh=0,0,10,20", f"{path}#xywh=5,5,5,15", path]


def test_keys_do_not_depend_on_where_the_command_is_started(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [from_far] = items(place / "m.csv", "path\na.jpg\n")
    monkeypatch.chdir(place)
    [from_near] = list(ManifestSource("m.csv"))
    assert from_near.item == from_far
    [absolute] = items(place / "n.csv", f"path\n{place / 'a.jpg'}\n")
    assert absolute.key == from_far.key


def test_a_missing_path_column_names_those_found(place: Path) -> None:
    for name, text in [
        ("m.csv", "file,camera\na.jpg,gate\n"),
        ("m.jsonl", '{"file": "a.jpg", "camera": 1}\n'),
    ]:
        (place / name).write_text(text)
        with pytest.raises(
            SourceError, match=f"{name} has no column named path; the columns found are: file, camera"
        ):
            ManifestSource(str(place / name))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("m.csv", b"path\n", "has no row"),
        ("m.csv", b"path, coat ,coat,,\na.jpg,red,blue,,\n", "has the column coat twice: rename or drop one"),
        ("m.csv", b"", "the columns found are: none"),
        ("m.jsonl", b"\n\n", "the columns found are: none"),
        ("m.csv", "path\nfr\xe9.jpg\n".encode("latin-1"), "is not UTF-8"),
        ("m.csv", b'path\n"a.jpg\n', "no proper CSV"),
        ("m.csv", b"\xff\xd8\xff\xe0\x00\x10", "is not UTF-8"),
        ("m.txt", b"path\na.jpg\n", "its name must end in"),
    ],
)
def test_what_is_no_manifest_is_one_sentence(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=sentence) as caught:
        ManifestSource(str(tmp_path / name))
    assert name in str(caught.value)


def test_a_missing_manifest_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.csv does not exist"):
        ManifestSource(str(tmp_path / "none.csv"))


def test_bad_rows_are_rejected_by_line_and_the_rest_still_comes(place: Path) -> None:
    os.mkfifo(place / "fifo.jpg")
    (place / "folder.jpg").mkdir()
    text = (
        "path,seen_at,box\na.jpg,,\n,2026-05-01,\na.jpg,yesterday,\n"
        'a.jpg,,"1,2,3"\na.jpg,,"9,0,1,5"\na.jpg,,"nan,0,1,5"\na.jpg,,,extra\n'
        "missing.jpg,,\nfifo.jpg,,\nfolder.jpg,,\nb.jpg,,\n"
    )
    read = entries(place / "m.csv", text)
    assert [type(entry) for entry in read] == [RawImage] + 9 * [Rejected] + [RawImage]
    assert [entry.reason.split(";")[0] for entry in read[1:-1]] == [
        "has no path.",
        "column seen_at: 'yesterday' is no time",
        "column box: '1,2,3' is no box",
        "column box: '9,0,1,5' is no box",
        "column box: 'nan,0,1,5' is no box",
        "has more cells than the 3 columns.",
        "cannot be opened: No such file or directory.",
        "is not a regular file.",
        "is not a regular file.",
    ]
    assert [entry.uri for entry in read[1:3]] == [f"{place}/m.csv#3", f"{place}/m.csv#4"]
    assert read[7].uri == str(place / "missing.jpg")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "is no JSON."),
        ("[" * 100_000, "is no JSON."),
        ("[1, 2]", "is no JSON object."),
        ('{"path": 3.5e400}', "cannot be opened: No such file or directory."),
        ('{"path": ["a.jpg"]}', "column path: ['a.jpg'] is no text."),
        ('{"path": "a.jpg", "camera": {"x": 1}}', "column camera: {'x': 1} is no text."),
        ('{"path": "a.jpg", "tags": ["x"]}', "column tags: an attribute is a text, a number, true or false."),
        (
            '{"path": "a.jpg", "n": 1e999}',
            "column n: inf is no number that can be stored; leave it out or make it a text.",
        ),
        (
            '{"path": "a.jpg", "n": NaN}',
            "column n: nan is no number that can be stored; leave it out or make it a text.",
        ),
        (
            '{"path": "a.jpg", "n": -9223372036854775809}',
            "column n: -9223372036854775809 is no number that can be stored; leave it out or make it a text.",
        ),
        ('{"path": "a.jpg", "box": {"left": 1}}', "column box: {'left': 1} is no box"),
    ],
)
def test_hostile_json_lines_cost_only_themselves(place: Path, line: str, reason: str) -> None:
    text = '{"path": "a.jpg"}\n' + line + '\n{"path": "b.jpg"}\n'
    [found] = reasons(place / "m.jsonl", text)
    assert found.startswith(reason)


def test_a_path_with_a_zero_byte_or_half_a_character_costs_only_itself(place: Path) -> None:
    text = '{"path": "a\\u0000.jpg"}\n{"path": "a.jpg", "note": "\\ud800"}\n{"path": "b.jpg"}\n'
    rejected, half, last = entries(place / "m.jsonl", text)
    assert isinstance(rejected, Rejected)
    assert half.item.attributes == {"note": "\\ud800"}
    assert last.item.key == str(place / "b.jpg")


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.booleans(), st.integers(-(10**14), 10**14), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
)
def test_plain_cells_come_back_as_what_they_were(value: bool | int | float) -> None:
    text = (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:.3f}"
        if isinstance(value, float)
        else value
    )
    assert typed(str(text)) == value
    assert type(typed(str(text))) is type(value)


@pytest.mark.parametrize("cell", ["1e-05", ".5", "-.25e+2", "1E5", "0.9"])
def test_numbers_in_other_spellings_are_numbers(cell: str) -> None:
    """As text they would be missed, or found, by every comparison with a number."""
    assert (typed(cell), type(typed(cell))) == (float(cell), float)


@pytest.mark.parametrize(
    "cell",
    ["007", "1e", "e5", ".", "-.e1", "1e999", "True", "yes", "+3", "1_000", "1.2.3", "٣", "12 Main Street"],
)
def test_what_only_resembles_a_number_stays_text(cell: str) -> None:
    assert typed(f" {cell} ") == cell


def test_boxes_are_read_in_every_spelling() -> None:
    for value in ("1,2,3,4", "[1, 2, 3, 4]", "(1;2;3;4)", " 1.0, 2, 3,4 ", [1, 2, 3, 4], ["1", 2, 3.0, 4]):
        assert read_box(value) == Box(1, 2, 3, 4)
    assert read_box(None) is None
    assert read_box("") is None  # an empty cell
    for value in (
        "1,2,3",
        "a,b,c,d",
        [3, 2, 1, 4],
        [1, 2, 3, 4, 5],
        {"left": 1},
        7,
        "0,0,inf,1",
        [None] * 4,
    ):
        with pytest.raises(RowError, match="is no box"):
            read_box(value)
