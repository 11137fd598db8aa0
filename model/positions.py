"""Fitting a vision transformer's position embedding to another patch grid."""

import torch
import torch.nn.functional as F


def resize_position_grid(
    table: torch.Tensor, source: tuple[int, int], target: tuple[int, int]
) -> torch.Tensor:
    """Position embeddings for a `source` grid (rows, columns) -> for a `target` grid.

    `table` is (1 + rows * columns, width): the class token's row, then the grid row by row. The class
    token's row is kept; the grid is interpolated bilinearly without aligned corners and without
    antialiasing, as CLIP-based person retrieval does (open_clip itself would use antialiased bicubic).
    Raises ValueError if the table is not a `source` grid.
    """
    rows, columns = source
    if table.ndim != 2 or len(table) != 1 + rows * columns:
        raise ValueError(
            f"a table of shape {tuple(table.shape)} is no {rows} x {columns} grid with a class token"
        )
    if source == target:
        return table
    grid = table[1:].reshape(1, rows, columns, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(grid.float(), size=target, mode="bilinear", align_corners=False, antialias=False)
    flat = resized.permute(0, 2, 3, 1).reshape(target[0] * target[1], -1).to(table.dtype)
    return torch.cat([table[:1], flat])
