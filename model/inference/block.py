"""One folded block, run over all tokens or for the one token that is read behind the last block."""

import torch
import torch.nn.functional as F

from model.adapters.one_token import pick
from model.inference.folding import Bottleneck, FoldedBlock, Mixture
from model.inference.products import Added, Products


class BlockRun:
    """x (batch, tokens, width) -> the same shape; with `one_token` only `one` can be called.

    `known_tokens` keys beside the stream's own are seen by every row; `arriving` (2n, width) prompts must
    have joined x before.
    """

    def __init__(
        self, block: FoldedBlock, products: Products, device: torch.device, site: str, one_token: bool
    ) -> None:
        width = len(block.out.bias)
        self._shape, self._eps, self._heads = (width,), block.eps, block.heads
        if one_token:
            self._query = products.linear(f"{site}.query", block.qkv.rows(0, width))
            self._key_value = products.linear(f"{site}.key_value", block.qkv.rows(width, 3 * width))
        else:
            self._qkv = products.linear(f"{site}.qkv", block.qkv)
        self._out = products.added(f"{site}.out", block.out)
        self._mlp = products.mlp(f"{site}.mlp", block.up, block.activation, block.down)
        self._beside = _beside(block.beside, products, f"{site}.beside")
        arriving, known = block.arriving, block.known
        self.arriving = None if arriving is None else arriving.to(device, products.dtype)
        self.known_tokens = 0 if known is None else len(known)
        if known is not None:
            keys_values = known.to(device, products.dtype)[None]
            self._known = self._split(keys_values, 2)

    def __call__(self, x: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        """`visible` (tokens, keys), True where a token sees a key; None where it sees all."""
        query, key, value = self._split(self._qkv(self._normalised(x)), 3)
        return self._after(query, key, value, x, visible)

    def one(self, x: torch.Tensor, token: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
        """The stream behind the block at position `token` (batch,) of each row: (batch, 1, width)."""
        normalised = self._normalised(x)
        key, value = self._split(self._key_value(normalised), 2)
        (query,) = self._split(self._query(pick(normalised, token)), 1)
        return self._after(query, key, value, pick(x, token), visible)

    def _after(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        x: torch.Tensor,
        visible: torch.Tensor | None,
    ) -> torch.Tensor:
        if self.known_tokens:
            key, value = (
                torch.cat([known.expand(len(x), -1, -1, -1), own], dim=2)
                for known, own in zip(self._known, (key, value), strict=True)
            )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        x = self._out(mixed.transpose(1, 2).flatten(2), x)
        normalised = self._normalised(x)
        x = self._mlp(normalised, x)
        return x if self._beside is None else self._beside(normalised, x)

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, self._shape, eps=self._eps)

    def _split(self, x: torch.Tensor, parts: int) -> tuple[torch.Tensor, ...]:
        """(batch, tokens, parts * width) -> parts of (batch, heads, tokens, width / heads)."""
        batch, tokens, _ = x.shape
        return x.view(batch, tokens, parts, self._heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


def _beside(folded: Bottleneck | Mixture | None, products: Products, site: str) -> Added | None:
    if folded is None:
        return None
    if isinstance(folded, Bottleneck):
        return products.mlp(site, folded.down, "relu", folded.up)
    gate, down = products.linear(site, folded.gate), products.linear(site, folded.down, "relu")
    up, top_k, units = products.added(site, folded.up), folded.top_k, folded.units

    def mixed(normalised: torch.Tensor, stream: torch.Tensor) -> torch.Tensor:
        hidden = down(normalised)
        hidden = hidden.view(*hidden.shape[:-1], -1, units)
        weights = routing(gate(normalised), top_k).to(hidden.dtype)
        return up((hidden * weights[..., None]).flatten(-2), stream)

    return mixed


def routing(logits: torch.Tensor, top_k: int) -> torch.Tensor:
    """Softmax over the `top_k` best of (..., experts), zero elsewhere; float32."""
    logits = logits.float()
    best, selected = logits.topk(top_k, dim=-1)
    return torch.zeros_like(logits).scatter(-1, selected, best.softmax(dim=-1))
