"""How well sentences find people: R@k, mAP, mINP, and how sure the figure is.

Every query ranks the whole gallery by falling similarity; equal scores keep gallery order (the published
code leaves ties to an unstable sort). Nothing is filtered, no query is left out. All figures are
percentages. mINP: Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI
2022, section 4.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

CHUNK = 128
"""Queries ranked at a time: 6,000 queries on 20,000 images need some 200 MB instead of 5 GB."""

RESAMPLES = 2000


@dataclass(frozen=True)
class RetrievalMetrics:
    """Percentages: R@1, R@5, R@10, mean average precision, mean inverse negative penalty."""

    r1: float
    r5: float
    r10: float
    mean_ap: float
    mean_inp: float


@dataclass(frozen=True)
class Ranks:
    """One entry per query: 1-based rank of the first match, average precision, inverse negative penalty.

    The last two lie in 0 .. 1.
    """

    first_match: NDArray[np.int64]
    average_precision: NDArray[np.float64]
    inverse_penalty: NDArray[np.float64]

    def metrics(self) -> RetrievalMetrics:
        """Means over the queries."""
        r1, r5, r10 = (100 * float((self.first_match <= k).mean()) for k in (1, 5, 10))
        return RetrievalMetrics(
            r1=r1,
            r5=r5,
            r10=r10,
            mean_ap=100 * float(self.average_precision.mean()),
            mean_inp=100 * float(self.inverse_penalty.mean()),
        )


@dataclass(frozen=True)
class Evaluation:
    """Both directions over one split. `r1_interval` holds R@1 text to image with 95 % confidence."""

    text_to_image: RetrievalMetrics
    image_to_text: RetrievalMetrics
    r1_interval: tuple[float, float]
    images: int
    captions: int
    identities: int


def evaluate_similarity(
    similarity: torch.Tensor | NDArray[np.floating], query_ids: ArrayLike, gallery_ids: ArrayLike
) -> RetrievalMetrics:
    """Metrics of a similarity matrix (queries, gallery) with the identity of every row and column.

    Raises ValueError if a query has no match in the gallery or a score is not finite.
    """
    return rank_similarity(similarity, query_ids, gallery_ids).metrics()


def evaluate_vectors(
    images: NDArray[np.float32],
    texts: NDArray[np.float32],
    image_ids: Sequence[int],
    caption_ids: Sequence[int],
) -> Evaluation:
    """Both directions from unit vectors: `images` (images, width) and `texts` (captions, width)."""
    forth = rank_vectors(texts, images, caption_ids, image_ids)
    back = rank_vectors(images, texts, image_ids, caption_ids)
    return Evaluation(
        text_to_image=forth.metrics(),
        image_to_text=back.metrics(),
        r1_interval=bootstrap_interval(forth.first_match <= 1, caption_ids),
        images=len(images),
        captions=len(texts),
        identities=len(set(image_ids)),
    )


def rank_vectors(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], query_ids: ArrayLike, gallery_ids: ArrayLike
) -> Ranks:
    """Rank by cosine, a chunk at a time; `queries` (q, width) and `gallery` (g, width) are unit vectors."""
    identities = np.asarray(query_ids, dtype=np.int64)
    columns = torch.from_numpy(np.ascontiguousarray(gallery)).T
    parts = []
    for start in range(0, len(queries), CHUNK):
        rows = torch.from_numpy(np.ascontiguousarray(queries[start : start + CHUNK]))
        parts.append(rank_similarity(rows @ columns, identities[start : start + CHUNK], gallery_ids))
    return _joined(parts)


def rank_similarity(
    similarity: torch.Tensor | NDArray[np.floating], query_ids: ArrayLike, gallery_ids: ArrayLike
) -> Ranks:
    """Ranks of a similarity matrix (queries, gallery); errors as for `evaluate_similarity`."""
    scores = torch.as_tensor(similarity)
    rows = torch.as_tensor(np.asarray(query_ids, dtype=np.int64))
    columns = torch.as_tensor(np.asarray(gallery_ids, dtype=np.int64))
    if scores.shape != (len(rows), len(columns)) or not len(rows):
        raise ValueError(
            f"scores are {tuple(scores.shape)} for {len(rows)} queries and {len(columns)} images"
        )
    if not bool(torch.isfinite(scores).all()):
        raise ValueError("similarities must be finite")
    return _joined(
        [
            _rank_chunk(scores[start : start + CHUNK].cpu(), rows[start : start + CHUNK], columns)
            for start in range(0, len(rows), CHUNK)
        ]
    )


def bootstrap_interval(
    hits: NDArray[np.bool_], identities: Sequence[int], seed: int = 0, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % interval (low, high) of the mean of `hits` in percent, resampling people instead of queries.

    Captions of one person succeed and fail together, so resampling queries would make the interval too
    narrow.
    """
    _, person = np.unique(np.asarray(identities), return_inverse=True)
    queries = np.bincount(person)
    found = np.bincount(person, weights=hits)
    generator = np.random.default_rng(seed)
    people = len(queries)
    means = np.empty(resamples)
    for sample in range(resamples):
        drawn = generator.integers(people, size=people)
        means[sample] = found[drawn].sum() / queries[drawn].sum()
    low, high = np.percentile(means, (2.5, 97.5))
    return 100 * float(low), 100 * float(high)


def _rank_chunk(scores: torch.Tensor, query_ids: torch.Tensor, gallery_ids: torch.Tensor) -> Ranks:
    order = scores.argsort(dim=1, descending=True, stable=True)
    matches = gallery_ids[order] == query_ids[:, None]
    found = matches.cumsum(dim=1)
    relevant = found[:, -1]
    if not bool(relevant.all()):
        missing = query_ids[relevant == 0][:10].tolist()
        raise ValueError(f"queries of identities {missing} have no match in the gallery")
    place = torch.arange(1, matches.shape[1] + 1)
    precision = found.double() / place
    last = (matches * place).max(dim=1).values
    return Ranks(
        first_match=(matches.int().argmax(dim=1) + 1).numpy(),
        average_precision=((precision * matches).sum(dim=1) / relevant).numpy(),
        inverse_penalty=(relevant.double() / last).numpy(),
    )


def _joined(parts: Sequence[Ranks]) -> Ranks:
    return Ranks(
        np.concatenate([part.first_match for part in parts]),
        np.concatenate([part.average_precision for part in parts]),
        np.concatenate([part.inverse_penalty for part in parts]),
    )
