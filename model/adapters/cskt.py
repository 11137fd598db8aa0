"""CSKT: CLIP-based Synergistic Knowledge Transfer (Liu et al., ICASSP 2024).

Two parts on a frozen CLIP. Bidirectional Prompts Transferring: text and vision prompts at `depth` levels,
each level carried over to the other tower by a linear coupling. Dual Adapters Transferring: a bottleneck
beside every MLP, x + MLP(ln_2(x)) + s * A(ln_3(x)), with s = 0.1 in vision and 4 in text.
"""

from typing import Literal

import torch
from pydantic import Field
from torch import nn

from model.adapters.adapter import Adapter, Beside, MethodConfig, TowerAdapter, TowerShape
from model.adapters.one_token import OneTokenTower, pick

# "a photo of a person or a pedestrian" and "x" as token ids. They only hold places open in a caption: prompts
# overwrite their embeddings.
TEMPLATE_IDS = (320, 1125, 539, 320, 2533, 541, 320, 18256)
FILLER_ID = 343
PROMPT_STD = 0.02


class CsktConfig(MethodConfig):
    """`prompts` vectors per modality and level, at `depth` levels; bottleneck = width // `reduction`.

    `prompts_from_words` starts level 0 of the text prompts at CLIP's embeddings of "a photo of a ..." once
    pretrained weights are read (up to 8 prompts), as the paper's prompt templates do; the published code
    starts at random.
    """

    method: Literal["cskt"] = "cskt"
    prompts: int = Field(default=4, gt=0)
    depth: int = Field(default=12, gt=0)
    reduction: int = Field(default=8, gt=0)
    vision_scale: float = 0.1
    text_scale: float = 4.0
    prompts_from_words: bool = False

    def check(self, vision: TowerShape, text: TowerShape, context_length: int) -> None:
        """The depth must not exceed the deeper tower, and a caption must keep room beside the prompts."""
        if self.depth > max(vision.layers, text.layers):
            raise ValueError(
                f"prompt depth {self.depth} exceeds the towers' {vision.layers} and {text.layers} layers"
            )
        if 2 * self.prompts > context_length - 3:
            raise ValueError(f"{self.prompts} prompts leave no room for a caption of {context_length} tokens")
        if min(vision.width, text.width) < self.reduction:
            raise ValueError(
                f"a reduction of {self.reduction} leaves no bottleneck in widths {vision.width}, {text.width}"
            )
        if self.prompts_from_words and self.prompts > len(TEMPLATE_IDS):
            raise ValueError(
                f"prompts_from_words starts at most {len(TEMPLATE_IDS)} prompts, not {self.prompts}"
            )

    def build(self, vision: TowerShape, text: TowerShape) -> "Cskt":
        """Prompts, couplings and adapters for both towers."""
        return Cskt(self, vision, text)


class Cskt(Adapter):
    """Both parts of the method; parameters in the order of the published optimizer."""

    def __init__(self, config: CsktConfig, vision: TowerShape, text: TowerShape) -> None:
        super().__init__()
        self.config = config
        self.reserved_tokens = 2 * config.prompts
        self.vision = nn.ModuleList(SideAdapter(vision.width, config.reduction) for _ in range(vision.layers))
        self.text = nn.ModuleList(SideAdapter(text.width, config.reduction) for _ in range(text.layers))
        self.prompts = BidirectionalPrompts(config.prompts, config.depth, vision.width, text.width)

    def vision_tower(self) -> TowerAdapter:
        """Prompts behind the patches, adapters beside the MLPs."""
        return CsktTower(self.prompts.for_vision(), False, self.vision, self.config.vision_scale)

    def text_tower(self) -> TowerAdapter:
        """Prompts right behind the start token, adapters beside the MLPs."""
        return CsktTower(self.prompts.for_text(), True, self.text, self.config.text_scale)

    def caption_ids(self, ids: torch.Tensor) -> torch.Tensor:
        """Captions (batch, context) moved behind the prompts' places."""
        return open_prompt_places(ids, self.config.prompts)

    def backbone_loaded(self, token_embedding: torch.Tensor) -> None:
        """Start the first text prompts at the template's words, if so configured."""
        if self.config.prompts_from_words:
            words = torch.tensor(TEMPLATE_IDS[: self.config.prompts], device=token_embedding.device)
            with torch.no_grad():
                self.prompts.text_prompt.copy_(token_embedding[words])


