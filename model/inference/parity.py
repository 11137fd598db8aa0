"""How far a form is from the float32 form: what both make of the same pictures and captions.

A form is good enough when a cosine p1 of `LEAST_P1` is reached by pictures and by captions (bfloat16,
float16), or when R@1 falls by at most `MOST_FALL` points (int8). The float32 form itself may differ from the
training form by `MOST_DIFFERENCE`.
"""

import datetime

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from model.encoder import PersonEncoder
from model.evaluation import BLOCK_SCORES, bootstrap_interval, rank_vectors
from model.inference.form import InferenceForm
from model.inference.precision import Precision
from model.inference.proven import Cosines, Parity
from model.split_vectors import SplitVectors
from model.transforms import Preprocess

Vectors = NDArray[np.float32]

LEAST_CAPTIONS = 300
"""Among fewer, one caption alone moves R@1 by more than the fall that is looked for."""

LEAST_P1 = 0.999
MOST_FALL = 0.3
MOST_DIFFERENCE = 1e-4
TOP = 10
ROUNDING = 1e-9
"""Of a change in percentage points, which is a difference of two means."""


class Exactness(BaseModel):
    """How far the float32 form is from the training form: the largest difference of a feature in length,
    relative, among some `pictures` and `captions`."""

    model_config = ConfigDict(frozen=True)

    images: float
    texts: float
    pictures: int
    captions: int


def measure_parity(exact: SplitVectors, form: SplitVectors, data: str, processor: str) -> Parity:
    """The report of a form from its vectors and those of the float32 form of the same split."""
    people = exact.caption_ids
    before, after = (
        rank_vectors(one.texts, one.images, people, exact.image_ids).first_match <= 1 for one in (exact, form)
    )
    return Parity(
        images=cosines(exact.images, form.images),
        texts=cosines(exact.texts, form.texts),
        top10_overlap=top_overlap((exact.texts, exact.images), (form.texts, form.images)),
        r1_float32=100 * float(before.mean()),
        r1=100 * float(after.mean()),
        r1_change=100 * (float(after.mean()) - float(before.mean())),
        r1_change_interval=bootstrap_interval(after.astype(np.float64) - before, people),
        data=data,
        pictures=len(exact.images),
        captions=len(exact.texts),
        processor=processor,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def cosines(exact: Vectors, form: Vectors) -> Cosines:
    """Of the rows of two arrays (n, dimension) of unit vectors."""
    found = np.einsum("nd,nd->n", exact.astype(np.float64), form.astype(np.float64))
    return Cosines(
        least=float(found.min()), p1=float(np.percentile(found, 1)), median=float(np.median(found))
    )


def top_overlap(exact: tuple[Vectors, Vectors], form: tuple[Vectors, Vectors], top: int = TOP) -> float:
    """The mean share (0 .. 1) of a query's `top` best gallery entries that both find; each is (queries,
    gallery). Of a smaller gallery all are the best."""
    queries, gallery = len(exact[0]), len(exact[1])
    top, block = min(top, gallery), max(1, BLOCK_SCORES // gallery)
    shared = 0
    for start in range(0, queries, block):
        first, second = (_best(one[0][start : start + block] @ one[1].T, top) for one in (exact, form))
        shared += int((first[:, :, None] == second[:, None, :]).sum())
    return shared / (queries * top)


def shortfall(precision: Precision, parity: Parity) -> str | None:
    """What a form falls short of, as a part of a sentence; None where it is good enough."""
    if parity.captions < LEAST_CAPTIONS:
        return f"{parity.captions} captions prove nothing, at least {LEAST_CAPTIONS} are needed"
    if precision == "int8":
        if parity.r1_change < -MOST_FALL - ROUNDING:
            return f"R@1 falls by {-parity.r1_change:.2f} points, more than {MOST_FALL}"
        return None
    for name, found in (("pictures", parity.images), ("captions", parity.texts)):
        if not found.p1 >= LEAST_P1:
            return f"the first percentile of the {name}' cosines is {found.p1:.5f}, below {LEAST_P1}"
    return None


def inexactness(exact: Exactness) -> str | None:
    """What the float32 form falls short of, as a part of a sentence; None where it is exact enough."""
    for name, apart in (("pictures", exact.images), ("captions", exact.texts)):
        if not apart <= MOST_DIFFERENCE:
            return f"{name} differ from the training form by {apart:.1e}, more than {MOST_DIFFERENCE:.0e}"
    return None


@torch.no_grad()
def compare_with_training(
    encoder: PersonEncoder, form: InferenceForm, pixels: torch.Tensor, ids: torch.Tensor
) -> Exactness:
    """The float32 form beside the network itself (on the CPU) on bytes (n, height, width, 3) and captions
    (m, context)."""
    config = encoder.config
    normalise = Preprocess(config.backbone.vision.image_size, config.mean, config.std).normalise
    normalised = torch.stack([normalise(Image.fromarray(one)) for one in pixels.numpy()])
    return Exactness(
        images=_difference(form.encode_image(pixels), encoder.encode_image(normalised)),
        texts=_difference(form.encode_text(ids), encoder.encode_text(ids)),
        pictures=len(pixels),
        captions=len(ids),
    )


def _difference(given: torch.Tensor, expected: torch.Tensor) -> float:
    differences = (given.cpu() - expected).norm(dim=1) / expected.norm(dim=1)
    return float(differences.max())


def _best(scores: ArrayLike, top: int) -> NDArray[np.int64]:
    """(queries, gallery) -> the places (queries, top) of the best, equal ones in gallery order."""
    return np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :top]
