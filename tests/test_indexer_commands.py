"""`cskt index | search | gallery` as a person uses them: real processes' entry, a tiny real encoder."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_judging import calibration
from tiny_encoder import tiny_checkpoint

from indexer.gallery import open_gallery
from indexer.jobs import read_jobs
from model.embedder import open_embedder
from model.matching.calibration import write_calibration
from service.cli import main

IMAGES = 12


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return str(tiny_checkpoint(tmp_path_factory.mktemp("encoder") / "one", 1))


@pytest.fixture(scope="module")
def other_encoder(tmp_path_factory):
    return str(tiny_checkpoint(tmp_path_factory.mktemp("encoder") / "two", 2))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of noise pictures, one file that is no picture, and a manifest of the pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    with (folder / "people.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "camera", "seen_at", "colour"])
        for number in range(IMAGES):
            Image.fromarray(rng.integers(0, 256, (64, 32, 3), dtype=np.uint8)).save(
                folder / f"{number:02d}.jpg"
            )
            rows.writerow([f"{number:02d}.jpg", f"cam{number % 3}", f"2026-05-01T12:{number:02d}:00Z", "red"])
    (folder / "broken.jpg").write_bytes(b"this is not a picture")
    return folder


@pytest.fixture
def gallery(tmp_path, pictures, encoder):
    address = str(tmp_path / "gallery")
    assert (
        main(["index", f"manifest:{pictures / 'people.csv'}", "--gallery", address, "--encoder", encoder])
        == 0
    )
    return address


def printed_json(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]


def test_index_counts_what_it_did_and_a_second_run_adds_nothing(tmp_path, pictures, encoder, capsys):
    command = ["index", str(pictures), "--gallery", str(tmp_path / "g"), "--encoder", encoder, "--json"]
    assert main(command) == 0
    assert main(command) == 0
    first, second = printed_json(capsys)
    assert (first["new"], first["known"], first["rejected"]) == (IMAGES, 0, 1)
    assert first["precision"] == "float32"
    assert "broken.jpg" in first["first_rejected"][0]["uri"]
    assert (second["new"], second["known"], second["rejected"]) == (0, IMAGES, 1)
    assert second["gallery_items"] == IMAGES


def test_who_was_removed_is_counted_apart_from_who_is_known(tmp_path, pictures, encoder, capsys):
    address = str(tmp_path / "g")
    index = ["index", str(pictures), "--gallery", address, "--encoder", encoder]
    assert main([*index, "--json"]) == 0
    assert main(["remove", "--gallery", address, "--id", "2", "--id", "5", "--yes"]) == 0
    assert main(["remove", "--gallery", address, "--id", "7", "--erase", "--yes"]) == 0
    assert main([*index, "--json"]) == 0
    first, second = printed_json(capsys)
    assert (first["new"], first["known"], first["removed"], first["rejected"]) == (IMAGES, 0, 0, 1)
    assert (second["new"], second["known"], second["removed"], second["rejected"]) == (0, IMAGES - 3, 3, 1)
    (job, *_) = read_jobs(Path(address))
    assert (job.done, job.known, job.removed) == (IMAGES + 1, IMAGES - 3, 3)
    assert main(index) == 0
    told = capsys.readouterr().out
    assert f"0 new, {IMAGES - 3} already known and left as they were, 3 removed for good and left out" in told
    assert "a new one takes them in" in told
    assert main(["remove", "--gallery", address, "--all", "--yes"]) == 0
    assert main([*index, "--json"]) == 0  # one file is broken, but it is not all that there is
    assert [one["removed"] for one in printed_json(capsys)] == [IMAGES]
    fresh = str(tmp_path / "new")
    assert main(["index", str(pictures), "--gallery", fresh, "--encoder", encoder]) == 0
    told = capsys.readouterr().out
    assert f"{IMAGES} new" in told
    assert "removed" not in told


def test_a_mended_file_is_taken_in_by_the_next_run(tmp_path, encoder, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "late.png").write_bytes(b"half a pict")
    command = ["index", str(folder), "--gallery", str(tmp_path / "g"), "--encoder", encoder, "--json"]
    assert main(command) == 2  # nothing of it could be used
    Image.new("RGB", (32, 64), "red").save(folder / "late.png")
    assert main(command) == 0
    first, second = printed_json(capsys)
    assert (first["new"], first["rejected"]) == (0, 1)
    assert (second["new"], second["rejected"]) == (1, 0)
    assert main(["gallery", "info", "--gallery", str(tmp_path / "g"), "--json"]) == 0
    assert printed_json(capsys)[0]["rejected"] == 0


def test_a_few_new_rows_are_found_without_a_new_index_file(tmp_path, pictures, encoder, capsys):
    address = str(tmp_path / "g")
    assert (
        main(["index", f"manifest:{pictures / 'people.csv'}", "--gallery", address, "--encoder", encoder])
        == 0
    )
    before = sorted((tmp_path / "g" / "segments").iterdir())
    Image.new("RGB", (32, 64), "blue").save(tmp_path / "one.png")
    (tmp_path / "one.csv").write_text("path\none.png\n", "utf-8")
    assert main(["index", f"manifest:{tmp_path / 'one.csv'}", "--gallery", address]) == 0
    assert sorted((tmp_path / "g" / "segments").iterdir()) == before
    capsys.readouterr()
    assert main(["search", "anyone", "--gallery", address, "--top-k", "100", "--json"]) == 0
    assert len(printed_json(capsys)[0]["hits"]) == IMAGES + 1


def test_search_ranks_as_brute_force_over_the_stored_vectors(gallery, pictures, encoder, capsys):
    capsys.readouterr()
    assert main(["search", "a person in red", "--gallery", gallery, "--top-k", "5", "--json"]) == 0
    found = printed_json(capsys)[0]["hits"]
    embedder = open_embedder(encoder)
    query = embedder.embed_texts(["a person in red"])[0]
    paths = sorted(pictures.glob("[0-9]*.jpg"))
    images = embedder.embed_images([np.asarray(Image.open(path)) for path in paths])
    order = np.argsort(-(images @ query), kind="stable")[:5]
    assert [Path(hit["uri"]).name for hit in found] == [paths[index].name for index in order]
    assert [hit["score"] for hit in found] == pytest.approx((images @ query)[order].tolist(), abs=2e-3)


def test_filters_are_exact(gallery, capsys):
    capsys.readouterr()
    limits = ["--camera", "cam1", "--from", "2026-05-01T12:03:00Z", "--until", "2026-05-01T12:10:00Z"]
    assert main(["search", "anyone", "--gallery", gallery, *limits, "--where", "colour=red", "--json"]) == 0
    found = {hit["seen_at"] for hit in printed_json(capsys)[0]["hits"]}
    assert found == {"2026-05-01T12:04:00.000Z", "2026-05-01T12:07:00.000Z"}


def test_filters_in_words_are_joined_with_the_others(gallery, capsys):
    capsys.readouterr()
    words = ["--where", "seen_at < 2026-05-01T12:02 or camera in (cam2)", "--where", "not colour = blue"]
    assert main(["search", "anyone", "--gallery", gallery, *words, "--camera", "cam9", "--json"]) == 0
    assert printed_json(capsys)[0]["hits"] == []
    assert main(["search", "anyone", "--gallery", gallery, *words, "--top-k", "50", "--json"]) == 0
    found = {Path(hit["uri"]).name for hit in printed_json(capsys)[0]["hits"]}
    assert found == {f"{number:02d}.jpg" for number in range(IMAGES) if number < 2 or number % 3 == 2}


def test_who_is_kept_too_long_is_told_when_indexing(gallery, pictures, capsys):
    command = ["index", f"manifest:{pictures / 'people.csv'}", "--gallery", gallery]
    assert main(["gallery", "retention", "--gallery", gallery, "--set", "1h", "--camera", "cam1"]) == 0
    assert main(command) == 0
    assert "4 items are kept longer than they may be: erase them with" in capsys.readouterr().err
    assert main(["gallery", "retention", "--gallery", gallery, "--off", "--camera", "cam1"]) == 0
    assert main(command) == 0
    assert "kept longer" not in capsys.readouterr().err


def test_a_filter_that_lets_nothing_through_names_the_cameras(gallery, capsys):
    assert main(["search", "anyone", "--gallery", gallery, "--camera", "cam9"]) == 0
    assert "none of 12 items through (cameras there are: cam0, cam1, cam2)" in capsys.readouterr().out


def test_why_no_hit_has_a_probability_is_one_line(gallery, pictures, encoder, tmp_path, capsys):
    """Of an encoder that was never calibrated, and of one that was in a gallery too small for it."""
    capsys.readouterr()
    assert main(["search", "anyone", "--gallery", gallery]) == 0
    *hits, why = capsys.readouterr().out.splitlines()
    assert len(hits) == 10
    assert (why[:18], "cskt calibrate" in why) == ("no probabilities: ", True)
    known = tmp_path / "calibrated"
    shutil.copytree(encoder, known)
    fingerprint = open_embedder(str(known)).fingerprint
    write_calibration(known, calibration().model_copy(update={"fingerprint": fingerprint}))
    assert main(["search", "anyone", "--gallery", gallery, "--encoder", str(known)]) == 0
    *hits, why = capsys.readouterr().out.splitlines()
    assert len(hits) == 10
    assert (why[:18], "fewer than 50 crops" in why) == ("no probabilities: ", True)
    assert not any("%" in line for line in hits)


def test_names_of_files_cannot_steer_the_terminal(tmp_path, encoder, capsys):
    folder, address = tmp_path / "pictures", str(tmp_path / "gallery")
    folder.mkdir()
    Image.new("RGB", (32, 64), (200, 0, 0)).save(folder / "a\x1b[31mred\nline.jpg")
    (folder / "b\x1b[2J.jpg").write_bytes(b"no picture")
    commands = [
        ["index", str(folder), "--gallery", address, "--encoder", encoder],
        ["search", "red", "--gallery", address],
        ["gallery", "info", "--gallery", address],
    ]
    for command in commands:
        assert main(command) == 0
        shown = capsys.readouterr().out
        assert ".jpg" in shown
        assert "\x1b" not in shown
        assert "\nline" not in shown


def test_verify_names_a_damaged_index_file(gallery, capsys):
    (file,) = (Path(gallery) / "segments").glob("*.rows")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert main(["gallery", "verify", "--gallery", gallery]) == 2
    assert file.name in capsys.readouterr().out


def test_another_encoder_is_refused_in_one_sentence(gallery, pictures, other_encoder, capsys):
    for command in (["index", str(pictures)], ["search", "anyone"]):
        assert main([*command, "--gallery", gallery, "--encoder", other_encoder]) == 2
        error = capsys.readouterr().err
        assert "another" in error or "not by" in error
        assert error.count("\n") <= 2


def test_a_query_longer_than_the_encoder_reads_is_said_to_be_cut(gallery, capsys):
    assert main(["search", "red " * 200, "--gallery", gallery]) == 0
    assert "202 tokens" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["search", "  ", "--gallery", "GALLERY"], "empty"),
        (["search", "?!", "--gallery", "GALLERY"], "no words"),
        (["search", "red \udcff", "--gallery", "GALLERY"], "no words"),
        (["search", "a", "--gallery", "GALLERY", "--top-k", "0"], "between 1 and"),
        (["search", "a", "--gallery", "GALLERY", "--from", "yesterday"], "is no time"),
        (["search", "a", "--gallery", "GALLERY", "--where", "colour"], "the filter cannot be read"),
        (["search", "a", "--gallery", "GALLERY/none"], "no gallery"),
        (["index", "no/such/folder", "--gallery", "GALLERY"], "no/such/folder"),
        (["index", "ftp:somewhere", "--gallery", "GALLERY"], "unknown scheme"),
        (["search", "a", "--gallery", "GALLERY", "--encoder", "no/such/encoder"], "no/such/encoder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(gallery, capsys, command, said):
    capsys.readouterr()
    assert main([part.replace("GALLERY", gallery) for part in command]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("cskt: ")
    assert error.count("\n") == 1


def test_a_second_writer_is_refused(gallery, pictures, encoder, capsys):
    embedder = open_embedder(encoder)
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    holder = open_gallery(gallery, create_for=made_by, write=True)
    try:
        assert main(["index", str(pictures), "--gallery", gallery]) == 2
        assert "writing" in capsys.readouterr().err
    finally:
        holder.close()


@pytest.mark.slow
def test_kill_9_in_the_middle_of_an_index_run_loses_and_doubles_nothing(tmp_path, pictures, encoder, capsys):
    """Killed again and again while rows are being acknowledged; the last run goes to the end."""
    many = tmp_path / "many"
    many.mkdir()
    rng = np.random.default_rng(1)
    for number in range(400):
        Image.fromarray(rng.integers(0, 256, (48, 24, 3), dtype=np.uint8)).save(many / f"{number:04d}.png")
    address = str(tmp_path / "gallery")
    index = ["index", str(many), "--gallery", address, "--encoder", encoder, "--batch-size", "4", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    moments = random.Random(3)
    before = 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "service", *index],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        target = before + moments.randint(4, 60)
        while process.poll() is None and _rows(address) < target:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = _rows(address)
        assert after >= before, "an acknowledged row was lost"
        before = after
        if after:
            assert main(["gallery", "verify", "--gallery", address]) == 0
    assert 0 < before < 400
    capsys.readouterr()
    assert main(index) == 0
    report = printed_json(capsys)[0]
    assert report["gallery_items"] == 400
    assert report["new"] + report["known"] == 400
    assert report["known"] == before
    assert main(["gallery", "verify", "--gallery", address]) == 0


def _rows(address):
    from indexer.errors import GalleryError

    try:
        gallery = open_gallery(address)
    except GalleryError:  # not made yet
        return 0
    try:
        return len(gallery)
    finally:
        gallery.close()
