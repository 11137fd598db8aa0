"""A gallery moves to another encoder beside those who search it, in one step and back; vectors never meet."""

import io
import threading

import numpy as np
import pytest
import torch
from colour_encoder import WORDS, ColourEncoder
from gallery_makers import change, derived_files, sql
from killing_pixels import SEGFAULT, KillingPixels
from PIL import Image

from indexer.errors import FingerprintMismatch, GalleryError
from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem
from indexer.local import candidate
from indexer.migration import compare, discard, prepare, previous_encoder, switch


def crop(number):
    """A picture of one colour, and the number it has in the gallery."""
    colour = tuple(np.random.default_rng(number).integers(0, 255, 3).tolist())
    data = io.BytesIO()
    Image.new("RGB", (16, 32), colour).save(data, "PNG")
    return data.getvalue()


def add(gallery, encoder, numbers):
    jpegs = [crop(number) for number in numbers]
    pictures = [Image.open(io.BytesIO(jpeg)).convert("RGB") for jpeg in jpegs]
    pixels = torch.from_numpy(np.stack([encoder.preprocess(picture) for picture in pictures]))
    vectors = encoder.embed_pixels(pixels)
    items = [GalleryItem(f"key-{n}", f"{n}.png", "s", camera=f"c-{n % 2}") for n in numbers]
    gallery.add([EmbeddedItem(*entry) for entry in zip(items, vectors, jpegs, strict=True)])


@pytest.fixture
def place(tmp_path):
    """A gallery of 150 colours by the first encoder."""
    old = ColourEncoder(0)
    gallery = open_gallery(tmp_path / "g", create_for=(old.name, old.fingerprint, old.dimension), write=True)
    add(gallery, old, range(150))
    gallery.build_generation()
    gallery.close()
    return tmp_path / "g"


def answers(folder, encoder, count=150):
    """What is found; it must be what a gallery made by this encoder alone answers."""
    gallery = open_gallery(folder)
    assert (gallery.fingerprint, gallery.dimension, len(gallery)) == (
        encoder.fingerprint,
        encoder.dimension,
        count,
    )
    found = gallery.search(encoder.embed_texts(WORDS), 20)
    assert gallery.verify() == []
    gallery.close()
    return [[(hit.item.key, round(hit.score, 9)) for hit in hits] for hits in found]


def made_by(folder, encoder, numbers):
    gallery = open_gallery(
        folder, create_for=(encoder.name, encoder.fingerprint, encoder.dimension), write=True
    )
    add(gallery, encoder, numbers)
    gallery.close()
    return answers(folder, encoder, len(numbers))


def test_a_migrated_gallery_answers_as_one_made_by_the_new_encoder_and_back(place, tmp_path):
    old, new = ColourEncoder(0), ColourEncoder(1)
    before = answers(place, old)
    assert prepare(place, new) == 150
    assert answers(place, old) == before  # nothing has changed for those who search
    switch(place, new)
    assert answers(place, new) == made_by(tmp_path / "fresh", new, range(150))
    assert previous_encoder(place) == "turn-0"
    switch(place, old)
    assert answers(place, old) == before


def test_what_comes_and_goes_meanwhile_is_right_in_both(place, tmp_path):
    old, new = ColourEncoder(0), ColourEncoder(1)
    prepare(place, new)
    gallery = open_gallery(place, write=True)
    add(gallery, old, range(150, 170))
    gallery.remove([f"key-{number}" for number in range(30)])
    gallery.close()
    switch(place, new)
    assert answers(place, new, 140) == made_by(tmp_path / "new", new, range(30, 170))
    gallery = open_gallery(place, write=True)
    add(gallery, new, range(170, 180))
    gallery.remove(["key-40"], erase=True)
    gallery.close()
    switch(place, old)
    left = [number for number in range(30, 180) if number != 40]
    assert answers(place, old, 149) == made_by(tmp_path / "old", old, left)


def test_an_interrupted_migration_goes_on_where_it_was(place):
    new = ColourEncoder(1)
    new.stop_after = 100
    with pytest.raises(KeyboardInterrupt):
        prepare(place, new)
    assert sql(place, "SELECT count(*) FROM candidate_vector") == [(64,)]
    with pytest.raises(GalleryError, match="has no vectors of the encoder turn-2"):
        switch(place, ColourEncoder(2))
    again = ColourEncoder(1)
    assert prepare(place, again) == 86
    assert again.seen == 86


def test_the_comparison_counts_what_both_find(place):
    old, same, turned = ColourEncoder(0), ColourEncoder(0), ColourEncoder(1)
    same.fingerprint = "f" * 64
    prepare(place, same)
    assert [(one.common, one.same_first) for one in compare(place, old, same, WORDS)] == [(10, True)] * 3
    discard(place)
    # What is turned in crops and words alike ranks alike; asked for other words, it does not.
    prepare(place, turned)
    turned.embed_texts = lambda texts: turned._unit(np.array([[0.0, 0.0, 1.0]] * len(texts)))
    found = {one.query: one for one in compare(place, old, turned, WORDS)}
    assert found["blue"].common == 10
    assert found["red"].common < 10