class CsktTower(OneTokenTower):
    """One tower's seams; `levels` are the 2n prompts (2n, width) of each level.

    In text they stand at positions 1..2n (`in_front`), in vision they are the last 2n positions. Blocks from
    `depth` on keep what the block before them left there.
    """

    def __init__(
        self, levels: list[torch.Tensor], in_front: bool, adapters: nn.ModuleList, scale: float
    ) -> None:
        self.levels, self.in_front, self.adapters, self.scale = levels, in_front, adapters, scale

    def extend(self, tokens: torch.Tensor) -> torch.Tensor:
        """Vision: appended (the sequence grows by 2n). Text: put over the places held open (the length
        stays)."""
        if self.in_front:
            return self._replace(tokens, self.levels[0])
        return torch.cat([tokens, _for_each(tokens, self.levels[0])], dim=1)

    def before_block(self, index: int, x: torch.Tensor) -> torch.Tensor:
        """Fresh prompts for levels 1 .. depth - 1."""
        return self._replace(x, self.levels[index]) if 1 <= index < len(self.levels) else x

    def beside_mlp(self, index: int, x: torch.Tensor) -> Beside:
        """s * A(ln_3(x))."""
        return self.scale * self.adapters[index](x), None

    def beside_mlp_at(self, index: int, x: torch.Tensor, token: torch.Tensor) -> Beside:
        """The same of one token of each row."""
        return self.beside_mlp(index, pick(x, token))

    def _replace(self, x: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        slots = len(prompts)
        if self.in_front:
            return torch.cat([x[:, :1], _for_each(x, prompts), x[:, 1 + slots :]], dim=1)
        return torch.cat([x[:, :-slots], _for_each(x, prompts)], dim=1)


class BidirectionalPrompts(nn.Module):
    """Text and vision prompts of `depth` levels, and the couplings that carry each to the other tower.

    Level 0 stands apart from the deeper ones, as in the published optimizer's order.
    """

    def __init__(self, count: int, depth: int, vision_width: int, text_width: int) -> None:
        super().__init__()
        deeper = range(depth - 1)
        self.text_prompt = nn.Parameter(torch.empty(count, text_width))
        self.vision_prompt = nn.Parameter(torch.empty(count, vision_width))
        self.text_to_vision = nn.Linear(text_width, vision_width)
        self.deep_text_prompts = nn.ParameterList(torch.empty(count, text_width) for _ in deeper)
        self.deep_text_to_vision = nn.ModuleList(nn.Linear(text_width, vision_width) for _ in deeper)
        self.deep_vision_prompts = nn.ParameterList(torch.empty(count, vision_width) for _ in deeper)
        self.vision_to_text = nn.Linear(vision_width, text_width)
        self.deep_vision_to_text = nn.ModuleList(nn.Linear(vision_width, text_width) for _ in deeper)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, std=PROMPT_STD)

    def for_vision(self) -> list[torch.Tensor]:
        """Per level (2n, vision width): the transferred text prompts, then the own ones."""
        text, vision = self._levels()
        couplings = [self.text_to_vision, *self.deep_text_to_vision]
        return [torch.cat([carry(t), v]) for carry, t, v in zip(couplings, text, vision, strict=True)]

    def for_text(self) -> list[torch.Tensor]:
        """Per level (2n, text width): the own prompts, then the transferred vision prompts."""
        text, vision = self._levels()
        couplings = [self.vision_to_text, *self.deep_vision_to_text]
        return [torch.cat([t, carry(v)]) for carry, t, v in zip(couplings, text, vision, strict=True)]

    def _levels(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        return [self.text_prompt, *self.deep_text_prompts], [self.vision_prompt, *self.deep_vision_prompts]


class SideAdapter(nn.Module):
    """A(ln_3(x)): an own LayerNorm and a bottleneck with ReLU, (batch, tokens, width) -> the same shape."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down = nn.Linear(width, width // reduction)
        self.up = nn.Linear(width // reduction, width)
        for layer in (self.down, self.up):
            nn.init.normal_(layer.weight, std=PROMPT_STD)
            nn.init.zeros_(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The adapter's output before the method's scale."""
        return self.up(torch.relu(self.down(self.norm(x))))  # type: ignore[no-any-return]


def placeholder_ids(prompts: int) -> tuple[int, ...]:
    """The 2n token ids that hold the prompts' places in a caption; never read as words."""
    template = TEMPLATE_IDS[:prompts] if prompts <= len(TEMPLATE_IDS) else (FILLER_ID,) * prompts
    return (FILLER_ID,) * prompts + template


def open_prompt_places(ids: torch.Tensor, prompts: int) -> torch.Tensor:
    """Captions (batch, context) with 2n places behind the start token; a new tensor.

    The words move back by 2n. A caption that would lose its end token keeps it at the last position and loses
    its tail instead. The end is found as the largest id, which must be larger than those of the places: ids
    of CLIP's own vocabulary, which end in 49407, are so.
    """
    places = torch.tensor(placeholder_ids(prompts), device=ids.device, dtype=ids.dtype)
    context, room = ids.shape[1], ids.shape[1] - len(places)
    moved = torch.cat([ids[:, :1], places.expand(len(ids), -1), ids[:, 1:room]], dim=1)
    assert moved.shape[1] == context
    ends = ids.argmax(dim=1)
    last = torch.where(ends < room, moved[:, -1], ids.amax(dim=1))
    return torch.cat([moved[:, :-1], last[:, None]], dim=1)


def _for_each(x: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
    return prompts.to(x.dtype).expand(len(x), -1, -1)
