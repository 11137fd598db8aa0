"""Which rate and weight decay each tensor gets, and the optimizer over them.

The published recipes (CSKT, DM-Adapter and IRRA alike) give every trainable tensor a parameter group of its
own and set rates by substrings of its name, under Adam with coupled weight decay and an unusually large eps
of 1e-3, which damps the steps of tensors with small gradients. Pre-training from scratch uses AdamW and two
groups.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, TypedDict

import torch
from pydantic import BaseModel, ConfigDict, Field

CROSS_FACTOR = 5.0
BIAS_FACTOR = 2.0
CLASSIFIER_FACTOR = 5.0

Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(BaseModel):
    """`adam` with the papers' group rules, or `adamw` with decay on matrices only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    kind: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=4e-5, ge=0)
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    eps: float = Field(default=1e-3, gt=0)


class ParameterGroup(TypedDict):
    """One group as torch's optimizers take it; `base_lr` is what a schedule scales."""

    name: str
    params: list[torch.nn.Parameter]
    lr: float
    base_lr: float
    weight_decay: float


def parameter_groups(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]], base_lr: float, weight_decay: float = 4e-5
) -> list[ParameterGroup]:
    """One group per trainable tensor, in the given order, by the published rules.

    A later rule overrides the rate of an earlier one: "cross" -> 5 times; "bias" -> twice, without weight
    decay; "classifier" or "mlm_head" -> 5 times (their biases keep decay 0).
    """
    groups: list[ParameterGroup] = []
    for name, parameter in named_parameters:
        if not parameter.requires_grad:
            continue
        rate, decay = base_lr, weight_decay
        if "cross" in name:
            rate = base_lr * CROSS_FACTOR
        if "bias" in name:
            rate, decay = base_lr * BIAS_FACTOR, 0.0
        if "classifier" in name or "mlm_head" in name:
            rate = base_lr * CLASSIFIER_FACTOR
        groups.append(_group(name, [parameter], rate, decay))
    return groups


def plain_groups(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]], base_lr: float, weight_decay: float
) -> list[ParameterGroup]:
    """At most two groups at one rate: matrices with weight decay; vectors (biases, norms) without."""
    trainable = [parameter for _, parameter in named_parameters if parameter.requires_grad]
    matrices = [parameter for parameter in trainable if parameter.ndim >= 2]
    vectors = [parameter for parameter in trainable if parameter.ndim < 2]
    groups = [_group("matrices", matrices, base_lr, weight_decay), _group("vectors", vectors, base_lr, 0.0)]
    return [group for group in groups if group["params"]]


def build_optimizer(
    named_parameters: Iterable[tuple[str, torch.nn.Parameter]], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """The optimizer over the trainable tensors. Raises ValueError if there are none.

    A tensor without a gradient in a step is left alone by it: no momentum, no weight decay.
    """
    if config.kind == "adam":
        groups = parameter_groups(named_parameters, config.learning_rate, config.weight_decay)
    else:
        groups = plain_groups(named_parameters, config.learning_rate, config.weight_decay)
    if not groups:
        raise ValueError("nothing to optimise: no parameter requires a gradient")
    kind = torch.optim.Adam if config.kind == "adam" else torch.optim.AdamW
    return kind(
        [dict(group) for group in groups], lr=config.learning_rate, betas=config.betas, eps=config.eps
    )


def _group(name: str, parameters: list[torch.nn.Parameter], rate: float, decay: float) -> ParameterGroup:
    return {"name": name, "params": parameters, "lr": rate, "base_lr": rate, "weight_decay": decay}
