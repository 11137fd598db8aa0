"""What the scores of a ranking mean: how likely each hit is the person described, and whether any convinces.

What scores mean in galleries is learned by `cskt calibrate` (model/matching); here it is applied to
one gallery, which is represented by a sample of its crops and by the number of its passages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexer.errors import GalleryCorrupt
from indexer.gallery import Gallery
from model.matching.calibration import Calibration
from model.matching.likelihood import FEWEST, SAMPLE, Background, evidence

NOT_CALIBRATED = "What the scores of this encoder mean was never measured: see cskt calibrate."
TOO_FEW = f"The gallery holds fewer than {FEWEST} crops, too few to say what its scores mean."
NOT_ONE_TEXT = "Only the scores of a search for one text are calibrated."


@dataclass(frozen=True)
class Judgement:
    """probabilities: that a hit shows the person described, in the order of the hits; None: not known.

    convincing: whether the best hit reaches the threshold, which lets no more than `false_alarm_rate` of the
    questions for people who are not in the gallery through; `detection_rate` of the others find their person
    so, as far as it was measured on `calibrated_on`. Where nothing is known, `reason` says why.
    """

    probabilities: tuple[float | None, ...]
    convincing: bool | None = None
    threshold: float | None = None
    false_alarm_rate: float | None = None
    detection_rate: float | None = None
    calibrated_on: str | None = None
    reason: str | None = None


class Judge:
    """Judges rankings of one gallery as it was when the background was taken."""

    def __init__(self, calibration: Calibration, background: Background, rate: float) -> None:
        self._calibration, self._background, self._rate = calibration, background, rate
        self._threshold = calibration.threshold(rate, background.passages)
        self._detected = calibration.detected(rate, background.passages)

    def judge(
        self, vector: npt.NDArray[np.float32], best: float | None, scores: Sequence[float]
    ) -> Judgement:
        """Of the hits with these scores, for the unit vector (dimension,) of one text; `best` is the best
        score of the whole ranking, None when nobody was let through."""
        cosines = np.array([[*scores, *(() if best is None else (best,))]], dtype=np.float32)
        standing = self._background.standing(vector[None])
        seen = self._calibration.likelihood.probability(
            evidence(cosines, standing, self._background.passages)
        )[0].tolist()
        return Judgement(
            probabilities=tuple(seen[: len(scores)]),
            convincing=best is not None and seen[-1] >= self._threshold,
            threshold=self._threshold,
            false_alarm_rate=self._rate,
            detection_rate=self._detected,
            calibrated_on=self._calibration.data,
        )


@dataclass(frozen=True)
class NoJudge:
    """Stands where nothing is known, and says why."""

    reason: str

    def judge(self, _vector: object, _best: object, scores: Sequence[float]) -> Judgement:
        """A judgement without any figures."""
        return Judgement((None,) * len(scores), reason=self.reason)


def _vector(gallery: Gallery, id: int) -> npt.NDArray[np.float32] | None:
    """Of a row that is there and whole; a damaged one is for those to tell who look at it."""
    try:
        return gallery.vector(id)
    except GalleryCorrupt:
        return None


def open_judge(gallery: Gallery, calibration: Calibration | None, rate: float) -> Judge | NoJudge:
    """Takes the gallery's background as it is now: some seconds for millions of rows. Raises GalleryError."""
    if calibration is None:
        return NoJudge(NOT_CALIBRATED)
    ids = gallery.ids()
    chosen = ids[np.linspace(0, len(ids) - 1, min(len(ids), SAMPLE)).astype(np.int64)] if len(ids) else ids
    vectors = [vector for id in chosen.tolist() if (vector := _vector(gallery, id)) is not None]
    if len(vectors) < FEWEST:
        return NoJudge(TOO_FEW)
    return Judge(calibration, Background(np.stack(vectors), gallery.passages()), rate)
