"""An exponential moving average of the trained weights: what is evaluated and kept, if a recipe asks for it.

The average leaves out the last steps' noise (Polyak and Juditsky, "Acceleration of Stochastic Approximation
by Averaging", SIAM J. Control Optim. 1992; exponentially as in Tarvainen and Valpola, "Mean teachers are
better role models", NeurIPS 2017).
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from model.errors import CheckpointError


class AveragedWeights:
    """float32 averages of the trainable parameters among `named_parameters`.

    Only those: frozen weights need no average, and buffers stay the model's own (batch normalisation's
    running statistics, which are averages already). The parameters must stay the same objects. Raises
    ValueError if `decay` is not in 0 .. 1 (1 excluded) or nothing is trainable.
    """

    def __init__(self, named_parameters: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay is {decay}, not in 0 .. 1")
        self.decay = decay
        self._own = {name: parameter for name, parameter in named_parameters if parameter.requires_grad}
        if not self._own:
            raise ValueError("nothing to average: no parameter requires a gradient")
        self._averages = {
            name: parameter.detach().to(torch.float32, copy=True) for name, parameter in self._own.items()
        }

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights as they are after `step` optimizer steps.

        The share kept is min(decay, (1 + step) / (10 + step)): the initial weights are soon forgotten.
        """
        kept = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in self._own.items():
            self._averages[name].lerp_(parameter.float(), 1 - kept)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model holds the averages for the duration of the block, and its own weights again behind it,
        whatever happens inside; changes made to them inside are lost."""
        own = {name: parameter.detach().clone() for name, parameter in self._own.items()}
        try:
            self._write(self._averages)
            yield
        finally:
            self._write(own)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The averages by name: the live tensors, as torch's own state dictionaries hold them."""
        return dict(self._averages)

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take up kept averages. Raises CheckpointError if they are of other tensors."""
        shapes = {name: value.shape for name, value in state.items()}
        if shapes != {name: value.shape for name, value in self._averages.items()}:
            raise CheckpointError(
                "The kept run averages other weights than this network trains; "
                "start a new run in another folder."
            )
        for name, average in self._averages.items():
            average.copy_(state[name])

    @torch.no_grad()
    def _write(self, values: Mapping[str, torch.Tensor]) -> None:
        for name, parameter in self._own.items():
            parameter.copy_(values[name])
