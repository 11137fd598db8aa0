"""From source to vectors: in order, with bounded memory, whatever single items do."""

import io
import itertools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from mean_colour import MeanColour
from PIL import Image
from pipeline_toys import bad, colour_of, nothing_known, raw, run, worker_threads
from tiny_encoder import tiny_checkpoint

from indexer import pipeline
from indexer.errors import SourceError
from indexer.items import Box, GalleryItem, RawImage, Rejected
from indexer.pipeline import embed_batches
from indexer.sources import open_source
from model.embedder import open_embedder


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 30])
def test_every_item_comes_once_in_order_with_its_own_vector(count: int) -> None:
    batches = run(map(raw, range(count)), MeanColour(), batch_size=8)
    items = [item for batch in batches for item in batch.items]
    assert [item.item.key for item in items] == [f"k{number}" for number in range(count)]
    assert [len(batch.items) for batch in batches] == [8] * (count // 8) + [count % 8] * (count % 8 > 0)
    for number, item in enumerate(items):
        truth = np.array(colour_of(number)) / np.linalg.norm(colour_of(number))
        np.testing.assert_allclose(item.vector, truth, atol=1e-6)
        shown = np.asarray(Image.open(io.BytesIO(item.thumbnail)))
        assert np.abs(shown.astype(int) - colour_of(number)).max() <= 6


def test_slow_items_do_not_change_the_order() -> None:
    second_is_ready = threading.Event()

    def wait(pixels: np.ndarray) -> None:
        if tuple(pixels[0, 0]) == colour_of(0):
            assert second_is_ready.wait(30)
        elif tuple(pixels[0, 0]) == colour_of(1):
            second_is_ready.set()

    batches = run(map(raw, range(6)), MeanColour(wait), batch_size=3, workers=2)
    assert [item.item.key for batch in batches for item in batch.items] == [f"k{n}" for n in range(6)]


def test_bad_items_are_rejected_with_reasons_and_the_rest_goes_on() -> None:
    unread = Rejected("r", "r", "toy:", "cannot be opened: no reason.")
    tiny = RawImage(GalleryItem("tiny", "tiny", "toy:"), np.zeros((4, 4, 3), np.uint8))
    source = [raw(0), bad(1), raw(2), unread, tiny, bad(5), raw(6)]
    [batch] = run(source, MeanColour())
    assert [item.item.key for item in batch.items] == ["k0", "k2", "k6"]
    assert [(entry.key, entry.source) for entry in batch.rejected] == [
        (key, "toy:") for key in ("k1", "r", "tiny", "k5")
    ]
    assert [entry.reason for entry in batch.rejected] == [
        "is no JPEG, PNG or WebP image.",
        "cannot be opened: no reason.",
        "is smaller than 8x8 pixels.",
        "is no JPEG, PNG or WebP image.",
    ]


def test_a_batch_of_bad_items_only_embeds_nothing() -> None:
    embedder = MeanColour()
    batches = run([bad(n) for n in range(5)], embedder, batch_size=2)
    assert [len(batch.rejected) for batch in batches] == [2, 2, 1]
    assert embedder.batches == []


def test_an_item_that_breaks_the_preprocessing_costs_only_itself() -> None:
    def stumble(pixels: np.ndarray) -> None:
        if tuple(pixels[0, 0]) == colour_of(3):
            raise MemoryError("no room")

    [batch] = run(map(raw, range(6)), MeanColour(stumble))
    assert len(batch.items) == 5
    assert [(r.key, r.reason) for r in batch.rejected] == [("k3", "needs too much memory.")]


def test_vectors_that_are_not_finite_are_rejected() -> None:
    black = RawImage(GalleryItem("black", "black", "toy:"), np.zeros((24, 12, 3), np.uint8))
    with np.errstate(invalid="ignore"):
        [batch] = run([raw(0), black, raw(2)], MeanColour())
    assert [item.item.key for item in batch.items] == ["k0", "k2"]
    assert [(r.key, r.reason) for r in batch.rejected] == [("black", "the encoder gave no finite vector.")]


def test_known_keys_are_neither_decoded_nor_embedded_again() -> None:
    embedder, asked, stored = MeanColour(), list[str](), set[str]()

    def skip(keys: Sequence[str]) -> set[str]:
        asked.extend(keys)
        return stored & set(keys)

    source = [raw(0), bad(1), raw(2), raw(3), Rejected("r", "r", "toy:", "why.")]
    for batch in embed_batches(source[:3], embedder, skip=skip, batch_size=2):
        stored |= {item.item.key for item in batch.items} | {entry.key for entry in batch.rejected}
    assert (embedder.prepared, stored) == (2, {"k0", "k1", "k2"})
    batches = list(embed_batches(source, embedder, skip=skip, batch_size=2))
    assert embedder.prepared == 3
    assert [batch.skipped for batch in batches] == [["k0", "k1"], ["k2"], []]
    assert [item.item.key for batch in batches for item in batch.items] == ["k3"]
    assert [entry.key for batch in batches for entry in batch.rejected] == ["r"]
    assert asked == ["k0", "k1", "k2", "k0", "k1", "k2", "k3", "r"]


def test_an_endless_source_is_read_only_a_little_ahead() -> None:
    """Five batches at most: one being embedded, two waiting, one prepared, one being read."""
    size, taken, furthest, read = 4, 0, 0, 0

    def endless() -> Iterator[RawImage]:
        nonlocal read, furthest
        for number in itertools.count():
            read += 1
            furthest = max(furthest, read - taken)
            yield raw(number)

    batches = embed_batches(endless(), MeanColour(), skip=nothing_known, batch_size=size)
    for batch in itertools.islice(batches, 25):
        taken += len(batch.items)
    batches.close()
    assert taken == 100
    assert size <= furthest <= 5 * size
    assert worker_threads() == []


def test_large_entries_make_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "MOST_CHUNK_BYTES", 3 * 24 * 12 * 3)
    batches = run(map(raw, range(8)), MeanColour(), batch_size=64)
    assert [len(batch.items) for batch in batches] == [3, 3, 2]


