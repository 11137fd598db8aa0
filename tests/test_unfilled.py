"""Networks without values: the right shapes, nothing drawn, nothing imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_encoder import ADAPTERS, small_config

from model.encoder import PersonEncoder
from model.unfilled import unfilled

HERE = Path(__file__).parent
PROGRAM = """
import sys
from small_encoder import ADAPTERS, small_config
from model.encoder import PersonEncoder
from model.unfilled import unfilled
with unfilled():
    for adapter in ADAPTERS.values():
        for stem in ((), (8, 16)):
            PersonEncoder(small_config(adapter, stem))
print([name for name in ("torch._dynamo", "sympy", "open_clip", "torchvision") if name in sys.modules])
"""


@pytest.mark.parametrize("stem", [(), (8, 16)])
@pytest.mark.parametrize("method", ADAPTERS)
def test_everything_has_its_shape_and_no_value(method, stem):
    config = small_config(ADAPTERS[method], stem)
    with unfilled():
        state = PersonEncoder(config).state_dict()
    filled = PersonEncoder(config).state_dict()
    assert {value.device.type for value in state.values()} == {"meta"}
    assert {name: (v.shape, v.dtype) for name, v in state.items()} == {
        name: (v.shape, v.dtype) for name, v in filled.items()
    }


def test_no_random_number_is_used_up():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    with unfilled():
        PersonEncoder(small_config(ADAPTERS["dm_adapter"]))
    assert torch.equal(torch.rand(3), expected)


def test_outside_of_it_values_are_drawn_again():
    with unfilled():
        pass
    assert torch.nn.init.normal_(torch.zeros(100)).std() > 0.5
    assert torch.randn(100).device.type == "cpu"


def test_it_brings_no_compiler():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), str(HERE)])},
    )
    assert run.stdout.strip() == "[]"
