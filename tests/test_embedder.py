"""The Embedder: unit vectors that do not depend on batching, threads or the order of texts."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from small_encoder import ADAPTERS, small_encoder

from model import embedder as module
from model.checkpoint import fingerprint, fingerprint_of, save_checkpoint
from model.embedder import Embedder, choose_device, open_embedder, open_encoder, public_name
from model.errors import CheckpointError, ConfigError
from model.released_weights import official_name
from model.tokenizer import Tokenizer
from model.transforms import Preprocess

TEXTS = ["a man in a red coat", "", "a woman " * 60, "blue jeans", "穿红色外套 😀", "a man in a red coat"]


@pytest.fixture(params=list(ADAPTERS))
def opened(request, tmp_path):
    encoder = small_encoder(request.param).eval()
    save_checkpoint(tmp_path / "run", encoder)
    return encoder, open_embedder(str(tmp_path / "run"), device="cpu")


def pictures(count=5):
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (40 + 7 * i, 20 + 3 * i, 3), dtype=np.uint8) for i in range(count)]


def test_texts(opened):
    encoder, embedder = opened
    vectors = embedder.embed_texts(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), embedder.dimension) == (6, 32)
    with torch.no_grad():
        features = encoder.encode_text(Tokenizer().encode(TEXTS)).numpy()
    np.testing.assert_allclose(vectors, features / np.linalg.norm(features, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_allclose(
        vectors[0], vectors[5], atol=1e-6
    )  # the last rows of a product may round otherwise


def test_texts_do_not_depend_on_their_batch(opened, monkeypatch):
    _, embedder = opened
    together = embedder.embed_texts(TEXTS)
    monkeypatch.setattr(embedder._form, "_tokens", 20)
    np.testing.assert_allclose(embedder.embed_texts(TEXTS), together, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_texts(TEXTS[::-1])[::-1], together, atol=1e-5)


def test_images(opened, monkeypatch):
    encoder, embedder = opened
    images = pictures()
    vectors = embedder.embed_images(images)
    config = encoder.config
    normalise = Preprocess(config.backbone.vision.image_size, config.mean, config.std)
    pixels = torch.from_numpy(np.stack([embedder.preprocess(image) for image in images]))
    with torch.no_grad():
        features = encoder.encode_image(torch.stack([normalise(image) for image in images])).numpy()
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, expected, atol=1e-5)
    monkeypatch.setattr(module, "IMAGES_AT_ONCE", 2)
    np.testing.assert_allclose(embedder.embed_images(images), expected, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_pixels(pixels), expected, atol=1e-5)


def test_nothing_gives_nothing(opened):
    _, embedder = opened
    assert embedder.embed_texts([]).shape == embedder.embed_images([]).shape == (0, 32)
    assert embedder.embed_pixels(torch.empty(0, 48, 16, 3, dtype=torch.uint8)).shape == (0, 32)


def test_facts(opened, tmp_path):
    encoder, embedder = opened
    assert embedder.name == str(tmp_path / "run")
    assert embedder.fingerprint == fingerprint(tmp_path / "run")
    assert embedder.preprocess.image_size == (48, 16)
    assert embedder.device_type == "cpu"
    assert embedder.count_tokens("a red coat") == 5
    assert embedder.context_length == 77 - encoder.adapter.reserved_tokens


def test_the_context_length_is_where_a_caption_starts_to_lose_words():
    embedder = Embedder(small_encoder("cskt"), "small", "", torch.device("cpu"))
    fits, over = "red " * (embedder.context_length - 2), "red " * (embedder.context_length - 1)
    assert embedder.count_tokens(fits) == embedder.context_length
    vectors = embedder.embed_texts([fits + "blue", over, fits, fits[:-4] + "blue"])
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert np.abs(vectors[2] - vectors[3]).max() > 1e-4


def test_threads_wait_for_each_other(opened):
    _, embedder = opened
    expected = embedder.embed_texts(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: embedder.embed_texts(TEXTS), range(8)):
            np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_the_demo_encoder_by_name(tmp_path, monkeypatch):
    save_checkpoint(tmp_path / "demo", small_encoder())
    monkeypatch.setattr(module, "DEMO_FOLDER", tmp_path / "demo")
    assert open_embedder("demo").name == "demo"
    monkeypatch.setattr(module, "DEMO_FOLDER", tmp_path / "absent")
    with pytest.raises(CheckpointError, match="no demo encoder"):
        open_embedder("demo")


@pytest.fixture
def small_architecture(monkeypatch):
    """Makes open_clip's ViT-B-16 a small one."""
    config = small_encoder().config.backbone.model_copy(update={"quick_gelu": False})
    monkeypatch.setattr(module, "backbone_config", lambda name, size: config)
    return config


