"""CSKT and DM-Adapter computed step by step as they were published: the yardstick of training and encoding.

The same weights as in the encoder, but run the plain way: every caption at its full 77 tokens, every token
through every block and projected, torch's attention and QuickGELU as they are, each expert on the tokens
gathered for it and its answers scattered back. Tests compare the encoder with it, so nothing here calls what
it stands beside.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from model.adapters.adapter import RouterLoad, TowerAdapter
from model.adapters.cskt import CsktTower, SideAdapter
from model.adapters.dm_adapter import DmAdapterTower, DomainMixture
from model.encoder import Features, PersonEncoder


class PublishedForm:
    """An encoder's weights run the published way; gradients arrive at the encoder's own parameters."""

    def __init__(self, encoder: PersonEncoder) -> None:
        self.encoder = encoder

    def __call__(self, pixels: torch.Tensor, ids: torch.Tensor) -> Features:
        """Pixels (batch, 3, height, width) and captions (batch, context) to their features."""
        loads: list[RouterLoad] = []
        image = self.image(pixels, loads)
        text = self.text(self.encoder.adapter.caption_ids(ids), loads)
        if not loads:
            return Features(image, text)
        probability = torch.stack([load.probability for load in loads])
        share = torch.stack([load.share for load in loads])
        return Features(image, text, RouterLoad(probability, share, torch.stack([x.tokens for x in loads])))

    def image(self, pixels: torch.Tensor, loads: list[RouterLoad]) -> torch.Tensor:
        """Pixels (batch, 3, height, width) to (batch, embed_dim); the routers' loads are added to `loads`."""
        tower, seams = self.encoder.visual, self.encoder.adapter.vision_tower()
        patches = tower.conv1(pixels).flatten(2).transpose(1, 2)
        first = tower.class_embedding.expand(len(patches), 1, -1)
        x = torch.cat([first.to(patches.dtype), patches], dim=1) + tower.positional_embedding
        x = published_blocks(tower.transformer, tower.ln_pre(seams.extend(x)), None, seams, loads)
        projected: torch.Tensor = tower.ln_post(x) @ tower.proj
        return projected[:, 0].float()

    def text(self, ids: torch.Tensor, loads: list[RouterLoad]) -> torch.Tensor:
        """Captions with the adapter's room made to (batch, embed_dim); `loads` as above."""
        tower, seams = self.encoder.text, self.encoder.adapter.text_tower()
        length = ids.shape[1]
        x = seams.extend(tower.token_embedding(ids)) + tower.positional_embedding[:length]
        hidden = torch.full((length, length), float("-inf"), device=x.device, dtype=x.dtype).triu(1)
        x = published_blocks(tower.transformer, x, hidden, seams, loads)
        projected: torch.Tensor = tower.ln_final(x) @ tower.text_projection
        return projected[torch.arange(len(ids), device=ids.device), ids.argmax(dim=1)].float()


def published_blocks(
    transformer: nn.Module,
    x: torch.Tensor,
    mask: torch.Tensor | None,
    seams: TowerAdapter,
    loads: list[RouterLoad],
) -> torch.Tensor:
    """x + MHA(ln_1(x)), then x + MLP(ln_2(x)) + s * (method's term), block by block."""
    blocks: Any = transformer.resblocks
    for index, block in enumerate(blocks):
        x = seams.before_block(index, x)
        z = block.ln_1(x)
        x = x + block.attn(z, z, z, need_weights=False, attn_mask=mask)[0]
        if isinstance(seams, DmAdapterTower):
            mixture = seams.mixtures[index]
            assert isinstance(mixture, DomainMixture)
            mixed, load = published_mixture(mixture, x)
            loads.append(load)
            x = x + block.mlp(block.ln_2(x)) + seams.scale * mixed
        elif isinstance(seams, CsktTower):
            adapter = seams.adapters[index]
            assert isinstance(adapter, SideAdapter)
            beside = adapter.up(torch.relu(adapter.down(adapter.norm(x))))
            x = x + block.mlp(block.ln_2(x)) + seams.scale * beside
        else:
            x = x + block.mlp(block.ln_2(x))
    return x


def published_mixture(block: DomainMixture, x: torch.Tensor) -> tuple[torch.Tensor, RouterLoad]:
    """M(ln_3(x)) of x (batch, tokens, width), expert by expert on the tokens that picked it, and the load.

    An expert that nobody picked still takes part, with no tokens, so that its gradient is zero and not
    absent.
    """
    norm, mixture = block.norm, block.mixture
    z = F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps).flatten(0, 1)
    own = mixture.input_gate(z)
    domain = mixture.domain_gate(block.domain_prompt)
    logits = ((1 - mixture.alpha) * own + mixture.alpha * domain).float()
    best, selected = logits.topk(mixture.top_k, dim=-1)
    weights = best.softmax(dim=-1).to(z.dtype)
    mixed = torch.zeros_like(z)
    for number, expert in enumerate(mixture.experts):
        token, place = torch.where(selected == number)
        answer = expert(z.index_select(0, token)) * weights[token, place, None]
        mixed = mixed.index_add(0, token, answer.to(mixed.dtype))
    picked = F.one_hot(selected, logits.shape[-1]).sum(dim=1).float().mean(dim=0)
    load = RouterLoad(logits.softmax(dim=-1).mean(dim=0), picked, torch.tensor(float(len(z))))
    return mixed.view_as(x), load
