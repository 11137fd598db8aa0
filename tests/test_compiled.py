"""torch.compile is a switch of speed: a compiled step is the step."""

import shutil

import pytest
import torch
from training_toys import ADAPTERS, BACKBONE, pairs_recipe, write_pairs

from model.training.distributed import Team
from model.training.run import Run

ONE_BLOCK = BACKBONE | {tower: BACKBONE[tower] | {"layers": 1} for tower in ("vision", "text")}
"""Each further one takes the compiler half a minute."""
FEWER = {"dm_adapter": {}, "cskt": {"depth": 1}}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler's own making
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler; none is here")
@pytest.mark.parametrize("method", ["dm_adapter", "cskt"])
def test_a_compiled_step_is_the_step(method, tmp_path):
    """40 pairs of nine tokens: enough rows for the products that a CPU arranges specially."""
    folder = write_pairs(tmp_path / "pairs", identities=20)
    encoder = {"backbone": ONE_BLOCK, "adapter": ADAPTERS[method] | FEWER[method]}
    recipe, losses = pairs_recipe(folder, method, encoder=encoder, batch_size=40), []
    for compiled in (False, True):
        run = Run(recipe, tmp_path / str(compiled), 0, compiled, Team())
        run.encoder.train()
        losses.append([run.take_step(run.data.source.batch(step))["loss"] for step in range(2)])
    torch.compiler.reset()
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
