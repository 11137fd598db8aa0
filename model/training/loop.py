"""The training loop, top to bottom: rate, batch, losses, step, log, evaluate, save.

`train(recipe, out)` starts or resumes the run kept in `out`:
    recipe.json       the resolved recipe; another recipe in the same folder is refused
    state.pt          weights, heads, optimizer and step, every two minutes and on Ctrl-C
    people.npz        the painted pictures, if the data are synthetic people
    journal.jsonl     losses and validation figures
    encoder/          the checkpoint, written at the end
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from model.checkpoint import load_checkpoint, save_checkpoint
from model.config import EncoderConfig
from model.encoder import PersonEncoder
from model.errors import ConfigError
from model.losses import Losses
from model.progress import Progress
from model.text_mask import MASK_ID
from model.training.batches import Batch, BatchSource, prefetched
from model.training.journal import Journal
from model.training.optimization import build_optimizer
from model.training.recipe import Recipe
from model.training.schedule import set_learning_rates
from model.training.state import load_state, save_state
from model.training.validation import Validation, open_data

SAVE_SECONDS = 120.0
LOG_EVERY = 20


def build_encoder(recipe: Recipe) -> PersonEncoder:
    """A new encoder, or the recipe's adapter on the backbone of an earlier checkpoint."""
    if recipe.encoder is not None:
        return PersonEncoder(recipe.encoder)
    assert recipe.initial is not None  # load_recipe holds that one of the two is given
    earlier = load_checkpoint(Path(recipe.initial))
    adapter = recipe.adapter or {"method": "full"}
    config = EncoderConfig.model_validate(earlier.config.model_dump() | {"adapter": adapter})
    encoder = PersonEncoder(config)
    encoder.visual.load_state_dict(earlier.visual.state_dict())
    encoder.text.load_state_dict(earlier.text.state_dict())
    encoder.adapter.backbone_loaded(encoder.text.token_embedding.get_parameter("weight"))
    return encoder


class Run:
    """One training run: what is trained, with what, and where it is kept."""

    def __init__(self, recipe: Recipe, out: Path, workers: int, compiled: bool) -> None:
        self.recipe, self.out, self.workers = recipe, out, workers
        torch.manual_seed(recipe.seed)
        self.encoder = build_encoder(recipe)
        if compiled:
            self.encoder.visual.compile(dynamic=False)
        self.source: BatchSource
        self.validation: Validation
        self.source, self.validation = open_data(recipe, self.encoder.config, out, workers)
        config = self.encoder.config
        self.losses = Losses(recipe.losses, config.backbone.embed_dim, self.source.identities)
        heads = [(f"heads.{name}", parameter) for name, parameter in self.losses.named_parameters()]
        self.optimizer = build_optimizer([*self.encoder.trainable_parameters(), *heads], recipe.optimizer)
        self.mean = torch.tensor(config.mean).view(1, 3, 1, 1)
        self.std = torch.tensor(config.std).view(1, 3, 1, 1)
        self.seen_tokens = torch.zeros(config.backbone.text.vocabulary_size, dtype=torch.bool)
        self.step = 0

    def resume(self) -> None:
        """Take up the state kept in the folder, if there is one."""
        state = load_state(self.out / "state.pt")
        if state is None:
            return
        self.encoder.load_state_dict(state["encoder"])
        self.losses.load_state_dict(state["losses"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.seen_tokens, self.step = state["seen_tokens"], state["step"]

    def save(self) -> None:
        """Keep everything that the next step depends on."""
        state: dict[str, Any] = {
            "encoder": self.encoder.state_dict(),
            "losses": self.losses.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "seen_tokens": self.seen_tokens,
            "step": self.step,
        }
        save_state(self.out / "state.pt", state)

    def take_step(self, batch: Batch) -> dict[str, float]:
        """One optimizer step; returns the weighted losses."""
        recipe = self.recipe
        total = recipe.schedule_steps or recipe.steps
        set_learning_rates(self.optimizer, recipe.schedule, self.step, total)
        self.seen_tokens[batch.ids.flatten()] = True
        pixels = batch.pixels
        if pixels.dtype == torch.uint8:
            pixels = (pixels.float() / 255 - self.mean) / self.std
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            features = self.encoder(pixels, batch.ids, recipe.shorten_captions)
        loss, parts = self.losses(features, batch.identities, batch.attributes)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if recipe.gradient_clip is not None:
            trainable = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(trainable, recipe.gradient_clip)
        self.optimizer.step()
        self.step += 1
        return {"loss": loss.item()} | {f"loss.{name}": part.item() for name, part in parts.items()}

    def finish(self, figures: dict[str, float]) -> Path:
        """Write the checkpoint with its card; training heads stay behind."""
        if self.recipe.neutral_unseen_words:
            make_unseen_words_neutral(self.encoder, self.seen_tokens)
        card = {"recipe": self.recipe.model_dump(mode="json"), "steps": self.step, "validation": figures}
        save_checkpoint(self.out / "encoder", self.encoder, card, half=True)
        return self.out / "encoder"


def make_unseen_words_neutral(encoder: PersonEncoder, seen: torch.Tensor) -> None:
    """Tokens that no training caption held get the mask token's embedding: unknown words are passed over."""
    table = encoder.text.token_embedding.get_parameter("weight")
    with torch.no_grad():
        table[~seen] = table[MASK_ID].clone()


def train(recipe: Recipe, out: Path, workers: int = 2, compiled: bool = False) -> Path:
    """Run the recipe to its end and return the folder of the checkpoint. Resumes what `out` holds.

    `compiled` puts the vision tower through torch.compile: quicker steps after a minute, but it needs a
    C++ compiler.
    """
    keep_recipe(recipe, out)
    run = Run(recipe, out, workers, compiled)
    run.resume()
    journal = Journal(out, run.step)
    figures: dict[str, float] = {}
    saved = time.monotonic()
    with Progress(recipe.name, recipe.steps, "steps", start=run.step) as progress:
        try:
            for batch in _remaining_batches(run):
                losses = run.take_step(batch)
                progress.advance(note=f"loss {losses['loss']:.3f}")
                if run.step % LOG_EVERY == 0:
                    journal.write(run.step, losses)
                if run.step % recipe.evaluate_every == 0 or run.step == recipe.steps:
                    figures = asdict(run.validation.metrics(run.encoder))
                    journal.write(run.step, figures)
                    print(
                        f"step {run.step}: " + ", ".join(f"{k} {v:.1f}" for k, v in figures.items()),
                        flush=True,
                    )
                if time.monotonic() - saved > SAVE_SECONDS:
                    run.save()
                    saved = time.monotonic()
        finally:
            run.save()
    return run.finish(figures or asdict(run.validation.metrics(run.encoder)))


def _remaining_batches(run: Run) -> Iterator[Batch]:
    run.encoder.train()
    return prefetched(run.source, run.step, run.recipe.steps, run.workers)


def keep_recipe(recipe: Recipe, out: Path) -> None:
    """Save the resolved recipe. Raises ConfigError where the folder holds a run of another one."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / "recipe.json"
    resolved = recipe.model_dump(mode="json")
    if path.exists() and json.loads(path.read_text("utf-8")) != resolved:
        raise ConfigError(f"{out} holds a run of another recipe; give another --out or remove the folder.")
    path.write_text(json.dumps(resolved, indent=1) + "\n", "utf-8")
