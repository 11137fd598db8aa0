"""A convolutional patch embedding for small encoders trained from scratch.

Stands where CLIP has one convolution (`visual.conv1`) and gives the same shape. Small transformers see
fine texture and colour much sooner behind a few 3x3 convolutions (Xiao et al., "Early convolutions help
transformers see better", NeurIPS 2021).
"""

from itertools import pairwise

import torch
from torch import nn


class ConvolutionalStem(nn.Module):
    """(batch, 3, height, width) -> (batch, output_width, height / 2**n, width / 2**n), n = len(widths) + 1.

    `widths` are the channels after each halving but the last, which gives `output_width`. Every stage but
    the first and the last is followed by one residual block.
    """

    def __init__(self, widths: tuple[int, ...], output_width: int) -> None:
        super().__init__()
        channels = (3, *widths, output_width)
        stages: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(channels)):
            stages.append(_convolution(before, after, stride=2))
            stages.append(nn.ReLU())
            if 0 < index < len(widths):
                stages.append(ResidualBlock(after))
        stages.append(nn.Conv2d(output_width, output_width, kernel_size=1))
        self.stages = nn.Sequential(*stages)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (batch, 3, height, width) to a feature grid (batch, output_width, rows, columns)."""
        return self.stages(pixels)  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around an identity connection (He et al., CVPR 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """(batch, channels, rows, columns) -> the same shape."""
        return torch.relu(grid + self.second(torch.relu(self.first(grid))))


def _convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(after)
    )
