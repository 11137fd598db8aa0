"""A filter that names an attribute nobody has is told so, by what its asker may see and by nothing else."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from filter_makers import FILTERS, passes, random_item
from gallery_makers import make_item, writer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keyed_service import headers, keyed, make
from service_toys import person
from tiny_encoder import tiny_checkpoint

from indexer.errors import GalleryError
from indexer.filter_text import parse_filter
from indexer.gallery import Gallery, open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from indexer.local import snapshot
from indexer.missing_attributes import note_of_missing
from model.embedder import open_embedder
from service.cli import main
from service.scopes import Scope


def stored(folder: Path, items: list[GalleryItem]) -> Gallery:
    """A gallery of these, open for writing."""
    gallery = writer(folder)
    gallery.add([EmbeddedItem(item, make_item(place).vector, b"") for place, item in enumerate(items)])
    return gallery


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gallery, dict[int, GalleryItem]]]:
    """Items in index files and behind them, some removed and changed since; and those there are by id."""
    rng = random.Random(4)
    items = {number: random_item(rng, number) for number in range(1, 121)}
    gallery = stored(tmp_path_factory.mktemp("many") / "g", list(items.values())[:80])
    gallery.build_generation()
    gallery.add([EmbeddedItem(items[id], make_item(id).vector, b"") for id in range(81, 121)])
    gone = [id for id, item in items.items() if "rare" in item.attributes or id % 7 == 0]
    assert any("rare" in items[id].attributes for id in gone)
    gallery.remove_ids(gone)
    items = {id: item for id, item in items.items() if id not in gone}
    for id in list(items)[:3]:
        gallery.update(items[id].key, {"late": 5, "coat": None})
        left = {name: value for name, value in items[id].attributes.items() if name != "coat"}
        items[id] = replace(items[id], attributes={**left, "late": 5})
    yield gallery, items
    gallery.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.none() | FILTERS)
def test_the_attributes_there_are_those_of_a_loop_over_all_items(many, where) -> None:
    gallery, items = many
    expected = {
        name
        for id, item in items.items()
        if where is None or passes(item, where, id)
        for name in item.attributes
    }
    assert gallery.attributes(where) == expected
    assert "rare" not in expected  # whoever had it was removed


def test_they_are_found_wherever_rows_lie(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(snapshot, "SEGMENT_ROWS", 3)
    monkeypatch.setattr(snapshot, "TAIL_ROWS", 2)
    names = [f"name{number}" for number in range(10)]
    items = [GalleryItem(name, name, "s", attributes={name: 1}) for name in names]
    gallery = stored(tmp_path / "g", items)
    assert len(gallery.current().parts) > 3
    assert gallery.attributes() == set(names)
    gallery.close()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            "colr = red",
            "No item has the attribute colr; what there is to filter by: colour, Hair length, bag.",
        ),
        (
            "COLOR = red or not bgg exists",
            "No item has any of the attributes COLOR, bgg; "
            "what there is to filter by: colour, bag, Hair length.",
        ),
        (
            "bag = 1 and camra = gate",
            "No item has the attribute camra; what there is to filter by: camera, Hair length, bag, colour.",
        ),
        (
            "attributes.camera = gate",
            "No item has the attribute camera; what there is to filter by: camera, Hair length, bag, colour.",
        ),
        (
            '"hair length" = 3',
            "No item has the attribute hair length; what there is to filter by: Hair length, bag, colour.",
        ),
        ("colour = purple and camera = nowhere", None),
        ("track = t9", None),
    ],
)
def test_the_sentence_names_what_there_is_the_closest_first(tmp_path, where, said) -> None:
    attributes = {"colour": "red", "bag": True, "Hair length": 3}
    gallery = stored(tmp_path / "g", [GalleryItem("k", "u", "s", attributes=attributes)])
    assert note_of_missing(gallery, parse_filter(where)) == said
    assert note_of_missing(gallery, None) is None
    gallery.close()


def test_the_sentence_stays_one_of_many_names_and_of_none(tmp_path) -> None:
    empty = stored(tmp_path / "none", [GalleryItem("k", "u", "s")])
    said = note_of_missing(empty, parse_filter("xyz = 1"))
    assert said == "No item has the attribute xyz; no item has any attributes."
    empty.close()
    names = {f"fact{number:02}": number for number in range(30)}
    gallery = stored(tmp_path / "many", [GalleryItem("k", "u", "s", attributes=names)])
    said = note_of_missing(gallery, parse_filter(" and ".join(f"zz{number:02} = 1" for number in range(10))))
    assert said is not None
    assert "zz07 and 2 more; " in said
    assert said.endswith("fact07 and 22 more.")
    gallery.close()


@pytest.fixture
def people(tmp_path: Path) -> str:
    """Of an encoder's vectors, six people in colours; the gallery's folder."""
    encoder = open_embedder(str(tiny_checkpoint(tmp_path / "encoder", 1)))
    made_by = (encoder.name, encoder.fingerprint, encoder.dimension)
    gallery = open_gallery(tmp_path / "g", create_for=made_by, write=True)
    vector = encoder.embed_texts(["somebody"])[0]
    for number in range(6):
        item = GalleryItem(f"k{number}", f"u{number}", "s", attributes={"colour": "red", "n": number})
        gallery.add([EmbeddedItem(item, vector, b"")])
    gallery.close()
    return str(tmp_path / "g")


def test_commands_say_it_beside_their_answer(people, capsys) -> None:
    for command in (["search", "somebody"], ["remove", "--dry-run"]):
        assert main([*command, "--gallery", people, "--where", "colr = red"]) == 0
        told = capsys.readouterr()
        assert (
            told.err.count("cskt: No item has the attribute colr; what there is to filter by: colour, n.\n")
            == 1
        )
        assert "none of 6 items" in told.out or "0 of 6 items would be removed" in told.out
        assert main([*command, "--gallery", people, "--where", "colour = purple"]) == 0
        assert "No item" not in capsys.readouterr().err
    assert main(["remove", "--dry-run", "--gallery", people, "--where", "not colr = red"]) == 0
    told = capsys.readouterr()
    assert "6 of 6 items would be removed" in told.out
    assert "No item has the attribute colr" in told.err  # else everybody would go without a word


@pytest.fixture(scope="module")
def asked(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[TestClient, dict[str, str], dict[str, str]]]:
    """A service whose camera-0 alone has an attribute; headers of a key for all, and for another camera."""
    with keyed(tmp_path_factory.mktemp("state")) as (client, store):
        row = person("red coat", 99)
        secret = replace(row.item, camera="camera-0", attributes={"badge": "4711"})
        client.app.state.searcher.upkeep.serving.gallery.add([replace(row, item=secret)])
        everywhere = headers(make(store, Scope.SEARCH))
        limited = headers(make(store, Scope.SEARCH, cameras=("camera-1",)))
        while client.get("/v1/gallery").status_code == 200:  # until the keys count
            pass
        yield client, everywhere, limited


def notes(client: TestClient, shown: dict[str, str], **narrowing: object) -> tuple[int, list[str]]:
    """How many hits there are, and what is said."""
    answer = client.post("/v1/search", json={"text": "coat", "filter": narrowing}, headers=shown)
    assert answer.status_code == 200, answer.text
    return len(answer.json()["hits"]), answer.json()["notes"]


def test_the_service_says_it_with_an_empty_answer(asked) -> None:
    client, everywhere, _ = asked
    said = "No item has the attribute uper; what there is to filter by: upper, number, badge, hat."
    assert notes(client, everywhere, where="uper = red") == (0, [said])
    assert notes(client, everywhere, attributes={"uper": "red"}) == (0, [said])
    assert notes(client, everywhere, where="upper = purple") == (0, [])
    assert notes(client, everywhere, cameras=["nowhere"]) == (0, [])
    assert notes(client, everywhere, where="badge = 4711") == (1, [])
    searches = [{"text": "coat", "filter": {"where": where}} for where in ("uper = red", "upper = red")]
    answers = client.post("/v1/search/batch", json={"searches": searches}, headers=everywhere).json()[
        "answers"
    ]
    assert [one["answer"]["notes"] for one in answers] == [[said], []]
    plain = client.post("/v1/search", json={"text": "coat"}, headers=everywhere).json()
    assert plain["notes"] == []


def test_what_cannot_be_said_costs_no_answer(asked, monkeypatch) -> None:
    client, everywhere, _ = asked

    def broken(*_: object) -> str:
        raise GalleryError("it cannot be read.")

    monkeypatch.setattr("service.routes.search.note_of_missing", broken)
    assert notes(client, everywhere, where="uper = red") == (0, [])


def test_a_key_for_some_cameras_learns_nothing_of_others_attributes(asked) -> None:
    client, _, limited = asked
    for name in ("badge", "bage"):
        said = f"No item has the attribute {name}; what there is to filter by: hat, number, upper."
        assert notes(client, limited, where=f"{name} = 4711") == (0, [said])
        assert notes(client, limited, where=f"{name} = 4711", cameras=["camera-0"]) == (0, [said])
