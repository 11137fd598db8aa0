"""Whatever a user hands over, a vector that depends on nothing else, or one clear error."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from small_encoder import ADAPTERS, small_encoder
from tiny_encoder import tiny_checkpoint

from indexer.decode import decode
from indexer.gallery import open_gallery
from model.embedder import Embedder, open_embedder
from model.inference.calibration import calibrate
from model.inference.precision import precisions_of
from model.inference.proven import Proven
from model.tokenizer import Tokenizer
from service.app import create_app
from service.cli import main
from service.searcher import open_searcher
from service.settings import Settings

CPU = torch.device("cpu")
TOKENIZER = Tokenizer(read_marks=False)
BOUNDS = {"float32": 1e-5, "bfloat16": 1e-3, "int8": 1e-3}
ODD_TEXTS = {
    "empty": "",
    "blanks": " \t\n\u00a0\u3000 ",
    "10,000 words": "a woman in a red coat " * 1700,
    "one word of 20,000 letters": "coat" * 5000,
    "emoji": "👩🏽‍🦰 in a 🧥",
    "other scripts": "穿红色外套的女人 امرأة بمعطف أحمر женщина в красном",
    "control characters": "a\x00 woman\x07 in\x1b[31m red\x7f",
    "half a character": "a woman \ud83d in red",
    "combining": "r" + "\u0301" * 500 + "ed",
    "right to left": "\u202ered\u202c \u200b\ufeff",
    "an end token": "a woman <|endoftext|> in red",
    "only marks": "<|startoftext|><|endoftext|><|mask|>",
}


@pytest.fixture(scope="module", params=[p for p in BOUNDS if p in precisions_of(CPU)])
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module", params=list(ADAPTERS))
def embedder(request: pytest.FixtureRequest, precision: str) -> Embedder:
    encoder = small_encoder(request.param).eval()
    proven = Proven()
    if precision == "int8":
        scales, _ = calibrate(encoder, torch.stack(small_pictures(12)))
        proven = Proven(scales=scales)
    return Embedder(encoder, "small", "fingerprint", CPU, precision, proven)


@pytest.fixture(scope="module")
def exact() -> Embedder:
    return Embedder(small_encoder("cskt").eval(), "small", "fingerprint", CPU)


def small_pictures(count: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    return list(torch.randint(0, 256, (count, 48, 16, 3), dtype=torch.uint8, generator=random))


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """One less the cosine, the largest of the rows; in float64, since it is small."""
    first, second = first.astype(np.float64), second.astype(np.float64)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return float((1 - (first * second).sum(axis=-1) / lengths).max())


def assert_unit(vectors: np.ndarray) -> None:
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_vector_does_not_depend_on_its_batch(
    embedder: Embedder, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone, in any batch, at any place, in any order, and however the batch is sliced."""
    texts = [*ODD_TEXTS.values(), *(f"a man with {n} blue bags" for n in range(5))]
    images = [picture.numpy() for picture in small_pictures(len(texts))]
    random = np.random.default_rng(0)
    for embed, inputs in ((embedder.embed_texts, texts), (embedder.embed_images, images)):
        alone = np.concatenate([embed([one]) for one in inputs])
        assert_unit(alone)
        for tokens, slices in ((1600, 200), (1, 1), (90, 3), (500, 5)):
            monkeypatch.setattr(embedder._form, "_tokens", tokens)
            monkeypatch.setattr(embedder._form, "_images", slices)
            order = random.permutation(len(inputs))[: random.integers(2, len(inputs) + 1)]
            given_rows = embed([inputs[row] for row in order])
            assert distance(given_rows, alone[order]) <= BOUNDS[precision]


@pytest.mark.parametrize("text", list(ODD_TEXTS.values()), ids=list(ODD_TEXTS))
def test_every_text_has_a_vector(exact: Embedder, text: str) -> None:
    vectors = exact.embed_texts([text, "a man", text])
    assert_unit(vectors)
    assert distance(vectors[0], vectors[2]) <= 1e-6
    assert exact.count_tokens(text) >= 2


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_any_characters_at_all_make_a_sentence_with_one_start_and_one_end(text: str) -> None:
    ids = TOKENIZER.encode([text])[0].tolist()
    end = ids.index(TOKENIZER.end_id)
    assert ids[0] == TOKENIZER.start_id
    assert ids[end + 1 :] == [0] * (76 - end)
    assert TOKENIZER.start_id not in ids[1:]
    assert TOKENIZER.mask_id not in ids
    assert end + 1 == min(77, TOKENIZER.count(text))


def test_no_words_are_all_the_same_sentence(exact: Embedder) -> None:
    vectors = exact.embed_texts(["", "   ", "\n\t", "\u3000"])
    np.testing.assert_allclose(vectors, vectors[:1].repeat(4, axis=0), atol=1e-6)


def test_a_text_beyond_the_context_is_its_beginning(exact: Embedder) -> None:
    """And its length is that of the whole."""
    long, longer = "red coat " * 100, "red coat " * 100 + "blue " * 9000
    vectors = exact.embed_texts([long, longer])
    assert distance(vectors[0], vectors[1]) <= 1e-6
    assert exact.count_tokens(longer) == 202 + 9000


@pytest.mark.parametrize("mark", ["<|endoftext|>", "<|EndOfText|>", "&lt;|endoftext|&gt;", "<|startoftext|>"])
def test_a_mark_in_a_text_cuts_nothing_off(exact: Embedder, mark: str) -> None:
    words = exact.embed_texts([f"a man {mark} in red", f"a man {mark} in blue", "a man"])
    assert distance(words[0], words[1]) > 1e-4
    assert distance(words[0], words[2]) > 1e-4


