"""Official layouts into our network: each tensor at its place, or a sentence naming the first that is not."""

import math

import pytest
import torch
from parity import model_cases
from safetensors.torch import load_file, save_file
from small_encoder import ADAPTERS, captions, pixels, small_config, small_encoder

from model.adapters.cskt import CsktConfig
from model.checkpoint import load_checkpoint, save_checkpoint
from model.encoder import PersonEncoder
from model.errors import CheckpointError
from model.positions import resize_position_grid
from model.released_shapes import Choices, released_config
from model.released_weights import DM_ADAPTER_UNUSED, fit_released, official_name, read_released

CASES = [pytest.param(case, id=case.name) for case in model_cases() if not case.is_large]


def official(encoder):
    """An encoder's tensors as the authors' files have them."""
    return {official_name(name): value.clone() for name, value in encoder.state_dict().items()}


def plain(encoder):
    """A plain CLIP in OpenAI's names."""
    return {name.removeprefix("base_model."): value for name, value in official(encoder).items()}


def read(path, choices=None):
    weights = read_released(path)
    return fit_released(weights, released_config(weights, choices or Choices()))


def same(encoder, other):
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in encoder.state_dict().items())


@pytest.mark.parametrize("case", CASES)
def test_recorded_models_survive_a_file(case, tmp_path):
    tensors = {f"module.{name}": case.fill(name) for name in case.facts["params"]}
    torch.save({"model": tensors, "epoch": 60, "iteration": 0}, tmp_path / "best.pth")
    clip = case.facts["clip_cfg"]
    choices = Choices(
        image_size=tuple(clip["image_resolution"]), stride=clip["stride_size"], top_k=clip.get("topk")
    )
    encoder = read(tmp_path / "best.pth", choices)
    assert encoder.config.backbone.model_copy(update={"name": case.name}) == case.config().backbone
    assert encoder.config.adapter == case.config().adapter
    with torch.no_grad():
        image, text = encoder.encode_image(case.images()), encoder.encode_text(case.tensors["in.token_ids"])
    torch.testing.assert_close(image, case.tensors["out.image_features"], atol=1e-4, rtol=0)
    torch.testing.assert_close(text, case.tensors["out.text_features"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("method", ADAPTERS)
def test_our_names_and_theirs_are_one_to_one(method):
    names = list(small_encoder(method).state_dict())
    theirs = [official_name(name) for name in names]
    assert len(set(theirs)) == len(names)
    assert not any(name.startswith("adapter.") for name in theirs)


def test_sizes_come_from_the_tensors(tmp_path):
    encoder = small_encoder("cskt")
    torch.save({"model": official(encoder)}, tmp_path / "best.pth")
    read_back = read(tmp_path / "best.pth")
    assert read_back.config.adapter == encoder.config.adapter
    assert read_back.config.backbone.vision == encoder.config.backbone.vision
    assert read_back.config.backbone.text == encoder.config.backbone.text
    assert same(encoder, read_back)


@pytest.mark.parametrize("hidden", [1, 271, 3135, 3136])
def test_any_hidden_width_comes_back(hidden, tmp_path):
    """704 * (3136 / 704) is 3135.9999... in binary, of which CLIP takes the whole part."""
    config = small_config(ADAPTERS["full"])
    vision = config.backbone.vision.model_copy(
        update={"width": 704, "heads": 11, "layers": 1, "mlp_ratio": (hidden + 0.5) / 704}
    )
    backbone = config.backbone.model_copy(update={"vision": vision})
    encoder = PersonEncoder(config.model_copy(update={"backbone": backbone}))
    assert encoder.state_dict()["visual.transformer.resblocks.0.mlp.c_fc.weight"].shape[0] == hidden
    torch.save({"model": official(encoder)}, tmp_path / "best.pth")
    assert same(encoder, read(tmp_path / "best.pth", Choices(image_size=(48, 16))))


def test_half_weights_are_widened(tmp_path):
    encoder = small_encoder("dm_adapter")
    tensors = {name: value.half() for name, value in official(encoder).items()}
    tensors |= {name: torch.zeros(3) for name in DM_ADAPTER_UNUSED}
    torch.save({"model": tensors}, tmp_path / "best.pth")
    weights = read_released(tmp_path / "best.pth")
    assert weights.left_out == DM_ADAPTER_UNUSED
    read_back = fit_released(weights, released_config(weights, Choices()))
    assert {parameter.dtype for parameter in read_back.parameters()} == {torch.float32}
    assert same(encoder.half().float(), read_back)


def test_irra_without_its_training_heads(tmp_path):
    encoder = small_encoder()
    heads = {
        f"{name}.weight": torch.zeros(2)
        for name in ("classifier", "mlm_head.fc", "cross_attn.out_proj", "ln_pre_t")
    }
    torch.save({"model": official(encoder) | heads}, tmp_path / "best.pth")
    weights = read_released(tmp_path / "best.pth")
    assert (weights.layout, weights.left_out) == ("irra", tuple(heads))
    assert same(encoder, fit_released(weights, encoder.config))


@pytest.mark.parametrize("classes", [1, 7, 11003])
@pytest.mark.parametrize("method", ["cskt", "dm_adapter", "full"])
def test_another_data_sets_classifier_stops_no_load(tmp_path, method, classes):
    encoder = small_encoder(method)
    classifier = {"classifier.weight": torch.randn(classes, 32), "classifier.bias": torch.zeros(classes)}
    torch.save({"model": official(encoder) | classifier}, tmp_path / "best.pth")
    weights = read_released(tmp_path / "best.pth")
    assert weights.left_out == tuple(classifier)
    save_checkpoint(tmp_path / "served", fit_released(weights, encoder.config))
    assert set(load_file(tmp_path / "served" / "model.safetensors")) == set(encoder.state_dict())
    assert same(encoder, load_checkpoint(tmp_path / "served"))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", ["state", "wrapped", "safetensors", "torchscript"])
def test_plain_clip(tmp_path, kind):
    encoder = small_encoder()
    tensors = plain(encoder) | {"logit_scale": torch.tensor(4.6)}
    path = tmp_path / ("clip.safetensors" if kind == "safetensors" else "clip.pt")
    if kind == "safetensors":
        save_file(tensors, path)
    elif kind == "torchscript":
        torchscript_of(tensors | {"input_resolution": torch.tensor(224)}, path)
    else:
        torch.save({"state_dict": tensors} if kind == "wrapped" else tensors, path)
    weights = read_released(path)
    assert weights.layout == "clip"
    assert "base_model.logit_scale" in weights.left_out
    assert weights.from_openai == (kind == "torchscript")
    assert same(encoder, fit_released(weights, encoder.config))


def torchscript_of(tensors, path):
    """A scripted module tree with these parameter names."""

    class Holder(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    root = Holder()
    for name, value in tensors.items():
        place = root
        *parents, leaf = name.split(".")
        for parent in parents:
            if parent not in dict(place.named_children()):
                place.add_module(parent, Holder())
            place = place.get_submodule(parent)
        place.register_buffer(leaf, value)
    torch.jit.save(torch.jit.script(root), path)


def test_a_square_grid_is_resized(tmp_path):
    encoder = small_encoder()
    tensors = plain(encoder)
    tensors["visual.positional_embedding"] = torch.randn(1 + 49, 64)
    torch.save(tensors, tmp_path / "clip.pt")
    weights = read_released(tmp_path / "clip.pt")
    fitted = fit_released(weights, encoder.config)
    expected = resize_position_grid(tensors["visual.positional_embedding"], (7, 7), (6, 2))
    assert torch.equal(fitted.visual.positional_embedding, expected)
    assert released_config(weights, Choices()).backbone.vision.image_size == (384, 128)


def test_an_adapter_on_plain_clip_starts_untrained(tmp_path):
    torch.save(plain(small_encoder()), tmp_path / "clip.pt")
    config = small_config(CsktConfig(prompts=2, depth=3, prompts_from_words=True))
    encoder = fit_released(read_released(tmp_path / "clip.pt"), config)
    table = encoder.text.token_embedding.weight
    assert torch.equal(encoder.adapter.prompts.text_prompt, table[[320, 1125]])
    assert encoder.adapter.prompts.vision_prompt.std().item() == pytest.approx(0.02, rel=0.3)
    assert all(name.startswith("adapter.") for name, _ in encoder.trainable_parameters())


def test_the_activation_can_be_chosen(tmp_path):
    torch.save(plain(small_encoder()), tmp_path / "clip.pt")
    quick, exact = (
        read(tmp_path / "clip.pt", Choices((48, 16), quick_gelu=quick)) for quick in (None, False)
    )
    assert quick.config.backbone.quick_gelu
    assert not exact.config.backbone.quick_gelu
    with torch.no_grad():
        assert not torch.allclose(quick.encode_text(captions(5)), exact.encode_text(captions(5)))
        assert quick.encode_image(pixels()).shape == exact.encode_image(pixels()).shape


@pytest.mark.parametrize(
    ("patches", "stride", "size"), [(12, 8, (48, 16)), (18, 8, (48, 24)), (16, 4, (20, 20))]
)
def test_image_sizes_told_from_patches(tmp_path, patches, stride, size):
    tensors = official(small_encoder("cskt"))
    tensors["base_model.visual.positional_embedding"] = torch.zeros(1 + patches, 64)
    torch.save(tensors, tmp_path / "best.pth")
    config = released_config(read_released(tmp_path / "best.pth"), Choices(stride=stride))
    assert config.backbone.vision.image_size == size
    assert math.prod(config.backbone.vision.grid) == patches


def without(name):
    return lambda tensors: tensors.pop(name)


def reshaped(name, *shape):
    return lambda tensors: tensors.update({name: torch.zeros(*shape)})


BLOCK = "base_model.transformer.resblocks.1."
MISFITS = {
    "a tensor is missing": (
        without(BLOCK + "ln_3.weight"),
        r"1 missing \(base_model\.transformer\.resblocks\.1\.ln_3",
    ),
    "a tensor is unknown": (reshaped("surprise", 2), r"1 unknown \(surprise\)"),
    "a dead name elsewhere": (
        reshaped("base_model.vision_param", 2),
        r"1 unknown \(base_model\.vision_param\)",
    ),
    "a tensor has another shape": (reshaped(BLOCK + "ln_3.bias", 5), r"ln_3\.bias is 5 instead of 64"),
    "no CLIP": (without("base_model.visual.conv1.weight"), r"base_model\.visual\.conv1\.weight is missing"),
    "no depth": (without("prompt_learner.ctx"), r"prompt_learner\.ctx is missing"),
    "odd patches": (reshaped("base_model.visual.positional_embedding", 8, 64), "7 patches.*--image-size"),
    "odd width": (reshaped("base_model.text_projection", 60, 32), "60 is no multiple"),
    "a flat convolution": (reshaped("base_model.visual.conv1.weight", 64), "unexpected shape"),
    "too many prompts": (reshaped("prompt_learner.ctx", 40, 64), "40 prompts leave no room"),
}


@pytest.mark.parametrize("kind", MISFITS)
def test_what_does_not_fit_is_named(tmp_path, kind):
    change, said = MISFITS[kind]
    tensors = official(small_encoder("cskt"))
    change(tensors)
    torch.save({"model": tensors}, tmp_path / "best.pth")
    with pytest.raises(CheckpointError, match=said) as caught:
        read(tmp_path / "best.pth")
    assert str(caught.value).startswith(str(tmp_path / "best.pth"))
    assert "\n" not in str(caught.value)


class Malicious:
    """Would run code when unpickled."""

    def __reduce__(self):
        return (print, ("code from the file ran",))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"model": Malicious()}, "not readable as weights alone"),
        ([1, 2], "no table of named tensors"),
        ({"model": {"a": 1}}, "no table of named tensors"),
        ({}, "found nothing"),
    ],
)
def test_files_that_are_no_weights(tmp_path, content, said, capsys):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=said):
        read_released(tmp_path / "odd.pth")
    assert "code from the file ran" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["odd.pth", "odd.safetensors"])
def test_files_that_are_damaged(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 not a checkpoint")
    with pytest.raises(CheckpointError, match="not readable"):
        read_released(tmp_path / name)
    with pytest.raises(CheckpointError, match="no such file"):
        read_released(tmp_path / f"absent-{name}")
