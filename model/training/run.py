"""One training run: what is trained, with what, where it is kept, and how one step is taken."""

import contextlib
import math
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch

from model.checkpoint import save_checkpoint, stored
from model.encoder import PersonEncoder
from model.errors import CheckpointError, TrainingError
from model.losses import Losses
from model.text_mask import MASK_ID
from model.training.averaged import AveragedWeights
from model.training.batches import Batch
from model.training.building import build_encoder, require_possible
from model.training.confidence import ConfidenceRecord, pair_losses
from model.training.distributed import Team
from model.training.features import BatchFeatures, compute_in_parts, split_rows
from model.training.optimization import build_optimizer
from model.training.recipe import Recipe
from model.training.schedule import set_learning_rates
from model.training.state import (
    BEST,
    STATE,
    Best,
    Fact,
    load_state,
    moving_weights,
    require_same,
    restore_weights,
    save_state,
)
from model.training.stopping import LossWatch
from model.training.validation import open_data

DTYPES = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Run:
    """Everything a step needs; `step` counts the optimizer steps done."""

    def __init__(self, recipe: Recipe, out: Path, workers: int, compiled: bool, team: Team) -> None:
        self.recipe, self.out, self.workers, self.team, self.device = recipe, out, workers, team, team.device
        torch.manual_seed(recipe.seed)
        encoder, self.initial = build_encoder(recipe)
        self.encoder = encoder.to(self.device)
        require_possible(recipe, self.encoder, team)
        self.encoder.visual.recompute = self.encoder.text.recompute = recipe.recompute
        if compiled:
            self.encoder.visual.compile(dynamic=False)
        config = self.encoder.config
        self.data = open_data(recipe, config, out, workers, team)
        source = self.data.source
        self.losses = Losses(recipe.losses, config.backbone.embed_dim, source.identities).to(self.device)
        heads = [(f"heads.{name}", parameter) for name, parameter in self.losses.named_parameters()]
        self.trained = [parameter for _, parameter in self.encoder.trainable_parameters()]
        self.optimizer = build_optimizer([*self.encoder.trainable_parameters(), *heads], recipe.optimizer)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=recipe.precision == "float16")
        self.averaged = self.confidence = None
        if recipe.average_weights is not None:
            self.averaged = AveragedWeights(self.encoder.trainable_parameters(), recipe.average_weights)
        if recipe.noise_robust is not None:
            self.confidence = ConfidenceRecord(source.captions, recipe.noise_robust)
        self.best, self.watch = Best(out / "best.pt"), LossWatch()
        self.mean = torch.tensor(config.mean, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(config.std, device=self.device).view(1, 3, 1, 1)
        self.seen_tokens = torch.zeros(config.backbone.text.vocabulary_size, dtype=torch.bool)
        self.steps = recipe.steps if recipe.steps is not None else self._epoch_steps(recipe.epochs or 0)
        self.evaluate_every = recipe.evaluate_every or source.batches_per_epoch
        self.step, self.seconds, self._resumed = 0, 0.0, time.monotonic()

    @property
    def learning_rate(self) -> float:
        """The rate of the first parameter group, as it was in the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def resume(self) -> None:
        """Take up the state kept in the folder, if there is one."""
        path = self.out / "state.pt"
        state = load_state(path, STATE)
        self.team.agree(0 if state is None else state["step"], f"the state in {self.out}")
        if state is None:
            if self.team.leads:
                self.best.forget()
            return
        require_same(self.out, state["facts"], self._facts())
        try:
            self._take_up(state)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"The training state {path} is not one of this run; remove the run's folder to start anew."
            ) from error

    def _take_up(self, state: dict[str, Any]) -> None:
        restore_weights(self.encoder, state["weights"])
        self.losses.load_state_dict(state["losses"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        if self.confidence is not None:
            self.confidence.load_state_dict(state["confidence"])
        self.watch.load_state_dict(state["watch"])
        self.seen_tokens, self.step, self.seconds = state["seen_tokens"], state["step"], state["seconds"]

    def save(self) -> None:
        """Keep everything that the next step depends on."""
        if not self.team.leads:
            return
        state: dict[str, Any] = {
            "weights": moving_weights(self.encoder),
            "losses": self.losses.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "confidence": None if self.confidence is None else self.confidence.state_dict(),
            "watch": self.watch.state_dict(),
            "seen_tokens": self.seen_tokens,
            "step": self.step,
            "seconds": self._spent(),
            "facts": self._facts(),
        }
        save_state(self.out / "state.pt", state)

    def take_step(self, batch: Batch) -> dict[str, float]:
        """One optimizer step; returns the weighted losses. TrainingError if these are no numbers any more."""
        self._set_rates()
        if self.recipe.neutral_unseen_words:
            self.seen_tokens[batch.ids.flatten().cpu()] = True
        self.optimizer.zero_grad(set_to_none=True)
        values: dict[str, float] = {}

        def finish(own: BatchFeatures) -> torch.Tensor:
            features = replace(self.team.gathered(own, len(batch.identities)), hard_known=batch.hard_known)
            loss, parts = self._losses(features, batch)
            values.update(
                {"loss": loss.item()} | {f"loss.{name}": part.item() for name, part in parts.items()}
            )
            self._require_number(values["loss"], "loss")
            self._note_confidence(features, batch)
            return self.scaler.scale(loss)

        compute_in_parts(
            lambda rows: self._features(batch, rows),
            split_rows(len(batch.ids), self.recipe.micro_batch),
            finish,
        )
        self.team.sum_gradients(self.trained)
        self.team.mean_gradients(self.losses.parameters())
        values["gradient_norm"] = self._clip()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        self.watch.look(values["loss"])
        if self.averaged is not None:
            self.averaged.update(self.step - 1)
        epochs, between = divmod(self.step, self.data.source.batches_per_epoch)
        if self.confidence is not None and not between:
            self.confidence.divide(epochs)
        return values

    @torch.no_grad()
    def prepare_checkpoint(self) -> None:
        """The last changes to the weights before they are measured and kept, in half precision.

        Raises CheckpointError for weights that are too large for it.
        """
        if self.recipe.neutral_unseen_words:
            make_unseen_words_neutral(self.encoder, self.seen_tokens)
        self.encoder.load_state_dict(stored(self.encoder, half=True))

    def kept_weights(self) -> "contextlib.AbstractContextManager[None]":
        """Within it the encoder has the weights that are evaluated and kept: the averaged ones, if any."""
        return contextlib.nullcontext() if self.averaged is None else self.averaged.applied()

    def cost(self) -> dict[str, float]:
        """What the run took: seconds of training, trainable share, peak memory of this process."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if self.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self.device)
        total = sum(parameter.numel() for parameter in self.encoder.parameters())
        trainable = sum(parameter.numel() for parameter in self.trained) if self.steps else 0
        return {
            "seconds": round(self._spent(), 1),
            "trainable": trainable,
            "total": total,
            "trainable_percent": round(100 * trainable / total, 2),
            "peak_memory_mb": round(peak / 1e6),
        }

    def give_up(self, reason: str) -> NoReturn:
        """Raise TrainingError, the best or else the last good weights kept as an encoder.

        The kept state stays as it is: it was written while all was well, and what is in memory may not be
        (batch normalisation has taken in this step already).
        """
        known = load_state(self.out / "best.pt", BEST) or load_state(self.out / "state.pt", STATE)
        place = "There is no good state yet"
        if known is not None:
            restore_weights(self.encoder, known["weights"])
            if self.team.leads:
                save_checkpoint(self.out / "last_good", self.encoder)
            place = f"The last good encoder, of step {known['step']}, is in {self.out / 'last_good'}"
        raise TrainingError(
            f"{reason} {place}; start again in another --out with a lower rate "
            "(--set optimizer.learning_rate=...) or with --set gradient_clip=1.0."
        )

    def _features(self, batch: Batch, rows: slice) -> BatchFeatures:
        """The features of some of this process's rows."""
        pixels = batch.pixels[rows]
        if pixels.dtype == torch.uint8:
            pixels = (pixels.float() / 255 - self.mean) / self.std
        dtype = DTYPES[self.recipe.precision]
        with torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            found = self.encoder(pixels, self._cut(batch.ids[rows], batch))
            hard = None
            if batch.hard_ids is not None:
                hard = self.encoder.encode_text(self._cut(batch.hard_ids[rows], batch))
        return BatchFeatures(found.image, found.text, found.load, hard)

    def _cut(self, ids: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Without the padding behind the whole batch's longest caption, if the recipe says so."""
        if not self.recipe.shorten_captions:
            return ids
        return ids[:, : batch.longest + self.encoder.adapter.reserved_tokens]

    def _losses(self, features: BatchFeatures, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if self.confidence is None:
            return self.losses(features, batch.identities, batch.attributes)  # type: ignore[no-any-return]
        weights = self.confidence.of(batch.samples).to(self.device)
        return self.losses(features, batch.identities, batch.attributes, weights)  # type: ignore[no-any-return]

    def _note_confidence(self, features: BatchFeatures, batch: Batch) -> None:
        if self.confidence is not None:
            surprise = pair_losses(features.image, features.text, batch.identities)
            self.confidence.note(batch.samples, surprise.cpu())

    def _facts(self) -> dict[str, Fact]:
        """What must be the same when the run is taken up again."""
        source = self.data.source
        return {
            "captions": source.captions,
            "people": source.identities,
            "batches an epoch": source.batches_per_epoch,
            "pictures, identities or captions": self.data.digest,
            "initial weights": self.initial,
        }

    def _set_rates(self) -> None:
        schedule = self.recipe.schedule
        if schedule.unit == "step":
            done, total = self.step, self.recipe.schedule_steps or self.steps
        else:
            per_epoch = self.data.source.batches_per_epoch
            done, total = self.step // per_epoch, -(-self.steps // per_epoch)
        set_learning_rates(self.optimizer, schedule, done, total)

    def _clip(self) -> float:
        """Shorten the gradient where the recipe says so; returns the length it had."""
        self.scaler.unscale_(self.optimizer)
        trained = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        limit = self.recipe.gradient_clip or float("inf")
        norm = float(torch.nn.utils.clip_grad_norm_(trained, limit))
        if not self.scaler.is_enabled():  # it passes over such steps by itself, each time at half the scale
            self._require_number(norm, "gradient")
        elif self.scaler.get_scale() < 1:
            self.give_up(f"The gradients are no numbers in float16, in step {self.step + 1} and before it.")
        return norm

    def _require_number(self, value: float, what: str) -> None:
        """Give up unless the value is finite."""
        if not math.isfinite(value):
            self.give_up(f"The {what} is {value} in step {self.step + 1}.")

    def _epoch_steps(self, epochs: int) -> int:
        return epochs * self.data.source.batches_per_epoch

    def _spent(self) -> float:
        return self.seconds + time.monotonic() - self._resumed


def make_unseen_words_neutral(encoder: PersonEncoder, seen: torch.Tensor) -> None:
    """Tokens that no training caption held get the mask token's embedding: unknown words are passed over."""
    table = encoder.text.token_embedding.get_parameter("weight")
    with torch.no_grad():
        table[~seen] = table[MASK_ID].clone()