def test_erasing_takes_both_vectors_and_their_files(place):
    old, new = ColourEncoder(0), ColourEncoder(1)
    prepare(place, new)
    switch(place, new)
    gallery = open_gallery(place, write=True)
    ids = [hit.id for hit in gallery.search(new.embed_texts(["red"]), 1)[0]]
    key = gallery.get(ids[0]).key
    values = [
        value
        for table in ("vector", "candidate_vector")
        for (value,) in sql(place, f"SELECT value FROM {table} WHERE item_id = ?", ids)
    ]
    assert len(values) == 2
    assert gallery.remove([key], erase=True) == 1
    data = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert not any(value in data for value in values)
    gallery.close()
    switch(place, old)
    answers(place, old, 149)


def test_readers_keep_the_encoder_they_opened_with(place):
    old, new = ColourEncoder(0), ColourEncoder(1)
    reader = open_gallery(place)
    before = reader.search(old.embed_texts(WORDS), 5)
    prepare(place, new)
    switch(place, new)
    assert reader.search(old.embed_texts(WORDS), 5) == before
    with pytest.raises(FingerprintMismatch, match="moved on to the encoder turn-1"):
        reader.refresh()
    assert reader.search(old.embed_texts(WORDS), 5) == before
    reader.close()


def test_searching_goes_on_through_many_switches(place):
    """Each answer is that of one encoder, asked in its own numbers."""
    old, new = ColourEncoder(0), ColourEncoder(1)
    prepare(place, new)
    expected = {old.fingerprint: answers(place, old)}
    switch(place, new)
    expected[new.fingerprint] = answers(place, new)
    by_fingerprint = {one.fingerprint: one for one in (old, new)}
    done, failures, seen = threading.Event(), [], set()

    def search():
        while not done.is_set():
            gallery = open_gallery(place)
            try:
                encoder = by_fingerprint[gallery.fingerprint]
                found = gallery.search(encoder.embed_texts(WORDS), 20)
                told = [[(hit.item.key, round(hit.score, 9)) for hit in hits] for hits in found]
                seen.add(gallery.fingerprint)
                if told != expected[gallery.fingerprint]:
                    failures.append(gallery.fingerprint)
            except FingerprintMismatch:
                pass  # switched between opening and searching: said, not guessed
            finally:
                gallery.close()

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        switch(place, old if turn % 2 == 0 else new)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert seen == set(expected)


def test_discarding_leaves_one_encoder(place):
    old, new = ColourEncoder(0), ColourEncoder(1)
    prepare(place, new)
    with pytest.raises(GalleryError, match="still keeps the vectors of the encoder turn-1"):
        prepare(place, ColourEncoder(2))
    files = len(derived_files(place))
    compare(place, old, new, WORDS)
    assert len(derived_files(place)) == 2 * files
    discard(place)
    assert len(derived_files(place)) == files
    assert sql(place, "SELECT count(*) FROM candidate_vector") == [(0,)]
    with pytest.raises(GalleryError, match="keeps no vectors of an encoder before"):
        previous_encoder(place)
    with pytest.raises(GalleryError, match="has no vectors of the encoder turn-1"):
        switch(place, new)


def test_a_crop_that_cannot_be_read_is_named(place):
    change(place, "thumbnail", "jpeg = x'00' WHERE item_id = 70")
    with pytest.raises(GalleryError, match=r"the stored crop of item 70 .* `cskt remove --id 70`"):
        prepare(place, ColourEncoder(1))


def test_a_crop_that_kills_its_decoder_is_named_and_nothing_else_dies(place):
    new, deadly = ColourEncoder(1), io.BytesIO()
    new.preprocess = KillingPixels()
    Image.new("RGB", (16, 32), SEGFAULT).save(deadly, "PNG")
    change(place, "thumbnail", "jpeg = ? WHERE item_id = 3", [deadly.getvalue()])
    with pytest.raises(GalleryError, match=r"the stored crop of item 3 the decoder died on it"):
        prepare(place, new)


def test_a_vector_that_is_none_is_refused(place, monkeypatch):
    new = ColourEncoder(1)
    embed = new.embed_pixels

    def sometimes(pixels):
        vectors = embed(pixels)
        vectors[3] = np.nan
        return vectors

    monkeypatch.setattr(new, "embed_pixels", sometimes)
    with pytest.raises(GalleryError, match=r"no unit vector for the stored crop of item 4: "):
        prepare(place, new)
    assert sql(place, "SELECT count(*) FROM candidate_vector") == [(0,)]


def test_the_living_encoder_is_nothing_to_move_to(place):
    with pytest.raises(GalleryError, match="is one of the encoder turn-0 already"):
        prepare(place, ColourEncoder(0))


def test_a_switch_that_fails_leaves_the_living_encoder(place, monkeypatch):
    old, new = ColourEncoder(0), ColourEncoder(1)
    before = answers(place, old)
    prepare(place, new)
    original = candidate.switch

    def interrupted(connection, fingerprint):
        original(connection, fingerprint)
        raise KeyboardInterrupt

    monkeypatch.setattr(candidate, "switch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        switch(place, new)
    assert answers(place, old) == before
