"""The weighted sum of losses, and the union of their configurations."""

from dataclasses import dataclass, replace

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from model.losses import AttributeLabels, LossConfig, Losses
from model.losses.cmpm import cmpm_loss
from model.losses.hard_captions import hard_captions_loss
from model.losses.itc import itc_loss
from model.losses.sdm import sdm_loss
from model.losses.tal import tal_loss
from model.losses.triplet import triplet_loss

PARSE = TypeAdapter(list[LossConfig])


@dataclass(frozen=True)
class Features:
    image: torch.Tensor
    text: torch.Tensor
    auxiliary: torch.Tensor
    hard_text: torch.Tensor | None = None
    hard_known: torch.Tensor | None = None


@pytest.fixture
def features():
    torch.manual_seed(2)
    return Features(torch.randn(4, 8), torch.randn(4, 8), torch.tensor(8.0))


def total_of(features, *configs, **more):
    return Losses(PARSE.validate_python(list(configs)), 8)(features, IDENTITIES, **more)[0]


IDENTITIES = torch.tensor([0, 1, 0, 2])


def test_total_is_the_sum_of_weighted_parts(features):
    configs = PARSE.validate_python(
        [
            {"kind": "sdm", "scale": 20},
            {"kind": "itc", "weight": 0.25},
            {"kind": "balance"},
            {"kind": "identity"},
        ]
    )
    losses = Losses(configs, embed_dim=8, identities=3)
    total, parts = losses(features, IDENTITIES)
    assert list(parts) == ["sdm", "itc", "balance", "identity"]
    assert parts["sdm"] == sdm_loss(features.image, features.text, IDENTITIES, 20)
    assert parts["itc"] == 0.25 * itc_loss(features.image, features.text)
    assert parts["balance"] == 4.0
    assert float(total.detach()) == pytest.approx(
        sum(float(part.detach()) for part in parts.values()), abs=1e-5
    )


def test_only_heads_have_parameters():
    assert not list(Losses(PARSE.validate_python([{"kind": "sdm"}]), 8).parameters())
    names = [
        name for name, _ in Losses(PARSE.validate_python([{"kind": "identity"}]), 8, 3).named_parameters()
    ]
    assert names == ["heads.identity.classifier.weight", "heads.identity.classifier.bias"]


def test_attribute_labels_are_used_and_required(features):
    losses = Losses(PARSE.validate_python([{"kind": "attributes", "classes": {"upper": 3}}]), 8)
    labels = torch.tensor([[0], [1], [2], [-1]])
    total, parts = losses(features, IDENTITIES, AttributeLabels(labels, labels))
    assert torch.equal(total, parts["attributes"])
    assert torch.equal(total, losses.heads["attributes"](features.image, features.text, labels, labels))
    with pytest.raises(ValueError, match="attribute labels"):
        losses(features, IDENTITIES)


def test_every_loss_on_pairs_gets_its_settings(features):
    image, text = features.image, features.text
    expected = cmpm_loss(image, text, IDENTITIES) + 0.5 * triplet_loss(image, text, IDENTITIES, 0.2)
    configs = ({"kind": "cmpm"}, {"kind": "triplet", "weight": 0.5, "margin": 0.2})
    torch.testing.assert_close(total_of(features, *configs), expected)
    aligned = total_of(features, {"kind": "tal", "margin": 0.3, "temperature": 0.1})
    assert torch.equal(aligned, tal_loss(image, text, IDENTITIES, 0.3, 0.1))
    published = total_of(features, {"kind": "tal"})
    assert torch.equal(published, tal_loss(image, text, IDENTITIES, 0.1, 0.015))


def test_confidence_reaches_the_losses_that_bear_noise(features):
    trust = torch.tensor([0.1, 1.0, 0.5, 0.0])
    for config, loss in (({"kind": "sdm"}, sdm_loss), ({"kind": "tal"}, tal_loss)):
        weighted = total_of(features, config, confidence=trust)
        assert torch.equal(weighted, loss(features.image, features.text, IDENTITIES, confidence=trust))
        assert not torch.equal(weighted, total_of(features, config))
        assert torch.equal(total_of(features, config, confidence=torch.ones(4)), total_of(features, config))
    contrast = total_of(features, {"kind": "itc"}, confidence=trust)
    assert torch.equal(contrast, total_of(features, {"kind": "itc"}))


def test_swapped_captions_are_used_and_required(features):
    known = torch.tensor([True, False, True, True])
    swapped = replace(features, hard_text=torch.randn(4, 8), hard_known=known)
    total = total_of(swapped, {"kind": "hard_captions", "weight": 2, "scale": 7})
    expected = 2 * hard_captions_loss(features.image, features.text, swapped.hard_text, known, 7)
    assert torch.equal(total, expected)
    with pytest.raises(ValueError, match="swapped captions"):
        total_of(features, {"kind": "hard_captions"})


def test_misuse_is_refused():
    sdm, identity = PARSE.validate_python([{"kind": "sdm"}, {"kind": "identity"}])
    with pytest.raises(ValueError, match="each kind once"):
        Losses([sdm, sdm], 8)
    with pytest.raises(ValueError, match="each kind once"):
        Losses([], 8)
    with pytest.raises(ValueError, match="number of training identities"):
        Losses([identity], 8)


@pytest.mark.parametrize(
    "config",
    [
        {"kind": "magic"},
        {"kind": "sdm", "scale": 0},
        {"kind": "itc", "weight": -1},
        {"kind": "sdm", "scales": 5},
        {"kind": "tal", "temperature": 0},
        {"kind": "triplet", "margin": 0},
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(config):
    with pytest.raises(ValidationError):
        PARSE.validate_python([config])
