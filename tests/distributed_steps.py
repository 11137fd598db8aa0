"""Run by torchrun in training/test_distributed.py: steps of a toy run; the leader writes their results."""

import sys
from pathlib import Path

import torch
from training_toys import pairs_recipe

from model.training.distributed import team
from model.training.run import Run

SDM = {"kind": "sdm", "scale": 5}  # at the published 50, float32 rounding alone reaches 1e-5
TOGETHER = {
    "full": [{"kind": "itc", "scale": 5}],
    "cskt": [{"kind": "sdm", "scale": 2}],
    "dm_adapter": [SDM, {"kind": "balance"}, {"kind": "identity"}, {"kind": "hard_captions", "scale": 5}],
}


def take(folder: Path, method: str, out: Path, processes, **changes):
    """Two steps; their losses, the gradients of the first and the parameters after the second."""
    recipe = pairs_recipe(folder, method, **{"batch_size": 7, "gradient_clip": 20.0} | changes)
    run = Run(recipe, out, 0, False, processes)
    with torch.no_grad():  # a mixture whose up-projections are zero would hide half of the gradients
        for name, parameter in run.encoder.adapter.named_parameters():
            if name.endswith("up.weight") and not parameter.any():
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(7))
    run.encoder.train()
    losses, gradients = [], []
    for step in range(2):
        losses.append(run.take_step(run.data.source.batch(step, processes.share)))
        named = run.encoder.trainable_parameters()
        gradients.append({name: None if v.grad is None else v.grad.clone() for name, v in named})
    return {
        "losses": losses,
        "gradients": gradients[0],  # those of the second step show its curvature as well
        "parameters": {name: value.detach() for name, value in run.encoder.trainable_parameters()},
        "heads": {name: value.detach() for name, value in run.losses.named_parameters()},
    }


if __name__ == "__main__":
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    with team("cpu") as processes:
        for method, losses in TOGETHER.items():
            result = take(folder, method, target, processes, losses=losses)
            if processes.leads:
                torch.save(result, target / f"{method}.pt")
