"""The training loop, top to bottom: rate, batch, losses, step, log, evaluate, save.

`train(recipe, out)` starts or resumes the run kept in `out`:
    recipe.json       the resolved recipe; another recipe in the same folder is refused
    run.json          when and with which versions, commit, machine and seeds the run was started or resumed
    state.pt          weights, heads, optimizer and step, every two minutes, at each evaluation and on Ctrl-C
    best.pt           the weights of the best moment, where a split decides
    people.npz        the painted pictures, if the data are synthetic people
    metrics.jsonl     losses, rates and validation figures
    encoder/          the checkpoint, written at the end, and results.json: what it reached
"""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model.checkpoint import save_checkpoint
from model.errors import ConfigError, TrainingError
from model.progress import Progress
from model.training.batches import Batch, prefetched
from model.training.distributed import team
from model.training.journal import Journal, record_start
from model.training.recipe import Recipe
from model.training.run import Run
from model.training.validation import HeldOutPart, figures, measure

SAVE_SECONDS = 120.0
LOG_EVERY = 20
DIVERGED = 2.0
"""A run is given up when its smoothed loss is that many times what it was at the start ..."""
SMOOTHING = 0.95
"""... smoothed so that some 20 steps count, and looked at from there on."""


def train(
    recipe: Recipe,
    out: Path,
    workers: int = 2,
    compiled: bool = False,
    device: str = "auto",
    tensorboard: bool = False,
) -> Path:
    """Run the recipe to its end and return the folder of the checkpoint. Resumes what `out` holds.

    `compiled` puts the vision tower through torch.compile: quicker steps after a minute, but it needs a
    C++ compiler. Under torchrun the processes share every batch. Raises TrainingError when the loss is no
    longer a number or runs away; the state of the last good step is kept then.
    """
    with team(device) as processes:
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
    """All remaining steps, watched, logged and saved."""
    watch = Watch()
    saved = time.monotonic()
    if run.step == 0:
        watched_figures(run, journal)
    with Progress(run.recipe.name, run.steps, "steps", start=run.step) as progress:
        try:
            for batch in remaining_batches(run):
                losses = run.take_step(batch.to(run.device))
                watch.look(losses["loss"], run)
                progress.advance(note=f"loss {losses['loss']:.3f}")
                if run.step % LOG_EVERY == 0:
                    journal.write(run.step, losses | {"learning_rate": run.learning_rate})
                if run.step % run.evaluate_every == 0 or run.step == run.steps:
                    watched_figures(run, journal)
                    saved = -math.inf
                if time.monotonic() - saved > SAVE_SECONDS:
                    run.save()
                    saved = time.monotonic()
        except TrainingError:
            raise  # what is on disk is from before it went wrong
        except BaseException:
            run.save()
            raise
    run.save()


class Watch:
    """Gives a run up when its loss runs away."""

    def __init__(self) -> None:
        self.first: float | None = None
        self.smoothed = 0.0
        self.looks = 0

    def look(self, loss: float, run: Run) -> None:
        """Raise TrainingError once the smoothed loss is DIVERGED times what it was in the beginning."""
        self.looks += 1
        self.smoothed = loss if self.looks == 1 else SMOOTHING * self.smoothed + (1 - SMOOTHING) * loss
        if self.looks == round(1 / (1 - SMOOTHING)):
            self.first = self.smoothed
        if self.first is not None and self.smoothed > DIVERGED * max(self.first, 1e-3):
            raise TrainingError(
                f"The loss has grown from {self.first:.3f} to {self.smoothed:.3f} by step {run.step}: the "
                f"run diverges. {run.remedy()}"
            )


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
        shown = ", ".join(f"{name} {value:.1f}" for name, value in measured.items())
        print(f"step {run.step}, {part.split}: {shown}", flush=True)
        if run.data.selects:
            with run.kept_weights():
                run.best.offer(measured["r1"], run.step, run.encoder)
    run.team.wait()


def finish(run: Run) -> Path:
    """Restore the best moment, measure it, write the checkpoint with its card; training heads stay behind."""
    folder = run.out / "encoder"
    if run.team.leads:
        results = {"step": run.step, "protocol": _protocol(run), "cost": run.cost()}
        with run.kept_weights():
            if run.data.selects:
                run.best.restore(run.encoder)
                results |= {"selected_at_step": run.best.step, "selected_r1": run.best.r1}
            for name, part in (("watched", run.data.watched), ("reported", run.data.reported)):
                if part is not None:
                    results[name] = {"split": part.split} | _figures_of(run, part)
            run.prepare_checkpoint()
            card: dict[str, Any] = {"recipe": run.recipe.model_dump(mode="json"), "results": results}
            save_checkpoint(folder, run.encoder, card, half=True)
        (run.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    run.team.wait()
    return folder


def keep_recipe(recipe: Recipe, out: Path) -> None:
    """Save the resolved recipe. ConfigError where the folder holds steps or pictures of another one."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "recipe.json"
    resolved = recipe.model_dump(mode="json")
    begun = (out / "state.pt").exists() or (out / "people.npz").exists()
    if begun and path.exists() and json.loads(path.read_text("utf-8")) != resolved:
        raise ConfigError(f"{out} holds a run of another recipe; give another --out or remove the folder.")
    path.write_text(json.dumps(resolved, indent=1) + "\n", "utf-8")


def _measured(run: Run, part: HeldOutPart) -> dict[str, float]:
    with run.kept_weights():
        return figures(measure(part, run.encoder, run.device).text_to_image)


def _figures_of(run: Run, part: HeldOutPart) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(measure(part, run.encoder, run.device))


def _protocol(run: Run) -> str:
    """In words: what chose the weights that were measured."""
    if not run.steps:
        return "nothing was trained or chosen; test was measured once"
    if not run.data.selects:
        return "the last step's weights; nothing was selected"
    if run.recipe.paper_protocol:
        return "the best epoch on test, chosen on test as the authors did"
    return "the best moment on validation; test was measured once"
