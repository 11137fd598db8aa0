"""Networks built without values, to be filled from a file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@contextmanager
def unfilled() -> Iterator[None]:
    """Modules built inside have shapes and no values (device "meta"), and no time is spent on any.

    Random values are not even asked for: what torch does for normal ones on "meta" is written in Python and
    imports its compiler, a second and 100 MB.
    """
    with torch.device("meta"), _NothingDrawn():
        yield


class _NothingDrawn(TorchFunctionMode):
    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        given = dict(kwargs or {})
        if function in (torch.Tensor.normal_, nn.init.normal_):
            return args[0] if args else given["tensor"]
        return (torch.empty if function is torch.randn else function)(*args, **given)
