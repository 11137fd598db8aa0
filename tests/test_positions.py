"""Position grids: a loop that interpolates by hand is the truth."""

import math

import pytest
import torch

from model.positions import resize_position_grid


def naive_resize(table, source, target):
    grid = table[1:].reshape(*source, -1)
    rows = [table[0]]
    for y in range(target[0]):
        for x in range(target[1]):
            at = []
            for place, length, wanted in ((y, source[0], target[0]), (x, source[1], target[1])):
                position = max((place + 0.5) * length / wanted - 0.5, 0)
                low = min(math.floor(position), length - 1)
                at.append((low, min(low + 1, length - 1), position - low))
            (top, bottom, down), (left, right, across) = at
            upper = grid[top, left] * (1 - across) + grid[top, right] * across
            lower = grid[bottom, left] * (1 - across) + grid[bottom, right] * across
            rows.append(upper * (1 - down) + lower * down)
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("source", "target"),
    [((14, 14), (24, 8)), ((7, 7), (6, 2)), ((4, 9), (3, 5)), ((1, 1), (2, 3)), ((3, 2), (1, 1))],
)
def test_equals_the_loop(source, target):
    table = torch.randn(1 + source[0] * source[1], 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        resize_position_grid(table, source, target), naive_resize(table, source, target), atol=1e-5, rtol=0
    )


def test_the_same_grid_is_left_alone():
    table = torch.randn(7, 4)
    assert torch.equal(resize_position_grid(table, (3, 2), (3, 2)), table)


def test_half_precision_stays_half():
    assert resize_position_grid(torch.zeros(5, 4, dtype=torch.float16), (2, 2), (3, 1)).dtype == torch.float16


def test_a_table_of_another_grid_is_refused():
    with pytest.raises(ValueError, match="no 3 x 3 grid"):
        resize_position_grid(torch.zeros(9, 4), (3, 3), (2, 2))