@pytest.mark.parametrize("size", [(1, 1), (10, 10_000), (10_000, 10), (3, 1), (1, 5000)])
def test_pictures_of_any_size_have_vectors(exact: Embedder, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    assert_unit(exact.embed_images([picture, np.zeros((8, 8, 3), np.uint8)]))


def test_a_picture_of_one_pixel_is_one_colour(exact: Embedder) -> None:
    one, many = np.full((1, 1, 3), 90, np.uint8), np.full((48, 16, 3), 90, np.uint8)
    assert distance(exact.embed_images([one]), exact.embed_images([many])) <= 1e-6


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 4), (3, 8, 8)])
def test_an_array_that_is_no_rgb_picture_is_one_clear_error(exact: Embedder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"a picture is uint8 \(height, width, 3\), not "):
        exact.embed_images([np.zeros(shape, np.uint8)])


@pytest.mark.parametrize("mode", ["L", "CMYK", "I;16", "1", "P", "RGBA"])
def test_stored_pictures_of_every_mode_come_as_near_as_their_colours(exact: Embedder, mode: str) -> None:
    grey = Image.linear_gradient("L").resize((40, 80))
    if mode == "I;16":
        stored = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    else:
        stored = grey.convert("RGB").convert(mode) if mode != "L" else grey
    file = io.BytesIO()
    stored.save(file, "JPEG" if mode == "CMYK" else "PNG", **({"quality": 95} if mode == "CMYK" else {}))
    vector = exact.embed_images([np.asarray(decode(file.getvalue()).picture)])
    assert_unit(vector)
    if mode != "1":
        assert distance(vector, exact.embed_images([np.asarray(grey.convert("RGB"))])) < 1e-3


def test_many_threads_share_one_embedder(embedder: Embedder, precision: str) -> None:
    texts, pictures = list(ODD_TEXTS.values()), [one.numpy() for one in small_pictures(12)]
    expected = embedder.embed_texts(texts), embedder.embed_images(pictures)

    def ask(number: int) -> float:
        rows = np.roll(np.arange(12), number)[: 1 + number % 12]
        words = embedder.embed_texts([texts[row] for row in rows])
        images = embedder.embed_images([pictures[row] for row in rows])
        return max(distance(words, expected[0][rows]), distance(images, expected[1][rows]))

    with ThreadPoolExecutor(12) as threads:
        assert max(threads.map(ask, range(36))) <= BOUNDS[precision]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by `cskt index` of odd pictures, two of which are refused."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (64, 32, 3), dtype=np.uint8)
    for name, picture in {
        "plain.png": Image.fromarray(noise),
        "grey.jpg": Image.fromarray(noise[..., 0]),
        "cmyk.jpg": Image.fromarray(noise).convert("CMYK"),
        "deep.png": Image.fromarray(noise[..., 0].astype(np.uint16) * 257),
        "wide.png": Image.new("RGB", (10_000, 10), "red"),
        "tall.jpg": Image.new("RGB", (10, 10_000), "red"),
        "one.png": Image.new("RGB", (1, 1)),
        "flat.png": Image.new("RGB", (300, 7)),
    }.items():
        picture.save(folder / "pictures" / name)
    encoder = str(tiny_checkpoint(folder / "encoder", 1))
    command = ["index", str(folder / "pictures"), "--gallery", str(folder / "g"), "--encoder", encoder]
    assert main(command) == 0
    return folder / "g"


def test_index_takes_odd_pictures_or_says_why_not(gallery: Path) -> None:
    opened = open_gallery(str(gallery))
    try:
        assert len(opened) == 6
        reasons = {Path(bad.uri).name: bad.reason for bad in opened.rejected()}
        assert all(opened.thumbnail(number) for number in range(1, 7))
        vectors = open_embedder(opened.encoder).embed_texts(["red"])
        scores = [hit.score for hit in opened.search(vectors, 6)[0]]
    finally:
        opened.close()
    assert reasons == dict.fromkeys(("one.png", "flat.png"), "is smaller than 8x8 pixels.")
    assert all(-1.001 <= score <= 1.001 for score in scores)


REFUSED = {"empty", "blanks"}
HALF = "half a character"


@pytest.mark.parametrize("kind", list(ODD_TEXTS))
def test_search_answers_an_odd_text_or_says_why_not(
    gallery: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["search", ODD_TEXTS[kind], "--gallery", str(gallery), "--json"])
    printed = capsys.readouterr()
    if kind in REFUSED | {HALF}:
        assert (code, printed.out) == (2, "")
        assert printed.err.startswith("cskt: the query ")
        assert printed.err.count("\n") == 1
    else:
        assert code == 0
        assert len(json.loads(printed.out)["hits"]) == 6
        assert ("left out" in printed.err) == (TOKENIZER.count(ODD_TEXTS[kind]) > 77)


def test_the_service_answers_odd_texts_or_says_why_not(gallery: Path) -> None:
    given_settings = Settings(gallery=str(gallery), threads=1)
    app = create_app(given_settings, open_searcher(given_settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        ready = (client.get("/readyz").status_code == 200 for _ in range(10_000))
        assert any(ready)
        for kind, text in ODD_TEXTS.items():
            content = json.dumps({"text": text})
            answer = client.post("/v1/search", content=content, headers={"Content-Type": "application/json"})
            body = answer.json()
            if kind in REFUSED | {HALF}:
                assert (answer.status_code, body["status"]) == (422, 422), kind
            else:
                assert answer.status_code == 200, kind
                assert len(body["hits"]) == 6
                assert body["query"]["truncated"] == (len(text) > 1000 or body["query"]["tokens"] > 77)
