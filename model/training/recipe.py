"""A recipe reproduces a run: the encoder, the data, the losses and the schedule, in one TOML file.

`cskt train NAME` reads `model/recipes/NAME.toml`; a path works as well. A recipe may stand on another one
(`extends = "NAME"`): its own entries win, table by table. `--set a.b=value` overrides one entry, `--set a.b=`
takes it out. The resolved recipe is saved beside the run and in the checkpoint's card.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.config import EncoderConfig
from model.errors import ConfigError
from model.losses import LossConfig
from model.training.optimization import OptimizerConfig
from model.training.schedule import ScheduleConfig
from model.transforms import AugmentationConfig

RECIPES = Path(__file__).parent.parent / "recipes"


Seed = Annotated[int, Field(ge=0, lt=2**64)]
"""What every source of randomness takes."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SyntheticPeopleData(_Frozen):
    """Pictures of synthetic people, painted once before training and augmented anew in every batch.

    `shapes` bodies are drawn over all `domains` (name -> share); each is rendered from `views` sides, each
    side painted with `looks` sets of colours (every look is another person) and told in `captions` ways.
    """

    kind: Literal["synthetic_people"] = "synthetic_people"
    domains: dict[str, float] = Field(min_length=1)
    shapes: int = Field(gt=0)
    views: int = Field(2, gt=0)
    looks: int = Field(4, gt=0)
    captions: int = Field(4, gt=0)
    view_size: tuple[int, int] = (192, 96)
    seed: Seed = 0
    validation_identities: int = Field(200, gt=1)
    validation_seed: Seed = 1


class CaptionedData(_Frozen):
    """A data set on disk with images and captions: its `name` in model.datasets, and where it lies.

    `skip_bad` leaves unusable images and captions out instead of stopping. With `sampler` identity a batch
    holds `per_identity` captions of each of its people. `wrong_captions` is the share of training captions
    that are dealt to other people's images, for experiments on noise.
    """

    kind: Literal["captioned"] = "captioned"
    name: str
    root: Path = Path("data")
    skip_bad: bool = False
    sampler: Literal["shuffle", "identity"] = "shuffle"
    per_identity: int = Field(4, gt=1)
    wrong_captions: float = Field(0.0, ge=0, lt=1)
    augmentation: AugmentationConfig = AugmentationConfig()


