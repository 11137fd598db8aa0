"""Folded towers, run: prompts that became keys and values, captions that were cut, one token that is read."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from random_encoders import (
    encoder_configs,
    normalised,
    random_bytes,
    random_captions,
    random_encoder,
    relative,
)
from small_encoder import captions, pixels, small_config, small_encoder

from model.adapters.cskt import CsktConfig
from model.config import EncoderConfig
from model.inference.block import BlockRun
from model.inference.folding import fold_text, fold_vision
from model.inference.products import OneDnnProducts
from model.inference.tower import TextRun, VisionRun

CPU = torch.device("cpu")
FLOAT32 = OneDnnProducts(torch.float32)
seeds = st.integers(0, 2**31)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_prompts_stay_tokens_only_where_a_later_block_reads_what_became_of_them(depth: int) -> None:
    """Vision has two blocks, text three; each level but the last is overwritten behind its block."""
    torch.manual_seed(0)
    encoder = random_encoder(small_config(CsktConfig(prompts=2, depth=depth)), 0)
    for folded, layers in ((fold_vision(encoder), 2), (fold_text(encoder), 3)):
        known = [index for index, block in enumerate(folded.blocks) if block.known is not None]
        arriving = [index for index, block in enumerate(folded.blocks) if block.arriving is not None]
        levels = min(depth, layers)
        if depth < layers:
            assert (known, arriving) == (list(range(levels - 1)), [depth - 1])
        else:
            assert (known, arriving) == (list(range(levels)), [])


def test_known_keys_and_values_are_those_of_the_prompts_run_as_tokens() -> None:
    encoder = random_encoder(small_config(CsktConfig(prompts=2, depth=3)), 1)
    seams, text = encoder.adapter.vision_tower(), encoder.adapter.text_tower()
    first = encoder.visual.ln_pre(seams.levels[0])
    first_text = text.levels[0] + encoder.text.positional_embedding[1:5]
    for folded, transformer, index, prompts in (
        (fold_vision(encoder), encoder.visual.transformer, 0, first),
        (fold_vision(encoder), encoder.visual.transformer, 1, seams.levels[1]),
        (fold_text(encoder), encoder.text.transformer, 0, first_text),
        (fold_text(encoder), encoder.text.transformer, 2, text.levels[2]),
    ):
        block = transformer.resblocks[index]
        as_tokens = F.linear(block.ln_1(prompts), block.attn.in_proj_weight, block.attn.in_proj_bias)
        torch.testing.assert_close(folded.blocks[index].known, as_tokens[:, 64:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", ["full", "cskt", "dm_adapter"])
def test_what_stands_behind_the_end_token_changes_nothing(method: str) -> None:
    encoder = small_encoder(method).eval()
    run, ids = TextRun(fold_text(encoder), FLOAT32, CPU), captions(4, 20, 9)
    noisy = ids.clone()
    for row, length in enumerate((4, 20, 9)):
        noisy[row, length:] = torch.randint(
            1, 49408, (77 - length,), generator=torch.Generator().manual_seed(3)
        )
    with torch.inference_mode():
        assert torch.equal(run(noisy), run(ids))


@pytest.mark.parametrize("method", ["full", "cskt", "dm_adapter"])
def test_nothing_is_computed_behind_the_longest_caption(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = small_encoder(method).eval()
    run, ids = TextRun(fold_text(encoder), FLOAT32, CPU), captions(4, 20, 9)
    tokens: list[int] = []
    whole = BlockRun.__call__

    def counted(self: BlockRun, x: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        tokens.append(x.shape[1])
        return whole(self, x, hidden)

    monkeypatch.setattr(BlockRun, "__call__", counted)
    with torch.inference_mode():
        run(ids)
    assert tokens == [20, 20]  # two blocks of three; the last answers for one token


@settings(max_examples=10, deadline=None)
@given(encoder_configs(("full", "cskt")), seeds, st.data())
def test_a_row_does_not_depend_on_those_beside_it(
    config: EncoderConfig, seed: int, data: st.DataObject
) -> None:
    encoder, context = random_encoder(config, seed), config.backbone.text.context_length
    lengths = data.draw(st.lists(st.integers(2, context), min_size=2, max_size=5))
    images, ids = random_bytes(config, 4, seed), random_captions(config, lengths, seed)
    vision, text = VisionRun(fold_vision(encoder), FLOAT32, CPU), TextRun(fold_text(encoder), FLOAT32, CPU)
    with torch.inference_mode():
        assert relative(torch.cat([vision(row[None]) for row in images]), vision(images)) <= 1e-5
        assert relative(torch.cat([text(row[None]) for row in ids]), text(ids)) <= 1e-5


@pytest.mark.parametrize("ids", [[49406, 49407], [49406, 320, 49407, 736, 49407]])
def test_the_first_end_token_is_the_one_that_is_read(ids: list[int]) -> None:
    """As in the training form, where argmax finds the first of equal ones."""
    for method in ("full", "cskt", "dm_adapter"):
        encoder = small_encoder(method).eval()
        row = torch.zeros(1, 77, dtype=torch.long)
        row[0, : len(ids)] = torch.tensor(ids)
        run = TextRun(fold_text(encoder), FLOAT32, CPU)
        with torch.inference_mode():
            assert relative(run(row), encoder.encode_text(row)) <= 1e-5


def test_pictures_in_any_layout_of_memory_are_the_same_pictures() -> None:
    encoder = small_encoder().eval()
    run = VisionRun(fold_vision(encoder), FLOAT32, CPU)
    plain = random_bytes(encoder.config, 3, 0)
    planes = plain.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    with torch.inference_mode():
        expected = run(plain)
        assert torch.equal(run(planes), expected)
        assert torch.equal(run(plain.flip(0).flip(0)), expected)
        assert relative(expected, encoder.encode_image(normalised(encoder.config, plain))) <= 1e-5
    assert pixels(1).shape[2:] == plain.shape[1:3]
