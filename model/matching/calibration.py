"""What is known of an encoder's scores: `matching.json` in its checkpoint folder.

It counts for exactly the weights, configuration and preprocessing it was measured with; when those have
changed since, it is as good as not there.
"""

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from model.errors import CheckpointError
from model.matching.likelihood import Likelihood
from model.whole_file import write_whole

FILE = "matching.json"

RATES = (0.005, 0.01, 0.02, 0.05, 0.1)
"""Of false alarms that can be chosen."""

DEFAULT_RATE = 0.02

_NEAR = 1.5
"""How many times larger or smaller than a size that was measured one may be."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Level(_Part):
    """A threshold for the best hit, and what it does; all of it shares of questions, in 0 .. 1.

    false_alarms: of those for people who are not there; detected, mistaken: of those for people who are, the
    right person and another one.
    """

    rate: float
    threshold: float
    false_alarms: float
    detected: float
    mistaken: float


class SizeReport(_Part):
    """Measured on people that nothing was fitted to, in galleries of about so many passages.

    r1: share of questions for people who are there that find them first; calibration_error of the best hits.
    """

    passages: int
    questions: int
    r1: float
    calibration_error: float
    levels: tuple[Level, ...]

    def level(self, rate: float) -> Level:
        """The one for this rate of false alarms, which is one of the RATES."""
        return next(level for level in self.levels if level.rate == rate)


class Calibration(_Part):
    """A likelihood with the thresholds that go with it, by size of the gallery, ascending."""

    format: Literal[1] = 1
    fingerprint: str
    data: str
    people: int
    date: str
    calibration_error: float
    likelihood: Likelihood
    sizes: tuple[SizeReport, ...]

    def threshold(self, rate: float, passages: int) -> float:
        """The least probability of a convincing hit, for one of the RATES, in a gallery of so many passages.

        Beyond the largest size as there, which errs on the safe side: thresholds fall as galleries grow.
        """
        return self._between("threshold", rate, passages)

    def detected(self, rate: float, passages: int) -> float | None:
        """Which share of the people who are there is found; None for sizes that nothing was measured near."""
        if not self.sizes[0].passages <= _NEAR * passages or passages > _NEAR * self.sizes[-1].passages:
            return None
        return self._between("detected", rate, passages)

    def _between(self, name: str, rate: float, passages: int) -> float:
        levels = [size.level(rate) for size in self.sizes]
        at = [np.log(size.passages) for size in self.sizes]
        return float(np.interp(np.log(max(passages, 1)), at, [getattr(level, name) for level in levels]))


def read_calibration(folder: Path | None, fingerprint: str) -> Calibration | None:
    """What is known of the encoder in `folder` that has this fingerprint; None where there is nothing.

    Raises CheckpointError for a file that cannot be read.
    """
    path = None if folder is None else folder / FILE
    if path is None or not path.is_file():
        return None
    try:
        found = Calibration.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        raise CheckpointError(
            f"{path}: cannot be read; remove it to go without probabilities, then run cskt calibrate again."
        ) from error
    return found if found.fingerprint == fingerprint else None


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Put it beside the encoder. Raises CheckpointError where nothing can be written."""
    try:
        write_whole(folder / FILE, calibration.model_dump_json(indent=1) + "\n")
    except OSError as error:
        raise CheckpointError(
            f"{folder / FILE} cannot be written ({error.strerror or error}); copy the encoder to a folder of "
            "your own and calibrate it there."
        ) from error
