"""Training in several processes (torchrun): who does what, and how their parts become one.

Every process encodes its rows of a batch. Features are then gathered, each process keeping the gradient of
its own rows, and all compute the loss of the whole batch; the gradients of the processes add up to the
gradient of that loss, so that N processes take the step that one would take on the whole batch. (The
published runs compute losses on each process's part alone.)
"""

import datetime
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import torch
import torch.distributed as dist

from model.adapters.adapter import RouterLoad
from model.errors import ConfigError
from model.training.batches import Share
from model.training.features import BatchFeatures, joined

PATIENCE = datetime.timedelta(hours=6)
"""How long processes wait for the one that evaluates, paints or writes."""


class Team:
    """The processes of a run; a team of one outside torchrun."""

    def __init__(self, rank: int = 0, size: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.size = rank, size
        self.device = device or torch.device("cpu")
        self.share = Share(rank, size)

    @property
    def leads(self) -> bool:
        """Whether this process writes files, evaluates and speaks."""
        return self.rank == 0

    def gathered(self, own: BatchFeatures, batch_size: int) -> BatchFeatures:
        """The features of the whole batch, rows in order; only the own ones carry a gradient."""
        if self.size == 1:
            return own
        parts = [self._received(own, rank, batch_size) for rank in range(self.size)]
        parts[self.rank] = own
        return joined(parts)

    def sum_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Add the processes' gradients up; a parameter without one is left without."""
        self._reduce(parameters, divisor=1)

    def mean_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Average gradients that every process computed from the whole batch."""
        self._reduce(parameters, divisor=self.size)

    def agree(self, value: int, what: str) -> None:
        """Raise ConfigError unless all processes have the same number."""
        if self.size == 1:
            return
        most, least = (torch.tensor(value, device=self.device) for _ in range(2))
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
        dist.all_reduce(least, op=dist.ReduceOp.MIN)
        if most != least:
            raise ConfigError(
                f"The processes do not see the same of {what}; put it on a disk that all share."
            )

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()

    def _reduce(self, parameters: Iterable[torch.nn.Parameter], divisor: int) -> None:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if self.size == 1 or not gradients:
            return
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= divisor
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, reduced in zip(gradients, parts, strict=True):
            gradient.copy_(reduced.view_as(gradient))

    def _received(self, own: BatchFeatures, rank: int, batch_size: int) -> BatchFeatures:
        """What `rank` computed, without gradient."""
        rows = Share(rank, self.size).rows(batch_size)
        count = rows.stop - rows.start
        load = own.load
        return BatchFeatures(
            image=self._broadcast(own.image, rank, count),
            text=self._broadcast(own.text, rank, count),
            hard_text=None if own.hard_text is None else self._broadcast(own.hard_text, rank, count),
            load=None
            if load is None
            else RouterLoad(
                *(
                    self._broadcast(part, rank, len(part))
                    for part in (load.probability, load.share, load.tokens)
                )
            ),
        )

    def _broadcast(self, own: torch.Tensor, rank: int, rows: int) -> torch.Tensor:
        shape = (rows, *own.shape[1:])
        sent = own.detach().contiguous().clone() if rank == self.rank else own.new_empty(shape)
        dist.broadcast(sent, rank)
        return sent


@contextmanager
def team(device: str) -> Iterator[Team]:
    """The processes started by torchrun, or this one alone; `device` is auto, cpu, cuda or cuda:N.

    Raises ConfigError for a device that is not there.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank, local = int(os.environ.get("RANK", "0")), int(os.environ.get("LOCAL_RANK", "0"))
    place = _device(device, local if size > 1 else None)
    if size == 1:
        yield Team(device=place)
        return
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        with quiet(rank != 0):
            yield Team(rank, size, place)
    finally:
        dist.destroy_process_group()


@contextmanager
def quiet(silent: bool) -> Iterator[None]:
    """What is printed within goes nowhere, if `silent`; errors raised get through."""
    if not silent:
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _device(name: str, local_rank: int | None) -> torch.device:
    from model.embedder import choose_device

    place = choose_device(name)
    if place.type != "cuda" or local_rank is None:
        return place
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"torchrun started process {local_rank} here, but torch sees {torch.cuda.device_count()} CUDA "
            "devices; start as many processes as there are."
        )
    return torch.device("cuda", local_rank)
