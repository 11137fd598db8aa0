"""How many cores there are to use."""

import os

import pytest

from model import cores


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("150000 100000\n", 2),
        ("100000 100000\n", 1),
        ("1000 100000\n", 1),
        ("99900000 100000\n", 3),
        ("max 100000\n", 3),
        ("nonsense", 3),
        (None, 3),
    ],
)
def test_a_containers_limit_counts(tmp_path, monkeypatch, written, expected):
    if written is not None:
        (tmp_path / "cpu.max").write_text(written)
    monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 2, 5})
    assert cores.usable_cores() == expected
