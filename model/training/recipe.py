"""A recipe reproduces a run: the encoder, the data, the losses and the schedule, in one TOML file.

`cskt train NAME` reads `model/recipes/NAME.toml`; a path works as well. `--set a.b=value` overrides one
entry. The resolved recipe is saved beside the run and in the checkpoint's card.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.config import EncoderConfig
from model.errors import ConfigError
from model.losses import LossConfig
from model.training.optimization import OptimizerConfig
from model.training.schedule import ScheduleConfig

RECIPES = Path(__file__).parent.parent / "recipes"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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
    seed: int = 0
    validation_identities: int = Field(200, gt=1)
    validation_seed: int = 1


class CaptionedData(_Frozen):
    """A data set on disk (`cuhk_pedes`, `icfg_pedes`, `rstp_reid`, `folder`) with images and captions."""

    kind: Literal["captioned"] = "captioned"
    name: str
    root: Path
    validation_split: str = "val"


class Recipe(_Frozen):
    """Everything that reproduces a training run.

    Exactly one of `encoder` (built anew) and `initial` (a checkpoint folder) starts the run; with `initial`,
    `adapter` says what is fitted on top of its frozen backbone. `steps` counts optimizer
    steps; the schedule spans `schedule_steps` of them, where a run shall end before its rate has fallen.

    `hidden_words` is the share of caption tokens replaced by the mask token, which teaches the encoder to
    pass over words it does not know; with `neutral_unseen_words` every token that no caption held then gets
    the mask token's embedding. `published_text_mask` is DM-Adapter's own masking of training captions.

    `shorten_captions` leaves out the padding behind a batch's longest caption: the same features in less
    time, but DM-Adapter's balance loss then does not count padding, as the published runs do.
    """

    name: str
    purpose: str
    seed: int = 1
    encoder: EncoderConfig | None = None
    initial: str | None = None
    adapter: dict[str, Any] | None = None
    data: Annotated[SyntheticPeopleData | CaptionedData, Field(discriminator="kind")]
    losses: tuple[LossConfig, ...] = Field(min_length=1)
    optimizer: OptimizerConfig = OptimizerConfig()
    schedule: ScheduleConfig = ScheduleConfig(unit="step")
    batch_size: int = Field(128, gt=1)
    steps: int = Field(gt=0)
    schedule_steps: int | None = Field(None, gt=0)
    gradient_clip: float | None = Field(None, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    hidden_words: float = Field(0.0, ge=0, lt=1)
    published_text_mask: bool = False
    shorten_captions: bool = False
    camera_augmentation: bool = True
    neutral_unseen_words: bool = False
    evaluate_every: int = Field(500, gt=0)


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by name or path. Raises ConfigError with the first thing that does not fit."""
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    try:
        entries = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(found.stem for found in RECIPES.glob("*.toml")))
        raise ConfigError(
            f"There is no recipe {name!r}; known are {known}, or give the path of a .toml file."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"The recipe {path} cannot be read: {error}.") from error
    for override in overrides:
        _override(entries, override)
    entries.setdefault("name", path.stem)
    try:
        recipe = Recipe.model_validate(entries)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"The recipe {path} does not fit at {where!r}: {first['msg']}.") from error
    if (recipe.encoder is None) == (recipe.initial is None):
        raise ConfigError(f"The recipe {path} must give exactly one of [encoder] and initial = 'FOLDER'.")
    return recipe


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
    entries[leaf] = value
