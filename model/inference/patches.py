"""Bytes to the patches' places in the stream: CLIP's one convolution, or the stem of a small encoder.

Normalising, (x / 255 - mean) / std, goes into the first weights. What is multiplied are bytes less 128, which
every float type holds exactly; a stem pads its input with the mean and takes off just that instead, as its
zeros at the border stand for the mean.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.stem import ConvolutionalStem

CENTRE = 128
BYTE = 255


@dataclass(frozen=True)
class Patches:
    """A convolution as a product: `weight` (width, size * size * 3) on patches of bytes less 128."""

    weight: torch.Tensor
    size: int
    stride: int

    def cut(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bytes (batch, height, width, 3) -> patches (batch, rows * columns, size * size * 3), still bytes.

        Patches overlap where the stride is smaller than their size.
        """
        parts = pixels.unfold(1, self.size, self.stride).unfold(2, self.size, self.stride)
        return parts.permute(0, 1, 2, 4, 5, 3).flatten(3).flatten(1, 2)


@dataclass(frozen=True)
class FoldedStem:
    """A stem without batch norm: `mean` (3,) is what it takes off the bytes."""

    stages: nn.Sequential
    mean: torch.Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> "FoldedStem":
        """The same on a device, its convolutions in `dtype`."""
        stages = copy.deepcopy(self.stages).to(device, dtype)
        stages.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return FoldedStem(stages, self.mean.to(device))

    def grid(self, pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Bytes (batch, height, width, 3) -> (batch, rows * columns, width) in `dtype`."""
        centred = (pixels - self.mean).to(dtype).permute(0, 3, 1, 2)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # which convolutions else round to
            grid: torch.Tensor = self.stages(centred)
        return grid.flatten(2).transpose(1, 2)


def fold_patches(
    module: nn.Module, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> tuple[Patches | FoldedStem, torch.Tensor]:
    """The first layer on bytes, and the bias (width,) in float64 that every position gets beside it."""
    device = next(module.parameters()).device
    means, deviations = (torch.tensor(part, dtype=torch.float64, device=device) for part in (mean, std))
    if isinstance(module, ConvolutionalStem):
        return _fold_stem(module, means, deviations), torch.zeros((), dtype=torch.float64, device=device)
    assert isinstance(module, nn.Conv2d)
    assert module.bias is None
    weight = module.weight.detach().double() / (BYTE * deviations)[:, None, None]
    bias = (weight * (CENTRE - BYTE * means)[:, None, None]).sum(dim=(1, 2, 3))
    flat = weight.permute(0, 2, 3, 1).flatten(1).float().contiguous()
    return Patches(flat, module.kernel_size[0], module.stride[0]), bias


def plain_stages(module: ConvolutionalStem) -> nn.Sequential:
    """A stem's stages without batch norm, in float64; a copy."""
    stages = copy.deepcopy(module.stages).double().eval().requires_grad_(False)
    _without_norms(stages)
    return stages


def _fold_stem(module: ConvolutionalStem, mean: torch.Tensor, std: torch.Tensor) -> FoldedStem:
    stages = plain_stages(module)
    first = stages[0]
    assert isinstance(first, nn.Conv2d)
    first.weight.div_((BYTE * std)[:, None, None])
    return FoldedStem(stages.float(), (BYTE * mean).float())


def _without_norms(module: nn.Module) -> None:
    """Every convolution with a batch norm behind it becomes one convolution, in place."""
    for name, child in module.named_children():
        parts = list(child.children())
        if len(parts) == 2 and isinstance(parts[0], nn.Conv2d) and isinstance(parts[1], nn.BatchNorm2d):
            setattr(module, name, fuse_conv_bn_eval(parts[0], parts[1]))
        else:
            _without_norms(child)
