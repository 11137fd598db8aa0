"""`cskt gallery migrate` as a person uses it, with two tiny real encoders."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_encoder import tiny_checkpoint

from indexer.gallery import open_gallery
from indexer.migration import switch
from model.embedder import open_embedder
from service.cli import main


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    place = tmp_path_factory.mktemp("encoders")
    return [str(tiny_checkpoint(place / name, seed)) for seed, name in enumerate(("one", "two"), 1)]


@pytest.fixture
def gallery(tmp_path, encoders):
    rng = np.random.default_rng(0)
    (tmp_path / "pictures").mkdir()
    for number in range(12):
        picture = Image.fromarray(rng.integers(0, 256, (64, 32, 3), dtype=np.uint8))
        picture.save(tmp_path / "pictures" / f"{number}.png")
    address = str(tmp_path / "g")
    assert main(["index", str(tmp_path / "pictures"), "--gallery", address, "--encoder", encoders[0]]) == 0
    return address


def migrate(gallery, *more):
    return main(["gallery", "migrate", "--gallery", gallery, *more])


def encoder_of(gallery):
    opened = open_gallery(gallery)
    opened.close()
    return opened.encoder


def test_there_and_back(gallery, encoders, tmp_path, capsys):
    one, two = encoders
    (tmp_path / "queries.txt").write_text("a man in a red coat\n\na woman with a bag\n")
    asked = ("--encoder", two, "--queries", str(tmp_path / "queries.txt"))
    assert migrate(gallery, *asked, "--json") == 0
    told = capsys.readouterr()
    report = json.loads(told.out.splitlines()[-1])
    assert [row["query"] for row in report["queries"]] == ["a man in a red coat", "a woman with a bag"]
    # ten of twelve crops: eight at least are among the ten of both
    assert all(8 <= row["common"] <= 10 for row in report["queries"])
    assert "12 crops embedded" in told.err
    assert "nothing is switched yet" in told.err
    assert encoder_of(gallery) == one

    assert migrate(gallery, *asked, "--switch") == 0
    told = capsys.readouterr()
    assert "0 crops embedded" in told.err
    assert "hits in common" in told.out
    assert encoder_of(gallery) == two
    assert main(["search", "a man", "--gallery", gallery, "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    by_hand = open_gallery(gallery)
    vector = open_embedder(two, "cpu").embed_texts(["a man"])
    assert [hit["id"] for hit in hits] == [hit.id for hit in by_hand.search(vector, 10)[0]]
    by_hand.close()

    assert migrate(gallery, "--back") == 0
    assert encoder_of(gallery) == one
    assert migrate(gallery, "--discard") == 0
    capsys.readouterr()
    assert migrate(gallery, "--back") == 2
    assert "keeps no vectors of an encoder before this one" in capsys.readouterr().err


def test_switching_has_succeeded_even_if_somebody_writes_at_once(gallery, encoders, capsys, monkeypatch):
    others = []

    def then_another_writes(folder, encoder):
        switch(folder, encoder)
        others.append(open_gallery(folder, write=True))

    monkeypatch.setattr("indexer.migration.switch", then_another_writes)
    assert migrate(f"local:{gallery}", "--encoder", encoders[1], "--switch") == 0
    told = capsys.readouterr().err
    assert "switched: the gallery is one of" in told
    assert "its index is left to the next build" in told
    assert encoder_of(gallery) == encoders[1]
    others[0].close()
    monkeypatch.undo()
    assert migrate(f"local:{gallery}", "--back") == 0
    assert encoder_of(gallery) == encoders[0]


@pytest.mark.parametrize("content", [None, "\n \n", b"\xff\xfe"])
def test_queries_that_cannot_be_used_are_named_before_anything_is_embedded(
    gallery, encoders, tmp_path, capsys, content
):
    file = tmp_path / "queries.txt"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert migrate(gallery, "--encoder", encoders[1], "--queries", str(file)) == 2
    told = capsys.readouterr().err
    assert str(file) in told
    assert "embedded" not in told


def test_a_gallery_that_is_none_is_named(encoders, tmp_path, capsys):
    assert migrate(str(tmp_path / "nowhere"), "--encoder", encoders[1]) == 2
    assert "there is no gallery at" in capsys.readouterr().err
