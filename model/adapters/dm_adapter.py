"""DM-Adapter: Domain-Aware Mixture-of-Adapters (Liu et al., AAAI 2025).

On a frozen CLIP, beside every MLP a sparse mixture of bottleneck adapters: x + MLP(ln_2(x)) + s * M(ln_3(x)),
with s = 0.1 in vision and 4 in text. The router mixes a token's own logits with those of a learned domain
prompt of the block; a balance loss keeps the experts in use.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import nn

from model.adapters.adapter import Adapter, Beside, MethodConfig, RouterLoad, TowerAdapter, TowerShape
from model.adapters.experts import Expert, pick_experts, weighted_sum
from model.adapters.one_token import OneTokenTower, pick

ROUTER_STD = 0.02


class DmAdapterConfig(MethodConfig):
    """`top_k` of `experts` adapters per token, each with a bottleneck of width // `reduction`."""

    method: Literal["dm_adapter"] = "dm_adapter"
    experts: int = Field(default=6, gt=0)
    top_k: int = Field(default=2, gt=0)
    reduction: int = Field(default=8, gt=0)
    vision_scale: float = 0.1
    text_scale: float = 4.0

    def check(self, vision: TowerShape, text: TowerShape, context_length: int) -> None:
        """A token cannot pick more experts than there are, and a bottleneck needs a channel."""
        if self.top_k > self.experts:
            raise ValueError(f"top_k {self.top_k} exceeds the {self.experts} experts")
        if min(vision.width, text.width) < self.reduction:
            raise ValueError(
                f"a reduction of {self.reduction} leaves no bottleneck in widths {vision.width}, {text.width}"
            )

    def build(self, vision: TowerShape, text: TowerShape) -> "DmAdapter":
        """One mixture for every block of both towers."""
        return DmAdapter(self, vision, text)


class DmAdapter(Adapter):
    """The mixtures of both towers; parameters in the order of the published optimizer."""

    def __init__(self, config: DmAdapterConfig, vision: TowerShape, text: TowerShape) -> None:
        super().__init__()
        self.config = config
        self.vision = nn.ModuleList(DomainMixture(vision.width, config) for _ in range(vision.layers))
        self.text = nn.ModuleList(DomainMixture(text.width, config) for _ in range(text.layers))

    def vision_tower(self) -> TowerAdapter:
        """Mixtures beside the vision MLPs."""
        return DmAdapterTower(self.vision, self.config.vision_scale)

    def text_tower(self) -> TowerAdapter:
        """Mixtures beside the text MLPs."""
        return DmAdapterTower(self.text, self.config.text_scale)


class DmAdapterTower(OneTokenTower):
    """One tower's seams."""

    def __init__(self, mixtures: nn.ModuleList, scale: float) -> None:
        self.mixtures, self.scale = mixtures, scale

    def beside_mlp(self, index: int, x: torch.Tensor) -> Beside:
        """s * M(ln_3(x)), and how the block's router spread the tokens."""
        return self.mixtures[index](x, self.scale)  # type: ignore[no-any-return]

    def beside_mlp_at(self, index: int, x: torch.Tensor, token: torch.Tensor) -> Beside:
        """The same of one token of each row, but the router's load over all."""
        return self.mixtures[index](x, self.scale, token)  # type: ignore[no-any-return]


class DomainMixture(nn.Module):
    """One block's domain prompt, LayerNorm and mixture: (batch, tokens, width) -> the same shape, and the
    router's load."""

    def __init__(self, width: int, config: DmAdapterConfig) -> None:
        super().__init__()
        self.domain_prompt = nn.Parameter(torch.randn(width))
        self.norm = nn.LayerNorm(width)
        self.mixture = MixtureOfAdapters(width, config)

    def forward(
        self, x: torch.Tensor, scale: float = 1.0, token: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, RouterLoad]:
        """The mixture's output times the method's scale, and its router's load; `token` as in the
        mixture."""
        return self.mixture(self.norm(x), self.domain_prompt, scale, token)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Routing:
    """`logits` (..., experts) float32; `selected` (..., k) expert ids, best first; `weights` (...,
    experts), zero where an expert was not picked; `load` of each expert, for the balance loss."""

    logits: torch.Tensor
    selected: torch.Tensor
    weights: torch.Tensor
    load: RouterLoad


class MixtureOfAdapters(nn.Module):
    """Sparse Mixture-of-Adapters: M(z) = sum over the picked experts of weight * expert(z)."""

    def __init__(self, width: int, config: DmAdapterConfig) -> None:
        super().__init__()
        self.top_k = config.top_k
        self.alpha = nn.Parameter(torch.tensor(0.5))
        self.experts = nn.ModuleList(Expert(width, config.reduction) for _ in range(config.experts))
        self.input_gate = nn.Linear(width, config.experts, bias=False)
        self.domain_gate = nn.Linear(width, config.experts, bias=False)
        nn.init.normal_(self.input_gate.weight, std=ROUTER_STD)
        nn.init.normal_(self.domain_gate.weight, std=ROUTER_STD)

    def forward(
        self,
        z: torch.Tensor,
        domain_prompt: torch.Tensor,
        scale: float = 1.0,
        token: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, RouterLoad]:
        """Tokens (batch, tokens, width) -> scale * their mixture in the same shape, and the router's load.

        With `token` (batch,) the mixture is that of one position of each row, (batch, 1, width); the load
        still counts all.
        """
        routing = self.route(z, domain_prompt)
        weights, selected = scale * routing.weights, routing.selected
        if token is not None:
            z, weights, selected = (pick(part, token) for part in (z, weights, selected))
        experts = [expert for expert in self.experts if isinstance(expert, Expert)]
        return weighted_sum(experts, z, weights, selected), routing.load

    def route(self, z: torch.Tensor, domain_prompt: torch.Tensor) -> Routing:
        """Pick experts by g(z) = (1 - alpha) W_in z + alpha W_domain p; softmax over the picked logits
        only. float32."""
        with torch.autocast(z.device.type, enabled=False):
            own = F.linear(z.float(), self.input_gate.weight.float())
            domain = F.linear(domain_prompt.float(), self.domain_gate.weight.float())
            alpha = self.alpha.float()
            logits = (1 - alpha) * own + alpha * domain
            weights, selected = pick_experts(logits, self.top_k)
            return Routing(logits, selected, weights, router_load(logits, selected))


def router_load(logits: torch.Tensor, selected: torch.Tensor) -> RouterLoad:
    """How often each expert is wanted and picked, over all tokens; its `balance` is Eq. 6 of the paper.

    From `logits` (..., experts) and the picked experts `selected` (..., k); at perfect balance the loss is
    k / experts.
    """
    probability = logits.float().softmax(dim=-1).flatten(0, -2).mean(dim=0)
    picks = selected.flatten()
    picked = torch.zeros_like(probability).index_add(
        0, picks, torch.ones_like(picks, dtype=probability.dtype)
    )
    tokens = probability.new_full((), selected.numel() // selected.shape[-1])
    return RouterLoad(probability, picked / tokens, tokens)
