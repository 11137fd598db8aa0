"""The trainer on a GPU: the steps of the CPU in float32, and sound ones in half precision."""

from pathlib import Path

import pytest
import torch
from training_toys import pairs_recipe, write_pairs

from model.training.distributed import Team
from model.training.run import Run

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; torch sees none"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs")


def losses_of(folder: Path, out: Path, device: str, steps: int = 3, **changes: object) -> list[float]:
    run = Run(pairs_recipe(folder, **changes), out, 0, False, Team(device=torch.device(device)))
    run.encoder.train()
    batches = (run.data.source.batch(step).to(run.device) for step in range(steps))
    return [run.take_step(batch)["loss"] for batch in batches]


@pytest.mark.parametrize("method", ["full", "cskt", "dm_adapter"])
def test_float32_steps_are_those_of_the_cpu(method: str, folder: Path, tmp_path: Path) -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    on_cpu = losses_of(folder, tmp_path, "cpu", method=method)
    on_gpu = losses_of(folder, tmp_path, "cuda", method=method)
    assert on_gpu == pytest.approx(on_cpu, rel=2e-3)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_stays_near(precision: str, folder: Path, tmp_path: Path) -> None:
    exact = losses_of(folder, tmp_path, "cuda")
    rough = losses_of(folder, tmp_path, "cuda", precision=precision)
    assert rough == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_steps_move_the_weights(precision: str, folder: Path, tmp_path: Path) -> None:
    """A step that the scaler passes over leaves the losses near, too."""
    run = Run(
        pairs_recipe(folder, precision=precision), tmp_path, 0, False, Team(device=torch.device("cuda"))
    )
    run.encoder.train()
    before = [parameter.detach().clone() for parameter in run.trained]
    for step in range(6):
        run.take_step(run.data.source.batch(step).to(run.device))
    assert any(not torch.equal(old, new) for old, new in zip(before, run.trained, strict=True))


def test_a_resumed_run_goes_on_with_its_moments_on_the_gpu(folder: Path, tmp_path: Path) -> None:
    recipe = pairs_recipe(folder, average_weights=0.9, noise_robust=1)
    first = Run(recipe, tmp_path, 0, False, Team(device=torch.device("cuda")))
    first.encoder.train()
    first.take_step(first.data.source.batch(0).to(first.device))
    first.save()
    expected = first.take_step(first.data.source.batch(1).to(first.device))["loss"]
    again = Run(recipe, tmp_path, 0, False, Team(device=torch.device("cuda")))
    again.resume()
    again.encoder.train()
    assert again.take_step(again.data.source.batch(1).to(again.device))["loss"] == pytest.approx(expected)