class Recipe(_Frozen):
    """Everything that reproduces a training run.

    Exactly one of `encoder` (built anew) and `initial` (`demo`, a checkpoint folder, openclip:MODEL/WEIGHTS)
    starts the run; with `initial`, `adapter` says what is fitted on top of its frozen backbone.

    Exactly one of `steps` (optimizer steps) and `epochs` (passes over the data) ends it; the schedule spans
    `schedule_steps` steps where a run shall end before its rate has fallen. `evaluate_every` counts steps;
    None is once an epoch. The best moment on the validation split is kept and measured on test once; with
    `paper_protocol` it is chosen on test, as the published figures were.

    `micro_batch` computes a batch in parts of so many rows, in less memory: features are computed twice, and
    the contrast stays that of the whole batch. `recompute` keeps a block's input only and runs it again in
    the backward pass. `precision` is that of matrix products; weights, optimizer and losses are float32.

    `hidden_words` is the share of caption tokens replaced by the mask token, which teaches the encoder to
    pass over words it does not know; with `neutral_unseen_words` every token that no caption held then gets
    the mask token's embedding. `published_text_mask` is DM-Adapter's own masking of training captions.
    `shorten_captions` leaves out the padding behind a batch's longest caption: the same features in less
    time, but DM-Adapter's balance loss then does not count padding, as the published runs do.

    `average_weights` is the decay of an exponential moving average of the weights, which then is what is
    evaluated and kept. `noise_robust` weighs every pair by how likely it is a true one, from that many epochs
    on (after RDE, see model.training.confidence).
    """

    name: str
    purpose: str
    seed: Seed = 1
    encoder: EncoderConfig | None = None
    initial: str | None = None
    adapter: dict[str, Any] | None = None
    data: Annotated[SyntheticPeopleData | CaptionedData, Field(discriminator="kind")]
    losses: tuple[LossConfig, ...] = Field(min_length=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    batch_size: int = Field(128, gt=1)
    steps: int | None = Field(None, ge=0)
    epochs: int | None = Field(None, ge=0)
    schedule_steps: int | None = Field(None, gt=0)
    evaluate_every: int | None = Field(None, gt=0)
    paper_protocol: bool = False
    micro_batch: int | None = Field(None, gt=0)
    recompute: bool = False
    gradient_clip: float | None = Field(None, gt=0)
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    hidden_words: float = Field(0.0, ge=0, lt=1)
    published_text_mask: bool = False
    shorten_captions: bool = False
    camera_augmentation: bool = True
    neutral_unseen_words: bool = False
    average_weights: float | None = Field(None, gt=0, lt=1)
    noise_robust: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.encoder is None) == (self.initial is None):
            raise ValueError("give exactly one of [encoder] and initial = 'FOLDER'")
        if self.encoder is not None and self.adapter is not None:
            raise ValueError("[adapter] is for a run with initial; beside [encoder] give [encoder.adapter]")
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of steps and epochs")
        if self.schedule_steps is not None and self.schedule.unit == "epoch":
            raise ValueError("schedule_steps needs [schedule] unit = 'step'")
        kinds = [loss.kind for loss in self.losses]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"each loss is given once, not {', '.join(kinds)}")
        method = (
            (self.adapter or {}).get("method", "full")
            if self.encoder is None
            else self.encoder.adapter.method
        )
        if "balance" in kinds and method != "dm_adapter":
            raise ValueError("the balance loss is that of DM-Adapter's routers; this adapter has none")
        if self.data.kind == "synthetic_people" and "identity" in kinds:
            raise ValueError("every synthetic person is seen once; the identity loss needs captioned data")
        if self.data.kind == "captioned":
            if "attributes" in kinds:
                raise ValueError("the attributes loss needs synthetic people, whose attributes are known")
            if self.data.sampler == "identity" and self.batch_size % self.data.per_identity:
                raise ValueError(
                    f"batches of {self.batch_size} cannot be filled with data.per_identity = "
                    f"{self.data.per_identity} captions of each person; batch_size must be a multiple of it"
                )
        swaps = any(loss.kind == "hard_captions" for loss in self.losses)
        if swaps and self.data.kind != "captioned":
            raise ValueError("the hard_captions loss needs captioned data, whose sentences it changes")
        weighed = any(loss.kind in ("sdm", "tal") for loss in self.losses)
        if self.noise_robust is not None and not weighed:
            raise ValueError("noise_robust weighs the pairs of the losses sdm and tal; give one of them")
        return self


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by name or path. Raises ConfigError with the first thing that does not fit."""
    path = _path(name)
    entries = _entries(path, ())
    for override in overrides:
        _override(entries, override)
    entries.setdefault("name", path.stem)
    try:
        return Recipe.model_validate(entries)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        place = f" at {where!r}" if where else ""
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"The recipe {path} does not fit{place}: {message}.") from error


def _path(name: str) -> Path:
    return Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"


def _entries(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    """The entries of a recipe and of those it stands on."""
    if path in below:
        raise ConfigError(f"The recipe {path} extends itself; correct its 'extends'.")
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(found.stem for found in RECIPES.glob("*.toml")))
        raise ConfigError(
            f"There is no recipe {path.stem!r}; known are {known}, or give the path of a .toml file."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The recipe {path} cannot be read: {error}.") from error
    earlier = entries.pop("extends", None)
    if earlier is None:
        return entries
    if not isinstance(earlier, str):
        raise ConfigError(f"The recipe {path} extends {earlier!r}; name one recipe.")
    return _merged(_entries(_path(earlier), (*below, path)), entries)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both_tables = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both_tables else value
    return merged


def _override(entries: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set takes a.b=value, not {override!r}.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, leaf = key.split(".")
    for parent in parents:
        entries = entries.setdefault(parent, {})
        if not isinstance(entries, dict):
            raise ConfigError(f"--set {override}: {parent!r} is not a table of the recipe.")
    if text:
        entries[leaf] = value
    else:
        entries.pop(leaf, None)
