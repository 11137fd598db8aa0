"""`open_gallery`: whom it lets in, whom it refuses in one sentence, and that a refusal leaves no trace."""

import errno

import pytest
from gallery_makers import DIMENSION, ENCODER, make_item, make_items, queries, writer

from indexer.errors import FingerprintMismatch, GalleryBusy, GalleryError, GalleryMissing
from indexer.filters import OneOf
from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem, Rejected


def test_a_second_writer_is_refused_and_the_next_may_come(tmp_path):
    folder = tmp_path / "g"
    first = writer(folder)
    for create in (ENCODER, None):
        with pytest.raises(GalleryBusy, match=f"process .* is writing to the gallery {folder}"):
            open_gallery(folder, create_for=create, write=True)
    open_gallery(folder).close()  # reading goes on
    first.add(make_items(0, 2))
    first.close()
    second = open_gallery(folder, write=True)
    assert second.add(make_items(0, 3)) == 1
    second.close()
    second.close()


def test_a_second_writer_is_refused_where_the_disk_does_not_even_tell_whom_it_waits_for(
    tmp_path, monkeypatch
):
    first = writer(tmp_path / "g")

    def fail(file: int, size: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("indexer.local.lock.os.read", fail)
    with pytest.raises(GalleryBusy, match="another process is writing"):
        open_gallery(tmp_path / "g", write=True)
    first.close()


def test_another_encoder_is_refused_by_name(tmp_path):
    writer(tmp_path / "g").close()
    with pytest.raises(FingerprintMismatch) as caught:
        open_gallery(tmp_path / "g", create_for=("other-encoder", "cd" * 32, DIMENSION), write=True)
    assert all(word in str(caught.value) for word in ("toy", "ab" * 6, "other-encoder", "cd" * 6))
    writer(tmp_path / "g").close()  # the refusal has let go of the lock


def test_a_missing_gallery_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "nowhere", tmp_path / "empty"):
        for write in (False, True):
            with pytest.raises(GalleryMissing, match=str(place)):
                open_gallery(place, write=write)
    assert not (tmp_path / "nowhere").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_places_that_cannot_be_a_gallery(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"a")
    with pytest.raises(GalleryError, match=r"holds other files \(a\.jpg\)"):
        writer(tmp_path / "photos")
    with pytest.raises(GalleryError, match="cannot make a gallery"):
        writer(tmp_path / "photos" / "a.jpg")
    with pytest.raises(GalleryError, match="unknown kind of gallery"):
        open_gallery("milvus://somewhere")
    with pytest.raises(GalleryMissing, match="no gallery was named"):
        open_gallery("")
    with pytest.raises(ValueError, match="for writing"):
        open_gallery(tmp_path / "g", create_for=ENCODER)


def test_an_address_may_name_its_engine(tmp_path):
    gallery = open_gallery(f"local:{tmp_path / 'g'}", create_for=ENCODER, write=True)
    gallery.add(make_items(0, 3))
    gallery.close()
    reader = open_gallery(tmp_path / "g")
    assert (len(reader), reader.encoder, reader.fingerprint, reader.dimension) == (3, *ENCODER)
    with pytest.raises(ValueError, match="for reading"):
        reader.add([])
    reader.close()


def test_names_that_are_no_text_are_kept_and_found(tmp_path):
    """File names are bytes: Python shows those that are no UTF-8 as lone surrogates."""
    odd = GalleryItem("caf\udce9.jpg", "caf\udce9.jpg", "folder", camera="caf\udce9")
    gallery = writer(tmp_path / "g")
    gallery.add([EmbeddedItem(odd, make_item(1).vector, b"")], [Rejected("\udcff", "\udcff", "s", "odd")])
    assert gallery.known([odd.key, "other"]) == {odd.key}
    assert [bad.key for bad in gallery.rejected()] == ["\\udcff"]
    assert gallery.add([EmbeddedItem(odd, make_item(1).vector, b"")]) == 0
    assert len(gallery.search(queries(0, 1), 3, OneOf("camera", ("caf\udce9",)))[0]) == 1
    gallery.close()