def test_a_source_that_fails_is_told_after_what_it_gave() -> None:
    def failing() -> Iterator[RawImage]:
        yield from map(raw, range(5))
        raise SourceError("the disk was pulled out; put it back.")

    came = list[str]()

    def take() -> None:
        for batch in embed_batches(failing(), MeanColour(), skip=nothing_known, batch_size=2):
            came.extend(item.item.key for item in batch.items)

    with pytest.raises(SourceError, match="the disk was pulled out"):
        take()
    assert came == [f"k{number}" for number in range(5)]
    assert worker_threads() == []


def test_a_failing_lookup_of_keys_is_told_after_what_came_before_it() -> None:
    def skip(keys: Sequence[str]) -> set[str]:
        if "k4" in keys:
            raise SourceError("the database is gone; put it back.")
        return set()

    came = list[str]()

    def take() -> None:
        for batch in embed_batches(map(raw, range(9)), MeanColour(), skip=skip, batch_size=2):
            came.extend(item.item.key for item in batch.items)

    with pytest.raises(SourceError, match="the database is gone"):
        take()
    assert came == ["k0", "k1", "k2", "k3"]
    assert worker_threads() == []


def test_a_failing_encoder_ends_the_run_and_leaves_no_thread() -> None:
    class Broken(MeanColour):
        def embed_pixels(self, pixels: torch.Tensor) -> np.ndarray:
            raise RuntimeError("device lost")

    with pytest.raises(RuntimeError, match="device lost"):
        run(map(raw, itertools.count()), Broken(), batch_size=4)
    assert worker_threads() == []


def test_misuse_is_a_value_error() -> None:
    for options in ({"batch_size": 0}, {"workers": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            run([], MeanColour(), **options)


def test_boxes_are_cut_out_of_encoded_pictures() -> None:
    picture = np.zeros((100, 200, 3), np.uint8)
    picture[20:80, 50:90] = (200, 30, 30)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    boxed = RawImage(GalleryItem("b", "b", "toy:", box=Box(50, 20, 90, 80)), file.getvalue())
    [batch] = run([boxed], MeanColour())
    truth = np.array([200, 30, 30]) / np.linalg.norm([200, 30, 30])
    np.testing.assert_allclose(batch.items[0].vector, truth, atol=1e-6)
    assert Image.open(io.BytesIO(batch.items[0].thumbnail)).size == (40, 60)


def test_a_real_encoder_gives_the_vectors_of_its_own_way(tmp_path: Path) -> None:
    """Files through the pipeline equal the same pictures handed straight to the encoder."""
    rng, pictures = np.random.default_rng(3), []
    (tmp_path / "people").mkdir()
    for number in range(5):
        pictures.append(rng.integers(0, 255, (90, 40, 3), dtype=np.uint8))
        Image.fromarray(pictures[-1]).save(tmp_path / "people" / f"{number}.png")
    embedder = open_embedder(str(tiny_checkpoint(tmp_path / "encoder", 1)), "cpu")
    source = open_source(str(tmp_path / "people"))
    batches = embed_batches(source, embedder, skip=nothing_known, batch_size=2)
    vectors = np.stack([item.vector for batch in batches for item in batch.items])
    np.testing.assert_allclose(vectors, embedder.embed_images(pictures), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_run_that_is_given_up_does_not_wait_for_a_source_that_hangs() -> None:
    """Ctrl-C in a long film without people: its next item may be minutes away."""
    release = threading.Event()

    def hanging() -> Iterator[RawImage]:
        yield from (raw(number) for number in range(4))
        release.wait()

    batches = embed_batches(hanging(), MeanColour(), skip=nothing_known, batch_size=1)
    next(batches)
    batches.close()
    assert not release.is_set()
    release.set()
