"""Folded towers, run: bytes or token ids to features, computing no more than the one token that is read.

Only `VisionRun.tokens` reads them all.
"""

import torch
import torch.nn.functional as F

from model.adapters.cskt import open_prompt_places
from model.inference.block import KEYS_MULTIPLE, BlockRun
from model.inference.feed_forward import fused, merged
from model.inference.folding import Affine, FoldedText, FoldedVision
from model.inference.patches import CENTRE, FoldedStem, Patches
from model.inference.products import Products


class VisionRun:
    """Bytes (batch, height, width, 3) on `device` -> (batch, embed_dim), float32, not of unit length."""

    def __init__(self, folded: FoldedVision, products: Products, device: torch.device) -> None:
        width = len(folded.first)
        self._dtype, self._patches = products.dtype, folded.patches
        if isinstance(folded.patches, FoldedStem):
            self._patches = folded.patches.to(device, products.dtype)
        else:
            first_layer = Affine(folded.patches.weight, torch.zeros(width))
            self._embed = products.linear("visual.patches", first_layer)
        self._positions, self._first, self._weight, self._bias = (
            part.to(device) for part in (folded.positions, folded.first, folded.norm.weight, folded.norm.bias)
        )
        self._shape, self._norm_eps, self._head_eps = (width,), folded.norm_eps, folded.head_eps
        last = len(folded.blocks) - 1
        self._blocks = [
            BlockRun(block, products, device, fused, f"visual.{index}", index == last)
            for index, block in enumerate(folded.blocks)
        ]
        self._rounds = rounds_keys_up(device, products.dtype)
        self._head = products.linear("visual.head", folded.head)

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """Every block over all tokens but the last, which answers for the class token alone."""
        x, hidden = self._before_last(pixels)
        return self._projected(self._blocks[-1].one(x, x.new_zeros(len(x), dtype=torch.long), hidden)[:, 0])

    def tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """The class token and the patches row by row, projected alike: (batch, 1 + patches, embed_dim)."""
        x, hidden = self._before_last(pixels)
        own = 1 + len(self._positions)  # prompts stand behind them
        return self._projected(self._blocks[-1](x, hidden)[:, :own])

    def _before_last(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The stream as the last block reads it, and what is hidden from it there."""
        x = self._embedded(pixels)
        for block in self._blocks[:-1]:
            x = _joined(x, block.arriving, x.shape[1])
            x = block(x, self._spare_keys(block, x))
        last = self._blocks[-1]
        x = _joined(x, last.arriving, x.shape[1])
        return x, self._spare_keys(last, x)

    def _spare_keys(self, block: BlockRun, x: torch.Tensor) -> torch.Tensor | None:
        return rounded_up(x.new_zeros(1, block.known_tokens + x.shape[1])) if self._rounds else None

    def _projected(self, x: torch.Tensor) -> torch.Tensor:
        return self._head(F.layer_norm(x, self._shape, eps=self._head_eps)).float()

    def _embedded(self, pixels: torch.Tensor) -> torch.Tensor:
        if isinstance(self._patches, Patches):
            patches = self._embed(self._patches.cut(pixels).to(self._dtype) - CENTRE)
        else:
            patches = self._patches.grid(pixels, self._dtype)
        patches = F.layer_norm(
            patches + self._positions, self._shape, self._weight, self._bias, self._norm_eps
        )
        first = self._first.expand(len(pixels), 1, -1)
        return torch.cat([first, patches], dim=1).to(self._dtype)


class TextRun:
    """Token ids (batch, context) on the CPU -> (batch, embed_dim), float32, not of unit length."""

    def __init__(self, folded: FoldedText, products: Products, device: torch.device) -> None:
        self._dtype, self._device = products.dtype, device
        self._places = folded.places
        self._words = folded.words.to(device, products.dtype)
        positions = folded.positions
        own = torch.cat([positions[:1], positions[1 + folded.places :]])
        self._positions = own.to(device)
        self._shape, self._head_eps = (positions.shape[1],), folded.head_eps
        last = len(folded.blocks) - 1
        self._blocks = [
            BlockRun(block, products, device, merged, f"textual.{index}", index == last)
            for index, block in enumerate(folded.blocks)
        ]
        context = len(positions)
        self._hidden = {
            known: hiding_later(context, known).to(device, products.dtype)
            for known in {block.known_tokens for block in self._blocks}
        }
        self._rounds = rounds_keys_up(device, products.dtype)
        self._head = products.linear("textual.head", folded.head)

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """Captions up to the end of the longest; the last block answers for the end tokens alone."""
        if self._places:  # the words that a caption keeps beside the prompts
            ids = open_prompt_places(ids, self._places // 2)
            ids = torch.cat([ids[:, :1], ids[:, 1 + self._places :]], dim=1)
        end = ids.argmax(dim=1)
        ids, end = ids[:, : int(end.max()) + 1].to(self._device), end.to(self._device)
        x = (self._words[ids] + self._positions[: ids.shape[1]]).to(self._dtype)
        hidden = self._hidden_from(x.shape[1], self._blocks[0].known_tokens)
        for block in self._blocks:
            if block.arriving is not None:
                x, end = _joined(x, block.arriving, 1), end + (end > 0) * self._places
                hidden = self._hidden_from(x.shape[1], block.known_tokens)
            if block is not self._blocks[-1]:
                x = block(x, hidden)
            else:
                x = block.one(x, end, hidden[end][:, None, None])
        return self._head(F.layer_norm(x[:, 0], self._shape, eps=self._head_eps)).float()

    def _hidden_from(self, tokens: int, known: int) -> torch.Tensor:
        hidden = self._hidden[known][:tokens, : known + tokens]
        return rounded_up(hidden) if self._rounds else hidden


def rounds_keys_up(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether attention is quicker over a few keys more.

    Torch arranges bfloat16 keys for a CPU's matrix units only where they come in even lots: over 193 keys it
    takes twice the time of 208.
    """
    return device.type == "cpu" and dtype == torch.bfloat16


def rounded_up(hidden: torch.Tensor) -> torch.Tensor:
    """What is added to scores (tokens, keys), with spare keys in front that nobody sees, up to a multiple."""
    return F.pad(hidden, (-hidden.shape[-1] % KEYS_MULTIPLE, 0), value=float("-inf"))


def _joined(x: torch.Tensor, prompts: torch.Tensor | None, place: int) -> torch.Tensor:
    """The stream with prompts (2n, width) put in at a position."""
    if prompts is None:
        return x
    return torch.cat([x[:, :place], prompts.expand(len(x), -1, -1), x[:, place:]], dim=1)


def hiding_later(tokens: int, known: int) -> torch.Tensor:
    """What is added to the scores of keys (tokens, known + tokens): -inf for those that a token must not see.

    It sees itself and those before it, and the `known` ones of prompts, which stand behind the first token.
    """
    own = torch.full((tokens, tokens), float("-inf")).triu(1)
    prompts = torch.zeros(tokens, known)
    prompts[0] = float("-inf")
    return torch.cat([prompts, own], dim=1)
