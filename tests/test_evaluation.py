"""Retrieval metrics against a second implementation in plain loops, and the work of `cskt evaluate`."""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from model.datasets.samples import Sample
from model.errors import DatasetError
from model.evaluate import add_evaluate, evaluate_encoder, table
from model.evaluation import (
    RetrievalMetrics,
    bootstrap_interval,
    evaluate_similarity,
    evaluate_vectors,
    rank_similarity,
    rank_vectors,
)


def naive_metrics(similarity, query_ids, gallery_ids):
    sums = np.zeros(5)
    for scores, wanted in zip(similarity.tolist(), query_ids, strict=True):
        order = sorted(range(len(scores)), key=lambda index: (-scores[index], index))
        places = [place for place, index in enumerate(order, start=1) if gallery_ids[index] == wanted]
        precisions = [(count + 1) / place for count, place in enumerate(places)]
        row = [places[0] <= 1, places[0] <= 5, places[0] <= 10, np.mean(precisions), len(places) / places[-1]]
        sums += np.array(row, dtype=float)
    return RetrievalMetrics(*(100 * sums / len(query_ids)))


def random_case(queries, gallery, people, seed=0, levels=None):
    generator = np.random.default_rng(seed)
    gallery_ids = np.concatenate([np.arange(people), generator.integers(0, people, gallery - people)])
    similarity = generator.standard_normal((queries, gallery))
    if levels:
        similarity = np.round(similarity * levels) / levels
    return similarity.astype(np.float32), generator.integers(0, people, queries), gallery_ids


@pytest.mark.parametrize("levels", [None, 1], ids=["distinct", "many ties"])
@pytest.mark.parametrize("shape", [(40, 60, 12), (1, 3, 3), (600, 30, 5)])
def test_equals_the_loops(shape, levels):
    case = random_case(*shape, levels=levels)
    expected, got = naive_metrics(*case), evaluate_similarity(*case)
    for name in ("r1", "r5", "r10", "mean_ap", "mean_inp"):
        assert getattr(got, name) == pytest.approx(getattr(expected, name), abs=1e-9)


def test_equal_scores_keep_gallery_order():
    ranks = rank_similarity(torch.zeros(1, 4), [7], [1, 7, 7, 2])
    assert ranks.first_match.tolist() == [2]
    assert ranks.average_precision.tolist() == pytest.approx([(1 / 2 + 2 / 3) / 2])
    assert ranks.inverse_penalty.tolist() == pytest.approx([2 / 3])


def test_a_gallery_smaller_than_ten_counts_as_found():
    assert evaluate_similarity(torch.tensor([[0.1, 0.9]]), [0], [0, 1]).r10 == 100


def test_a_perfect_ranking():
    metrics = evaluate_similarity(torch.eye(3), [0, 1, 2], [0, 1, 2])
    assert metrics == RetrievalMetrics(100, 100, 100, 100, 100)


def test_misuse_is_refused():
    with pytest.raises(ValueError, match=r"identities \[5\] have no match"):
        evaluate_similarity(torch.eye(2), [0, 5], [0, 1])
    with pytest.raises(ValueError, match="finite"):
        evaluate_similarity(torch.tensor([[float("nan"), 1.0]]), [0], [0, 1])
    with pytest.raises(ValueError, match="scores are"):
        evaluate_similarity(torch.eye(3), [0, 1], [0, 1, 2])


