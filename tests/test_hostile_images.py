"""A folder of hostile files among good ones: each is embedded or reported, and the good ones never notice."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hostile_images import encoded, many_scans, picture, write_hostile
from killing_pixels import EXIT, LIE, SEGFAULT, SPIN, SWELL, KillingPixels
from mean_colour import MeanColour
from PIL import Image
from test_decoders import picture as marked
from test_decoders import same
from tiny_encoder import tiny_checkpoint

from indexer.confined import Limits
from indexer.decode import decode
from indexer.decoders import Decoders
from indexer.gallery import open_gallery
from indexer.items import EmbeddedItem, GalleryItem, RawImage, Rejected
from indexer.pipeline import embed_batches
from indexer.prepared import prepare
from indexer.sources import open_source
from model.resizing import Resize
from service.cli import main

GOOD = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The folder, and how many images are in it."""
    place = tmp_path_factory.mktemp("hostile") / "images"
    hostile = write_hostile(place)
    write_good(place)
    return place, hostile + GOOD


def write_good(place: Path) -> None:
    """Spread among the others by their names."""
    place.mkdir(exist_ok=True)
    for number in range(GOOD):
        (place / f"{'bcehlmnptwyz'[number]}-good-{number}.jpg").write_bytes(
            encoded(picture(100 + number), "JPEG")
        )


def embedded(place: Path) -> tuple[list[EmbeddedItem], list[Rejected]]:
    batches = list(embed_batches(open_source(str(place)), MeanColour(), skip=lambda keys: set(), workers=2))
    return [item for b in batches for item in b.items], [bad for b in batches for bad in b.rejected]


@pytest.fixture(scope="module")
def found(folder: tuple[Path, int]) -> tuple[list[EmbeddedItem], list[Rejected]]:
    """What is embedded of the folder, and what reported."""
    return embedded(folder[0])


def test_everything_is_embedded_or_reported_and_good_ones_are_as_ever(folder, found, tmp_path) -> None:
    images, (items, rejected) = folder[1], found
    keys = [item.item.key for item in items] + [bad.key for bad in rejected]
    assert len(keys) == len(set(keys)) == images
    write_good(tmp_path / "alone")
    alone = {Path(item.item.uri).name: item for item in embedded(tmp_path / "alone")[0]}
    among = {Path(item.item.uri).name: item for item in items if "-good-" in item.item.uri}
    assert len(alone) == GOOD
    assert alone.keys() == among.keys()
    for name, item in alone.items():
        assert np.array_equal(item.vector, among[name].vector)
        assert item.thumbnail == among[name].thumbnail
    died = [bad for bad in rejected if "died" in bad.reason or "longer" in bad.reason]
    assert died == []
    for bad in rejected:
        assert bad.reason.endswith(".")
        assert bad.reason.isprintable()
        assert bad.uri.encode()  # escaped: it can be stored
    assert any("not-utf8-\\xff\\xfe.jpg" in key for key in keys)


def test_what_should_be_taken_is_taken_and_what_should_not_is_not(found) -> None:
    items, rejected = found
    taken = {Path(item.item.uri).name for item in items}
    for name in ("cmyk.jpg", "mode-I-16.png", "mode-P.png", "turned-6.jpg", "turned-99.jpg", "profile.jpg"):
        assert name in taken
    assert {"animated.webp", "animated.png", "long.png", "wrong-name.png", "inside.webp"} <= taken
    reasons = {Path(bad.uri).name: bad.reason for bad in rejected}
    for name in ("pipe.jpg", "zero"):
        assert reasons[name] == "is not a regular file."
    assert "symbolic links" in reasons["loop-1.jpg"]
    assert "No such file" in reasons["nowhere.jpg"]
    assert reasons["passwd"] == "is no JPEG, PNG or WebP image."  # a link out of the folder shows no more
    assert reasons["thin.jpg"] == "is smaller than 8x8 pixels."
    assert reasons["empty.jpg"] == "is empty."
    for side in (5_001, 20_000, 65_535):
        assert reasons[f"bomb-{side}.png"].startswith(f"has {side}x{side} pixels; at most ")
    assert not {name for name in taken if name.startswith(("really-", "text", "page", "drawing", "print"))}


def test_the_processes_say_of_each_file_what_is_said_without_them(folder) -> None:
    """What a confined process cannot load any more would show here."""
    preprocess = Resize((48, 16))
    entries = [entry for entry in open_source(str(folder[0])) if isinstance(entry, RawImage)]
    assert len(entries) > 250
    with Decoders(1) as decoders, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF
        for raw in entries:
            assert same(decoders.prepare(raw, preprocess), prepare(raw, preprocess)), raw.item.uri


