"""One folded block, run over all tokens or for the one token that is read behind the last block."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from model.adapters.one_token import pick
from model.inference.feed_forward import FeedForward
from model.inference.folding import FoldedBlock
from model.inference.products import Products

KEYS_MULTIPLE = 16
"""What the number of keys may be rounded up to by spare ones."""

Arrangement = Callable[[FoldedBlock, Products, str], FeedForward]


class BlockRun:
    """x (batch, tokens, width) -> the same shape; `one_token` is for a block mostly read at one token.

    `known_tokens` keys stand before the stream's own. Where what is hidden is given for more keys than these,
    spare ones stand before them all, which nobody must see: they only round the number of keys up.
    `arriving` (2n, width) prompts must have joined x before.
    """

    def __init__(
        self,
        block: FoldedBlock,
        products: Products,
        device: torch.device,
        feed_forward: Arrangement,
        site: str,
        one_token: bool,
    ) -> None:
        width = len(block.out.bias)
        self._width, self._shape, self._eps, self._heads = width, (width,), block.eps, block.heads
        self._one_token = one_token
        if one_token:
            self._query = products.linear(f"{site}.query", block.qkv.rows(0, width))
            self._key_value = products.linear(f"{site}.key_value", block.qkv.rows(width, 3 * width))
        else:
            self._qkv = products.linear(f"{site}.qkv", block.qkv)
        self._out = products.added(f"{site}.out", block.out)
        self._feed_forward = feed_forward(block, products, site)
        arriving, known = block.arriving, block.known
        self.arriving = None if arriving is None else arriving.to(device, products.dtype)
        known = torch.zeros(0, 2 * width) if known is None else known
        self.known_tokens = len(known)
        self._known = torch.cat([torch.zeros(KEYS_MULTIPLE - 1, 2 * width), known]).to(device, products.dtype)

    def __call__(self, x: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        """`hidden` (tokens or 1, keys) is added to the scores, -inf where a token must not see a key."""
        return self._fed(self._attended(x, hidden))

    def one(self, x: torch.Tensor, token: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        """The stream behind a `one_token` block at place `token` (batch,) of each row: (batch, 1, width)."""
        return self._fed(self._attended_at(token, x, hidden))

    def _attended(self, x: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        normalised = self._normalised(x)
        if self._one_token:
            return self._mixed(self._query(normalised), self._key_value(normalised), x, hidden)
        qkv = self._qkv(normalised)
        return self._mixed(qkv[..., : self._width], qkv[..., self._width :], x, hidden)

    def _attended_at(self, token: torch.Tensor, x: torch.Tensor, hidden: torch.Tensor | None) -> torch.Tensor:
        normalised = self._normalised(x)
        query, keys_values = self._query(pick(normalised, token)), self._key_value(normalised)
        return self._mixed(query, keys_values, pick(x, token), hidden)

    def _mixed(
        self,
        query: torch.Tensor,
        keys_values: torch.Tensor,
        x: torch.Tensor,
        hidden: torch.Tensor | None,
    ) -> torch.Tensor:
        before = self.known_tokens if hidden is None else hidden.shape[-1] - keys_values.shape[1]
        if before:
            known = self._known[len(self._known) - before :].expand(len(x), -1, -1)
            keys_values = torch.cat([known, keys_values], dim=1)
        keys, values = keys_values.chunk(2, dim=-1)
        query, keys, values = self._heads_of(query), self._heads_of(keys), self._heads_of(values)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=hidden)
        return self._out(mixed.transpose(1, 2).flatten(2), x)

    def _fed(self, x: torch.Tensor) -> torch.Tensor:
        """Nothing of the attention is held any more here, where hidden units need the most memory."""
        return self._feed_forward(self._normalised(x), x)

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, self._shape, eps=self._eps)

    def _heads_of(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, tokens, width) -> (batch, heads, tokens, width / heads)."""
        batch, tokens, width = x.shape
        return x.view(batch, tokens, self._heads, width // self._heads).transpose(1, 2)
