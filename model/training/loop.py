"""The training loop, top to bottom: rate, batch, losses, step, log, evaluate, save.

`train(recipe, out)` starts or resumes the run kept in `out`:
    recipe.json       the resolved recipe; another recipe in the same folder is refused
    run.json          when and with which versions, commit, machine and seeds the run was started or resumed
    state.pt          weights, heads, optimizer and step, every two minutes, at each evaluation and on Ctrl-C
    best.pt           the weights of the best moment, where a split decides
    people.npz        the painted pictures, if the data are synthetic people
    metrics.jsonl     losses, rates and validation figures
    encoder/          the checkpoint, written at the end, and results.json: what it reached
    last_good/        instead of these, the last good encoder of a run that could not go on
"""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.checkpoint import save_checkpoint
from model.errors import ConfigError
from model.progress import Progress
from model.training.batches import Batch, prefetched
from model.training.distributed import Team
from model.training.journal import Journal, record_start
from model.training.recipe import Recipe
from model.training.run import Run
from model.training.state import load_json
from model.training.stopping import stop_wish
from model.training.validation import HeldOutPart, figures, measure
from model.whole_file import write_whole

SAVE_SECONDS = 120.0
LOG_EVERY = 20
FIGURES = {"r1": "R@1", "r5": "R@5", "r10": "R@10", "mean_ap": "mAP", "mean_inp": "mINP"}
"""What the figures are called among people."""


def train(
    recipe: Recipe,
    out: Path,
    workers: int = 2,
    compiled: bool = False,
    tensorboard: bool = False,
    processes: Team | None = None,
) -> Path:
    """Run the recipe to its end and return the folder of the checkpoint. Resumes what `out` holds.

    `compiled` puts the vision tower through torch.compile: quicker steps after a minute, but it needs a
    C++ compiler. `processes` share every batch; one process on the CPU if None. Raises TrainingError when
    the loss is no longer a number or runs away, KeyboardInterrupt after a wish to stop.
    """
    processes = processes or Team()
    if processes.leads:
        keep_recipe(recipe, out)
    finished = out / "encoder"
    if (finished / "config.json").exists() and (out / "results.json").exists():
        return finished
    run = Run(recipe, out, workers, compiled, processes)
    run.resume()
    if processes.leads:
        record_start(out, recipe, run.step, processes.size)
        for notice in run.data.notices:
            print(f"notice: {notice}", flush=True)
    with Journal(out, run.step, processes.leads, tensorboard) as journal:
        take_steps(run, journal)
    return finish(run)


def take_steps(run: Run, journal: Journal) -> None:
    """All remaining steps, watched, logged and saved; what is saved is always the end of a whole step."""
    if run.step == 0:
        watched_figures(run, journal)
    saved = time.monotonic()
    with stop_wish() as wish, Progress(run.recipe.name, run.steps, "steps", start=run.step) as progress:
        for batch in remaining_batches(run):
            losses = run.take_step(batch.to(run.device))
            if run.watch.diverged:
                run.give_up(
                    f"The loss has grown from {run.watch.first:.3f} to {run.watch.smoothed:.3f} by step "
                    f"{run.step}: the run diverges."
                )
            progress.advance(note=f"loss {losses['loss']:.3f}")
            if run.step % LOG_EVERY == 0:
                journal.write(run.step, losses | {"learning_rate": run.learning_rate})
            if run.step % run.evaluate_every == 0 or run.step == run.steps:
                watched_figures(run, journal)
                saved = -math.inf
            if run.watch.well and (wish.noted or time.monotonic() - saved > SAVE_SECONDS):
                run.save()
                saved = time.monotonic()
            if wish.noted:
                raise KeyboardInterrupt
    run.save()


def remaining_batches(run: Run) -> Iterator[Batch]:
    """The batches of the steps still to be taken, made ahead."""
    run.encoder.train()
    return prefetched(run.data.source, run.step, run.steps, run.workers, run.team.share)


def watched_figures(run: Run, journal: Journal) -> None:
    """Measure the encoder on the watched part, note the figures and keep the best moment."""
    part = run.data.watched
    if part is not None and run.team.leads:
        measured = _measured(run, part)
        journal.write(run.step, measured)
        shown = ", ".join(f"{FIGURES[name]} {value:.1f}" for name, value in measured.items())
        print(f"step {run.step}, {part.split}: {shown}", flush=True)
        if run.data.selects:
            with run.kept_weights():
                run.best.offer(measured["r1"], run.step, run.encoder)
    run.team.wait()


def finish(run: Run) -> Path:
    """Restore the best moment, measure and write the checkpoint with its card; training heads stay behind."""
    folder = run.out / "encoder"
    if run.team.leads:
        results: dict[str, Any] = {"step": run.step, "protocol": _protocol(run), "cost": run.cost()}
        with run.kept_weights():
            if run.data.selects:
                run.best.restore(run.encoder)
                results |= {"selected_at_step": run.best.step, "selected_r1": run.best.r1}
            run.prepare_checkpoint()
            for name, part in (("watched", run.data.watched), ("reported", run.data.reported)):
                if part is not None:
                    results[name] = {"split": part.split} | _figures_of(run, part)
            card = {"recipe": run.recipe.model_dump(mode="json"), "results": results}
            save_checkpoint(folder, run.encoder, card, half=True)
        write_whole(run.out / "results.json", json.dumps(results, indent=1) + "\n")
    run.team.wait()
    return folder


def keep_recipe(recipe: Recipe, out: Path) -> None:
    """Save the resolved recipe. ConfigError where the folder holds anything that another one made,
    CheckpointError where what it holds cannot be read."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "recipe.json"
    resolved = recipe.model_dump(mode="json")
    made = ("state.pt", "people.npz", "encoder", "results.json")
    begun = path.exists() and any((out / name).exists() for name in made)
    if begun and load_json(path) != resolved:
        raise ConfigError(f"{out} holds a run of another recipe; give another --out or remove the folder.")
    write_whole(path, json.dumps(resolved, indent=1) + "\n")


def _measured(run: Run, part: HeldOutPart) -> dict[str, float]:
    with run.kept_weights():
        return figures(measure(part, run.encoder, run.device).text_to_image)


def _figures_of(run: Run, part: HeldOutPart) -> dict[str, Any]:
    return asdict(measure(part, run.encoder, run.device))


def _protocol(run: Run) -> str:
    """In words: what chose the weights that were measured."""
    if not run.steps:
        chosen = "nothing was trained or chosen"
    elif not run.data.selects:
        chosen = "the last step's weights; nothing was chosen"
    elif run.recipe.paper_protocol:
        return "the best moment on test, chosen on test as the authors did"
    else:
        chosen = "the best moment on validation"
    return chosen + ("; test was measured once" if run.data.reported else "; there is no test split")
