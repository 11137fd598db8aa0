"""The weighted sum of losses, and the union of their configurations."""

from dataclasses import dataclass

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from model.losses import AttributeLabels, LossConfig, Losses
from model.losses.itc import itc_loss
from model.losses.sdm import sdm_loss

PARSE = TypeAdapter(list[LossConfig])


@dataclass(frozen=True)
class Features:
    image: torch.Tensor
    text: torch.Tensor
    auxiliary: torch.Tensor


@pytest.fixture
def features():
    torch.manual_seed(2)
    return Features(torch.randn(4, 8), torch.randn(4, 8), torch.tensor(8.0))


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
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(config):
    with pytest.raises(ValidationError):
        PARSE.validate_python([config])
