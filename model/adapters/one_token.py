"""Seams that can answer for one token of each row alone: the last block's, of which one token is read."""

import torch

from model.adapters.adapter import Beside, TowerAdapter


class OneTokenTower(TowerAdapter):
    """One tower's seams; a method offers this where nothing but its router depends on the other tokens."""

    def beside_mlp_at(self, index: int, x: torch.Tensor, token: torch.Tensor) -> Beside:
        """`beside_mlp` at one position `token` (batch,) of each row of x (batch, tokens, width).

        What is added is (batch, 1, width); the router's load still counts every token.
        """
        return None, None


def pick(x: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
    """One position `token` (batch,) of each row of x (batch, tokens, width): (batch, 1, width)."""
    return x[torch.arange(len(x), device=x.device), token][:, None]