def clip_tensors(encoder):
    return {official_name(n).removeprefix("base_model."): v for n, v in encoder.state_dict().items()}


@pytest.mark.parametrize("folder", [False, True])
def test_openclip_weights_from_a_file(tmp_path, small_architecture, folder):
    encoder = small_encoder().eval()
    path = tmp_path / "open_clip_pytorch_model.bin"
    torch.save(clip_tensors(encoder) | {"input_resolution": torch.tensor(224)}, path)
    embedder = open_embedder(f"openclip:ViT-B-16/{tmp_path if folder else path}")
    encoder.config = open_encoder(embedder.name).encoder.config
    assert encoder.config.backbone.quick_gelu  # as OpenAI's file tells
    assert embedder.fingerprint == fingerprint_of(encoder)


def test_openclip_weights_by_tag(monkeypatch, small_architecture):
    tensors = clip_tensors(small_encoder())
    fetched = module.fetch_pretrained.__globals__["PretrainedClip"](
        tensors, True, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    )
    monkeypatch.setattr(module, "fetch_pretrained", lambda model, tag: fetched)
    embedder = open_embedder("openclip:ViT-B-16/openai")
    assert embedder.name == "openclip:ViT-B-16/openai"
    config = open_encoder(embedder.name).encoder.config
    assert config.mean == (0.5, 0.5, 0.5)
    assert config.backbone.quick_gelu


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("openclip:ViT-B-16", CheckpointError, "say openclip:MODEL/PRETRAINED"),
        ("openclip:ViT-B-99/openai", ConfigError, "knows no model"),
        ("openclip:ViT-B-16/nowhere", CheckpointError, "openai, "),
        ("openclip:ViT-B-16/absent.pt", CheckpointError, "no such file"),
        ("absent-folder", CheckpointError, "no checkpoint here"),
    ],
)
def test_an_encoder_that_is_not_there(name, error, said):
    with pytest.raises(error, match=said):
        open_embedder(name)


@pytest.mark.parametrize("device", ["gpu", "xpu", "mps", "mps:0", "meta"])
def test_a_device_of_another_kind_is_one_sentence(device):
    with pytest.raises(ConfigError, match=f"'{device}' is unknown: use auto, cpu, cuda or cuda:N"):
        choose_device(device)


def test_the_public_name_has_of_a_path_the_last_part(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "newest").symlink_to(tmp_path / "run7")
    for encoder, expected in {
        "demo": "demo",
        f"{tmp_path}/run": "run",
        "run/": "run",
        ".": tmp_path.name,
        "run/../other": "other",
        "~": tmp_path.name,
        "newest": "newest",
        "openclip:ViT-B-16/openai": "openclip:ViT-B-16/openai",
        f"openclip:ViT-B-16/{tmp_path}/w.pt": "openclip:ViT-B-16/w.pt",
        "openclip:ViT-B-16/~/mine/w.pt": "openclip:ViT-B-16/w.pt",
    }.items():
        assert public_name(encoder) == expected


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ConfigError, match=device):
        open_embedder("demo", device=device)
