"""The towers against open_clip's own forward passes, and the order of the seams."""

import pytest
import torch
from open_clip_twin import twin
from small_encoder import ADAPTERS, captions, pixels, small_config, small_encoder

from model.adapters.adapter import TowerAdapter
from model.backbone import build_clip
from model.towers import TextTower, VisionTower, run_blocks


@pytest.fixture(scope="module")
def clip():
    torch.manual_seed(0)
    return build_clip(small_config(ADAPTERS["full"]).backbone).eval()


@pytest.fixture(scope="module")
def theirs(clip):
    """open_clip's, with the same weights."""
    other = twin(small_config(ADAPTERS["full"]).backbone).eval()
    missing, unexpected = other.load_state_dict(clip.state_dict(), strict=False)
    assert (missing, unexpected) == (["logit_scale"], [])
    return other


def test_without_adapter_they_are_open_clip(clip, theirs):
    ids = captions(5, 40, 77)
    with torch.no_grad():
        image = VisionTower(clip.visual)
        text = TextTower(clip)
        ours_image = image.project(image(pixels(), TowerAdapter())[0][:, 0])
        ours_text = text.project(text(ids, TowerAdapter())[0][torch.arange(3), ids.argmax(1)])
        torch.testing.assert_close(ours_image, theirs.encode_image(pixels()), atol=1e-5, rtol=0)
        torch.testing.assert_close(ours_text, theirs.encode_text(ids), atol=1e-5, rtol=0)


def test_text_sees_no_later_token(clip):
    tower, ids = TextTower(clip), captions(77)
    with torch.no_grad():
        whole, _ = tower(ids, TowerAdapter())
        start, _ = tower(ids[:, :9], TowerAdapter())
        torch.testing.assert_close(whole[:, :9], start, atol=1e-5, rtol=0)


class Noting(TowerAdapter):
    """Writes down which seam is called with which shape, and adds a constant beside the MLP."""

    def __init__(self):
        self.calls = []

    def extend(self, tokens):
        self.calls.append(("extend", tuple(tokens.shape)))
        return tokens

    def before_block(self, index, x):
        self.calls.append(("before", index))
        return x

    def beside_mlp(self, index, x):
        self.calls.append(("beside", index))
        return torch.full_like(x, 0.5), None


def test_the_seams_in_order(clip):
    noting = Noting()
    VisionTower(clip.visual)(pixels(2), noting)
    assert noting.calls == [
        ("extend", (2, 13, 64)),
        ("before", 0),
        ("beside", 0),
        ("before", 1),
        ("beside", 1),
    ]


def test_what_stands_beside_the_mlp_is_added(clip, theirs):
    x = torch.randn(2, 5, 64)
    one = torch.nn.Module()
    one.resblocks = clip.visual.transformer.resblocks[:1]
    with torch.no_grad():
        stream, loads = run_blocks(one, x, False, Noting())
    expected = theirs.visual.transformer.resblocks[0](x) + 0.5
    torch.testing.assert_close(stream, expected, atol=1e-5, rtol=0)
    assert loads == []


def test_text_is_extended_before_its_positions(clip):
    class Replace(TowerAdapter):
        def extend(self, tokens):
            return torch.zeros_like(tokens)

        def before_block(self, index, x):
            if index == 0:
                self.first = x
            return x

    seams = Replace()
    TextTower(clip)(captions(9), seams)
    torch.testing.assert_close(seams.first[0], clip.positional_embedding)


@pytest.mark.parametrize("method", ADAPTERS)
def test_recomputing_blocks_changes_neither_features_nor_gradients(method):
    results = []
    for recompute in (False, True):
        encoder = small_encoder(method)
        encoder.visual.recompute = encoder.text.recompute = recompute
        features = encoder(pixels(), captions(5, 20, 60))
        (features.image.square().sum() + features.text.square().sum() + features.auxiliary).backward()
        gradients = [value.grad for _, value in encoder.trainable_parameters() if value.grad is not None]
        results.append((features, gradients))
    (kept, kept_gradients), (again, again_gradients) = results
    assert torch.equal(kept.image, again.image)
    assert torch.equal(kept.auxiliary, again.auxiliary)
    assert all(torch.equal(one, other) for one, other in zip(kept_gradients, again_gradients, strict=True))
