"""How long people are kept: rules by camera, ages by the clock that is given, and clocks that are wrong."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from gallery_makers import ENCODER, bytes_below, make_item, sql, writer
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.errors import GalleryError
from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from indexer.local.backup import back_up, restore
from indexer.local.checksums import enter_checksums
from indexer.retention_command import duration, expire, written
from indexer.times import iso
from service.cli import main

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
DAY = 86_400
CAMERAS = (None, "gate", "hall", "yard")


def filled(folder, ages, added=0.0):
    """One item for each (camera, days since it was seen or None); all were added so many days ago."""
    gallery = writer(folder)
    for number, (camera, age) in enumerate(ages):
        seen_at = None if age is None else iso(NOW - timedelta(days=age))
        item = GalleryItem(f"key-{number}", f"{number}.jpg", "s", camera=camera, seen_at=seen_at)
        gallery.add([EmbeddedItem(item, make_item(number).vector, b"")])
    with gallery._writer.transaction() as connection:
        connection.execute("UPDATE item SET added_at = ?", [iso(NOW - timedelta(days=added))])
        enter_checksums(connection)
    return gallery


def overdue_numbers(gallery, now=NOW):
    return {id - 1 for group in gallery.overdue(now) for id in group.ids}


@settings(max_examples=40, deadline=None)
@given(
    ages=st.lists(st.tuples(st.sampled_from(CAMERAS), st.none() | st.integers(-5, 40)), max_size=12),
    rules=st.dictionaries(st.sampled_from(("", "gate", "hall")), st.integers(0, 30), max_size=3),
    added=st.integers(0, 40),
)
def test_who_is_overdue(tmp_path_factory, ages, rules, added):
    gallery = filled(tmp_path_factory.mktemp("g") / "g", ages, added)
    for camera, days in rules.items():
        gallery.set_retention(camera, days * DAY)
    expected = set()
    for number, (camera, age) in enumerate(ages):
        days = rules.get(camera, rules.get("")) if camera else rules.get("")
        counted = added if age is None or age < 0 else age
        if days and counted > days:
            expected.add(number)
    assert overdue_numbers(gallery) == expected
    assert gallery.retention() == {camera: days * DAY for camera, days in rules.items()}
    for group in gallery.overdue(NOW):
        assert group.items == sum(camera == group.camera for camera, _ in ages)
    gallery.close()


def test_the_very_moment(tmp_path):
    gallery = filled(tmp_path / "g", [("gate", 10)])
    gallery.set_retention("", 10 * DAY)
    assert overdue_numbers(gallery) == set()
    assert overdue_numbers(gallery, NOW + timedelta(milliseconds=1)) == {0}
    gallery.set_retention("", None)
    assert overdue_numbers(gallery, NOW + timedelta(days=9999)) == set()
    gallery.close()


def test_expired_people_leave_no_trace(tmp_path):
    gallery = filled(
        tmp_path / "g", [("gate", 40), ("gate", 2), (None, 40), (None, 2), ("hall", 50), ("hall", 3)]
    )
    gallery.build_generation()
    gallery.set_retention("", 30 * DAY)
    gallery.set_retention("hall", 0)
    found, spared = expire(gallery, NOW, sure=False)
    assert spared == []
    assert [(group.camera, len(group.ids), group.items) for group in found] == [(None, 1, 2), ("gate", 1, 2)]
    assert sql(tmp_path / "g", "SELECT id FROM item ORDER BY id") == [(2,), (4,), (5,), (6,)]
    for number, is_left in enumerate((False, True, False, True, True, True)):
        assert (make_item(number).vector.astype("<f2").tobytes() in bytes_below(tmp_path / "g")) == is_left
    assert expire(gallery, NOW, sure=False) == ([], [])
    gallery.close()


@pytest.mark.parametrize(
    "ages",
    [[(None, 40), (None, 40), (None, 2)], [("gate", 40), ("gate", 40), ("gate", 2)]],
)
def test_a_clock_that_jumped_erases_nothing(tmp_path, ages):
    gallery = filled(tmp_path / "g", ages, added=3)
    gallery.set_retention("", 30 * DAY)
    said = "2 of 3 items would be erased: it is 2026-11-26T12:00:00.000Z"
    with pytest.raises(GalleryError, match=said) as caught:
        expire(gallery, NOW, sure=False)
    assert "the last item was added at 2026-11-23T12:00:00.000Z" in str(caught.value)
    assert len(gallery) == 3
    assert expire(gallery, NOW, sure=True, dry_run=True) == (gallery.overdue(NOW), [])
    assert len(gallery) == 3
    expire(gallery, NOW, sure=True)
    assert overdue_numbers(gallery) == set()
    gallery.close()


def test_a_camera_of_which_all_is_overdue_keeps_no_other_one_from_expiring(tmp_path):
    ages = [("retired", 40), ("gate", 41), ("gate", 2), (None, 1), (None, 43), ("away", 50), ("away", 51)]
    gallery = filled(tmp_path / "g", ages)
    gallery.set_retention("", 30 * DAY)
    found, spared = expire(gallery, NOW, sure=False)
    assert [group.camera for group in found] == [None, "gate"]
    assert [(group.camera, len(group.ids)) for group in spared] == [("away", 2), ("retired", 1)]
    assert sql(tmp_path / "g", "SELECT id FROM item ORDER BY id") == [(1,), (3,), (4,), (6,), (7,)]
    expire(gallery, NOW, sure=True)
    assert sql(tmp_path / "g", "SELECT id FROM item ORDER BY id") == [(3,), (4,)]
    gallery.close()


def test_the_command_fails_and_names_the_camera_that_it_left(tmp_path, capsys):
    ages = [("gate", 4000), ("gate", 1), ("retired", 4000), ("gate", 1)]
    filled(tmp_path / "g", ages).close()
    command = ["gallery", "expire", "--gallery", str(tmp_path / "g")]
    assert main(["gallery", "retention", "--gallery", str(tmp_path / "g"), "--set", "3000d"]) == 0
    capsys.readouterr()
    assert main(command) == 2
    printed = capsys.readouterr()
    assert printed.out == "camera gate: 1 of 3\n1 items were overdue and are erased; the gallery holds 3.\n"
    assert "everything of camera retired is overdue and was left" in printed.err
    assert "--yes" in printed.err
    assert main([*command, "--json"]) == 2
    spared = json.loads(capsys.readouterr().out)["spared"]
    assert spared == [{"camera": "retired", "overdue": 1, "items": 1}]
    assert main([*command, "--yes"]) == 0
    assert sql(tmp_path / "g", "SELECT id FROM item ORDER BY id") == [(2,), (4,)]


def test_rules_outlive_the_restoring_of_a_backup(tmp_path):
    gallery = filled(tmp_path / "g", [("gate", 40), ("gate", 2)])
    gallery.set_retention("gate", 90 * DAY)
    back_up(tmp_path / "g", tmp_path / "b.db")
    gallery.set_retention("gate", 30 * DAY)
    gallery.close()
    restore(tmp_path / "b.db", tmp_path / "g", force=True)
    restore(tmp_path / "b.db", tmp_path / "new", force=True)
    for folder, days in (("g", 30), ("new", 90)):
        reader = open_gallery(tmp_path / folder)
        assert reader.retention() == {"gate": days * DAY}
        reader.close()


@pytest.mark.parametrize(
    ("text", "seconds"), [("36h", 129_600), ("30d", 30 * DAY), ("8w", 56 * DAY), ("forever", 0)]
)
def test_durations(text, seconds):
    assert duration(text) == seconds
    assert duration(written(seconds)) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-3d", "1.5d", "30 d", "30D", "999999999d", "٣d"])
def test_what_is_no_duration(text, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["gallery", "retention", "--gallery", str(tmp_path), f"--set={text}"])
    assert ended.value.code == 2
    assert "is no duration" in capsys.readouterr().err


def test_rules_are_shown_set_and_taken_away(tmp_path, capsys):
    writer(tmp_path / "g").close()
    command = ["gallery", "retention", "--gallery", str(tmp_path / "g")]
    shown = []
    for change in (
        [],
        ["--set", "30d"],
        ["--set", "36h", "--camera", "gate"],
        ["--off"],
        ["--set", "forever"],
    ):
        assert main([*command, *change]) == 0
        shown.append(capsys.readouterr().out)
    assert shown == [
        "no rule: everybody is kept until removed.\n",
        "all others: 30d\n",
        "all others: 30d\ncamera gate: 36h\n",
        "camera gate: 36h\n",
        "all others: forever\ncamera gate: 36h\n",
    ]
    assert main([*command, "--off", "--camera", "gate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"retention_seconds": {"": 0}}


def test_expire_as_a_command(tmp_path, capsys):
    """By the real clock: everything here was seen long ago, or was added just now."""
    gallery = open_gallery(tmp_path / "g", create_for=ENCODER, write=True)
    items = [
        GalleryItem(f"key-{n}", f"{n}.jpg", "s", camera="gate", seen_at=seen)
        for n, seen in enumerate(("2001-01-01T00:00:00.000Z", None, "2999-01-01T00:00:00.000Z"))
    ]
    gallery.add([EmbeddedItem(item, make_item(n).vector, b"") for n, item in enumerate(items)])
    gallery.set_retention("gate", 30 * DAY)
    gallery.close()
    command = ["gallery", "expire", "--gallery", str(tmp_path / "g")]
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out == "camera gate: 1 of 3\n1 items are overdue; the gallery holds 3.\n"
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "erased": True,
        "cameras": [{"camera": "gate", "overdue": 1, "items": 3}],
        "spared": [],
        "items": 2,
    }
    assert main(command) == 0
    assert capsys.readouterr().out == "0 items were overdue and are erased; the gallery holds 2.\n"