def test_killers_in_a_run_cost_themselves_only() -> None:
    killers = {3: SEGFAULT, 4: EXIT, 11: SPIN, 17: SWELL, 18: SEGFAULT, 23: LIE}

    class Embedder(MeanColour):
        def __init__(self) -> None:
            self.preprocess = KillingPixels()

        def embed_pixels(self, pixels) -> np.ndarray:
            return pixels.float().mean(dim=(1, 2)).numpy()

    def run(raws: list[RawImage]) -> tuple[list[EmbeddedItem], list[Rejected]]:
        limits = Limits(memory=1 << 28, cpu_seconds=0.4, wall_seconds=5)
        with Decoders(2, limits) as decoders:
            batches = list(
                embed_batches(raws, Embedder(), skip=lambda keys: set(), batch_size=5, decoders=decoders)
            )
        return [item for b in batches for item in b.items], [bad for b in batches for bad in b.rejected]

    raws = [marked(killers.get(number, (number, 200, 200))) for number in range(30)]
    keys = [raw.item.key for raw in raws]
    good = [raw for number, raw in enumerate(raws) if number not in killers]
    items, rejected = run(raws)
    alone, none = run(good)
    assert none == []
    assert [item.item for item in items] == [item.item for item in alone] == [raw.item for raw in good]
    assert all(np.array_equal(a.vector, b.vector) for a, b in zip(items, alone, strict=True))
    assert [bad.key for bad in rejected] == [keys[number] for number in killers]
    assert {bad.reason for bad in rejected} == {
        "the decoder died on it (signal 11).",
        "the decoder died on it (exit code 3).",
        "took longer than 0.4 s.",
        "needs too much memory.",
        "the decoder gave an answer that makes no sense.",
    }


def test_the_command_counts_them_all_and_goes_on(folder, tmp_path, capsys) -> None:
    place, images = folder
    encoder = str(tiny_checkpoint(tmp_path / "encoder", 1))
    command = ["index", str(place), "--gallery", str(tmp_path / "g"), "--encoder", encoder, "--json"]
    assert main(command) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["new"] + facts["rejected"] == images
    assert main(command) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["new"], again["known"], again["rejected"]) == (0, facts["new"], facts["rejected"])
    opened = open_gallery(str(tmp_path / "g"))
    try:
        assert (len(opened), opened.stats().rejected) == (facts["new"], facts["rejected"])
        assert opened.verify() == []
    finally:
        opened.close()


def test_files_that_really_take_long_or_much_are_stopped() -> None:
    """190 kB that ask for minutes, and 60 kB that ask for 48 MB."""
    plain = Image.new("RGB", (4000, 4000), (90, 80, 70))
    slow = RawImage(GalleryItem("a", "a", "toy:"), many_scans(plain, 3000))
    large = RawImage(GalleryItem("b", "b", "toy:"), encoded(plain, "PNG"))
    good = RawImage(GalleryItem("c", "c", "toy:"), encoded(picture(8), "JPEG"))
    for bad, limits, reason in [
        (slow, Limits(cpu_seconds=0.5), "took longer than 0.5 s."),
        (large, Limits(memory=40_000_000), "needs too much memory."),
    ]:
        with Decoders(1, limits) as decoders:
            outcomes = [decoders.prepare(raw, Resize((48, 16))) for raw in (bad, good, bad, good)]
        assert [isinstance(outcome, Rejected) for outcome in outcomes] == [True, False] * 2
        assert {outcome.reason for outcome in outcomes[::2]} == {reason}


def colour(data: bytes) -> np.ndarray:
    return np.asarray(decode(data).picture).reshape(-1, 3).mean(axis=0)


def test_animated_pictures_are_their_first_frame() -> None:
    frames = [Image.new("RGB", (40, 60), shade) for shade in ((200, 10, 10), (10, 200, 10), (10, 10, 200))]
    for kind in ("WEBP", "PNG"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        np.testing.assert_allclose(colour(data), (200, 10, 10), atol=6)


def test_colour_profiles_are_left_aside() -> None:
    """As training and evaluation do."""
    plain, profile = picture(9), b"\0" * 40 + b"LAB XYZ"
    for kind in ("JPEG", "PNG", "WEBP"):
        one, other = encoded(plain, kind), encoded(plain, kind, icc_profile=profile)
        assert np.array_equal(np.asarray(decode(one).picture), np.asarray(decode(other).picture))


@pytest.mark.parametrize("shade", [(220, 30, 40), (30, 200, 60), (20, 40, 210), (240, 240, 240)])
def test_inverted_cmyk_is_not_shown_as_a_negative(shade) -> None:
    """Adobe stores CMYK inverted and says so; both ways give the colours that were meant."""
    data = encoded(Image.new("RGB", (40, 60), shade).convert("CMYK"), "JPEG", quality=95)
    assert b"Adobe" in data
    np.testing.assert_allclose(colour(data), shade, atol=8)


def test_16_bits_keep_their_upper_8() -> None:
    values = np.linspace(0, 65_535, 64 * 128).reshape(128, 64).astype(np.uint16)
    shown = np.asarray(decode(encoded(Image.fromarray(values), "PNG")).picture)
    assert np.array_equal(shown, np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2))