def unit_vectors(rows, width=8, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_vectors_are_ranked_in_chunks_as_in_one_piece():
    queries, gallery = unit_vectors(700), unit_vectors(50, seed=1)
    query_ids, gallery_ids = np.arange(700) % 25, np.arange(50) % 25
    whole = rank_similarity(queries @ gallery.T, query_ids, gallery_ids)
    chunked = rank_vectors(queries, gallery, query_ids, gallery_ids)
    assert np.array_equal(whole.first_match, chunked.first_match)
    assert np.allclose(whole.average_precision, chunked.average_precision)


def test_both_directions():
    images, texts = unit_vectors(20), unit_vectors(40, seed=1)
    image_ids, caption_ids = [index // 2 for index in range(20)], [index // 4 for index in range(40)]
    result = evaluate_vectors(images, texts, image_ids, caption_ids)
    assert (result.images, result.captions, result.identities) == (20, 40, 10)
    forth = naive_metrics(texts @ images.T, caption_ids, image_ids)
    back = naive_metrics(images @ texts.T, image_ids, caption_ids)
    assert result.text_to_image.mean_ap == pytest.approx(forth.mean_ap, abs=1e-9)
    assert result.image_to_text.mean_inp == pytest.approx(back.mean_inp, abs=1e-9)
    low, high = result.r1_interval
    assert low <= result.text_to_image.r1 <= high


def test_interval_is_the_binomial_one_when_everybody_has_one_query():
    hits = np.arange(400) < 120
    low, high = bootstrap_interval(hits, list(range(400)))
    half = 196 * (0.3 * 0.7 / 400) ** 0.5
    assert (low, high) == pytest.approx((30 - half, 30 + half), abs=0.7)


def test_interval_widens_when_queries_of_a_person_succeed_together():
    hits = np.arange(400) < 120
    low, high = bootstrap_interval(hits, [index // 10 for index in range(400)])
    half = 196 * (0.3 * 0.7 / 40) ** 0.5
    assert (low, high) == pytest.approx((30 - half, 30 + half), abs=2.0)


class ColourEncoder:
    """Images by their mean colour, captions by the colour they name: right unless the image was misread."""

    COLOURS = ("red", "green", "blue")

    def preprocess(self, pixels):
        return torch.from_numpy(pixels.astype(np.float32)).mean(dim=(0, 1)).reshape(3, 1, 1)

    def embed_pixels(self, pixels):
        means = pixels.reshape(len(pixels), 3).numpy()
        return (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)

    def embed_texts(self, texts):
        return np.eye(3, dtype=np.float32)[[self.COLOURS.index(text) for text in texts]]


@pytest.fixture
def colours(tmp_path):
    samples = []
    for image_id in range(9):
        path = tmp_path / f"{image_id}.png"
        Image.fromarray(
            np.full((6, 4, 3), 40, np.uint8) + 200 * np.eye(3, dtype=np.uint8)[image_id % 3]
        ).save(path)
        samples += [Sample(image_id % 3, image_id, path, ColourEncoder.COLOURS[image_id % 3])] * 2
    return samples


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_every_image_and_caption_is_used_once_and_in_order(colours, batch_size, capsys):
    result = evaluate_encoder(ColourEncoder(), colours, batch_size=batch_size, workers=2)
    assert (result.images, result.captions, result.identities) == (9, 18, 3)
    assert result.text_to_image == RetrievalMetrics(100, 100, 100, 100, 100)
    assert result.image_to_text.r1 == 100
    assert "images: 9/9" in capsys.readouterr().err


def test_a_broken_image_is_named(colours):
    colours[8].path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(DatasetError, match=r"4\.png cannot be read"):
        evaluate_encoder(ColourEncoder(), colours, batch_size=2, workers=2)


def test_the_table_shows_both_directions(colours):
    lines = table(evaluate_encoder(ColourEncoder(), colours)).splitlines()
    assert lines[0] == "18 captions, 9 images, 3 people"
    assert lines[2].split() == ["text", "to", "image", *["100.00"] * 5]
    assert lines[4].endswith("100.00 .. 100.00")


def run_command(*words):
    parser = argparse.ArgumentParser()
    add_evaluate(parser.add_subparsers())
    arguments = parser.parse_args(["evaluate", *words])
    return arguments.run(arguments)


class NamedColourEncoder(ColourEncoder):
    fingerprint = "f00d"


def test_the_command_prints_json_and_limits_images(colours, tmp_path, monkeypatch, capsys):
    opened = []

    def open_embedder(name, device="auto"):
        opened.append((name, device))
        return NamedColourEncoder()

    monkeypatch.setitem(sys.modules, "model.embedder", SimpleNamespace(open_embedder=open_embedder))
    images = tmp_path / "imgs"
    images.mkdir()
    entries = []
    for sample in colours[::2]:
        sample.path.rename(images / sample.path.name)
        entry = {"split": "test", "captions": [sample.caption], "file_path": sample.path.name}
        entries.append({**entry, "id": sample.identity})
    (tmp_path / "reid_raw.json").write_text(json.dumps(entries))
    run_command("--encoder", "demo", "--root", str(tmp_path), "--limit", "5", "--device", "cpu", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert opened == [("demo", "cpu")]
    assert (printed["encoder"], printed["fingerprint"], printed["split"]) == ("demo", "f00d", "test")
    assert (printed["images"], printed["captions"]) == (5, 5)
    assert printed["text_to_image"] == {"r1": 100, "r5": 100, "r10": 100, "mean_ap": 100, "mean_inp": 100}


def test_the_command_names_a_missing_data_set(tmp_path):
    with pytest.raises(DatasetError, match="has no annotations"):
        run_command("--root", str(tmp_path / "nowhere"))


def test_a_limit_below_one_is_refused(capsys):
    with pytest.raises(SystemExit):
        run_command("--root", str(Path()), "--limit", "0")
    assert "at least 1" in capsys.readouterr().err
