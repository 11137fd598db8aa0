"""Text masking: the rules one by one, with scripted draws, and the published proportions."""

import random

import pytest
import torch

from model.text_mask import MASK_ID, mask_tokens

SOT, EOT = 49406, 49407


class Scripted(random.Random):
    """Gives out the listed draws, and 4321 for every choice."""

    def __init__(self, draws):
        super().__init__(0)
        self.draws = iter(draws)

    def random(self):
        return next(self.draws)

    def choice(self, options):
        assert (options[0], options[-1]) == (1, MASK_ID - 1)
        return 4321


def test_one_draw_decides_whether_and_how():
    ids = torch.tensor([SOT, 10, 11, 12, 13, EOT, 0, 0])
    draws = [0.15, 0.15 * 0.79, 0.15 * 0.85, 0.15 * 0.95]
    masked, labels = mask_tokens(ids, Scripted(draws))
    assert masked.tolist() == [SOT, 10, MASK_ID, 4321, 13, EOT, 0, 0]
    assert labels.tolist() == [0, 0, 11, 12, 13, 0, 0, 0]
    assert ids.tolist() == [SOT, 10, 11, 12, 13, EOT, 0, 0]


def test_the_first_word_is_masked_when_nothing_was_chosen():
    masked, labels = mask_tokens(torch.tensor([SOT, 10, 11, EOT]), Scripted([0.9, 0.9]))
    assert masked.tolist() == [SOT, MASK_ID, 11, EOT]
    assert labels.tolist() == [0, 10, 0, 0]


def test_an_empty_caption_loses_its_end():
    masked, labels = mask_tokens(torch.tensor([SOT, EOT, 0]), Scripted([]))
    assert masked.tolist() == [SOT, MASK_ID, 0]
    assert labels.tolist() == [0, EOT, 0]


def test_proportions_over_many_tokens():
    ids = torch.tensor([SOT, *[7] * 60_000, EOT])
    masked, labels = mask_tokens(ids, random.Random(1))
    chosen = labels != 0
    hidden = masked[chosen] == MASK_ID
    kept = masked[chosen] == 7
    assert chosen.float().mean().item() == pytest.approx(0.15, abs=0.005)
    assert hidden.float().mean().item() == pytest.approx(0.8, abs=0.015)
    assert kept.float().mean().item() == pytest.approx(0.1, abs=0.015)
    assert torch.equal(masked[~chosen], ids[~chosen])
