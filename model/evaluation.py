"""How well sentences find people: R@k, mAP, mINP, and how sure the figures are.

Every query ranks the whole gallery by falling similarity; equal scores keep gallery order (the published
code leaves ties to an unstable sort), and equal pictures have equal scores wherever they stand. Nothing is
filtered, no query is left out. All figures are percentages. mINP: Ye et al., "Deep Learning for Person
Re-identification: A Survey and Outlook", TPAMI 2022, section 4.1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK_SCORES = 4_000_000
"""Similarities held at a time (32 MB), whatever the number of queries and the size of the gallery."""

_GRAIN = 2.0**26
"""Numbers of a unit vector are multiples of 1 / _GRAIN where they are multiplied, see `exact_factors`."""

RESAMPLES = 2000

DRAWS_AT_ONCE = 1_000_000
"""People drawn at a time by the bootstrap (8 MB)."""

Scores = NDArray[np.floating]
Interval = tuple[float, float]


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

    The last two lie in 0 .. 1. Equal scores keep gallery order.
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
    """Both directions over one split, in percent; equal scores keep gallery order.

    The intervals hold R@1, R@10 and mAP text to image with 95 % confidence, people resampled.
    """

    text_to_image: RetrievalMetrics
    image_to_text: RetrievalMetrics
    r1_interval: Interval
    r10_interval: Interval
    mean_ap_interval: Interval
    images: int
    captions: int
    identities: int


def evaluate_vectors(
    images: NDArray[np.float32],
    texts: NDArray[np.float32],
    image_ids: Sequence[int],
    caption_ids: Sequence[int],
) -> Evaluation:
    """Both directions from unit vectors: `images` (images, width) and `texts` (captions, width).

    Raises ValueError if a caption has no image of its person, an image no caption, or a score is not finite.
    """
    forth = rank_vectors(texts, images, caption_ids, image_ids)
    back = rank_vectors(images, texts, image_ids, caption_ids)
    return evaluate_ranks(forth, back, caption_ids, image_ids)


def evaluate_ranks(
    forth: Ranks, back: Ranks, caption_ids: Sequence[int], image_ids: Sequence[int]
) -> Evaluation:
    """Both directions from the ranks of every caption (`forth`) and of every image (`back`)."""
    return Evaluation(
        text_to_image=forth.metrics(),
        image_to_text=back.metrics(),
        r1_interval=bootstrap_interval(forth.first_match <= 1, caption_ids),
        r10_interval=bootstrap_interval(forth.first_match <= 10, caption_ids),
        mean_ap_interval=bootstrap_interval(forth.average_precision, caption_ids),
        images=len(image_ids),
        captions=len(caption_ids),
        identities=len(set(image_ids)),
    )


def rank_vectors(
    queries: NDArray[np.float32], gallery: NDArray[np.float32], query_ids: ArrayLike, gallery_ids: ArrayLike
) -> Ranks:
    """Rank by cosine; `queries` (q, width) and `gallery` (g, width) are unit vectors.

    The ranks do not depend on the block size: the cosines are exact. Errors as for `rank_blocks`.
    """
    columns = exact_factors(gallery).T
    shape = (len(queries), len(gallery))
    return rank_blocks(
        lambda start, stop: exact_factors(queries[start:stop]) @ columns, shape, query_ids, gallery_ids
    )


def exact_factors(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Unit vectors whose products are exact in float64, in whatever order a processor adds them up.

    Rounded to multiples of 2^-26 (which moves a cosine by less than float32 can tell), their products are
    multiples of 2^-52, and no sum of some of them exceeds 1 by more than rounding: all that fits 53 bits.
    In float32 the same row gets another last bit at the edge of a block, and ties are no ties.
    """
    return np.rint(vectors.astype(np.float64) * _GRAIN) / _GRAIN


def rank_blocks(
    scores_of: Callable[[int, int], Scores],
    shape: tuple[int, ...],
    query_ids: ArrayLike,
    gallery_ids: ArrayLike,
) -> Ranks:
    """Ranks from `scores_of(start, stop)`, the scores of some queries to the whole gallery; `shape` is that
    of all scores. Only BLOCK_SCORES are asked for at a time, or those of one query.

    Raises ValueError if a query has no match in the gallery, a score is not finite, or `shape` is not that
    of the identities.
    """
    wanted = np.asarray(query_ids, dtype=np.int64)
    columns = _columns_by_identity(np.asarray(gallery_ids, dtype=np.int64))
    gallery = sum(len(own) for own in columns.values())
    if shape != (len(wanted), gallery) or not len(wanted):
        raise ValueError(f"scores are {shape} for {len(wanted)} queries and {gallery} gallery entries")
    missing = [identity for identity in np.unique(wanted).tolist() if identity not in columns]
    if missing:
        raise ValueError(f"queries of identities {missing[:10]} have no match in the gallery")
    ranks = Ranks(np.empty(len(wanted), np.int64), np.empty(len(wanted)), np.empty(len(wanted)))
    block = max(1, BLOCK_SCORES // gallery)
    for start in range(0, len(wanted), block):
        scores = scores_of(start, min(start + block, len(wanted)))
        if not np.isfinite(scores).all():
            raise ValueError("similarities must be finite")
        for query, row in enumerate(scores, start=start):
            places = match_places(row, columns[int(wanted[query])])
            ranks.first_match[query] = places[0]
            ranks.average_precision[query] = (np.arange(1, len(places) + 1) / places).mean()
            ranks.inverse_penalty[query] = len(places) / places[-1]
    return ranks


def match_places(scores: Scores, matches: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places (from 1, ascending) of the gallery entries `matches` in the ranking of `scores` (gallery,).

    A match's place is 1 + the higher scores + the equal ones before it in the gallery. Only scores that reach
    the worst match are sorted, without their positions: with a good encoder they are few.
    """
    own = scores[matches]
    rivals = np.sort(scores[scores >= own.min()])
    ahead = len(rivals) - np.searchsorted(rivals, own, side="right")
    equal = len(rivals) - np.searchsorted(rivals, own, side="left") - ahead
    for score in np.unique(own[equal > 1]):
        tied = own == score
        ahead[tied] += np.searchsorted(np.flatnonzero(scores == score), matches[tied])
    return np.sort(ahead + 1)


def bootstrap_interval(
    values: NDArray[np.bool_] | NDArray[np.float64],
    identities: Sequence[int],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """The 95 % interval (low, high) of the mean of `values` (0 .. 1 per query, or paired differences of
    such, -1 .. 1) in percent.

    Resamples people instead of queries: captions of one person succeed and fail together, so resampling
    queries would make the interval too narrow. Where every value is the same it has no width.
    """
    _, person = np.unique(np.asarray(identities), return_inverse=True)
    queries = np.bincount(person)
    sums = np.bincount(person, weights=values)
    generator = np.random.default_rng(seed)
    people = len(queries)
    at_once = max(1, DRAWS_AT_ONCE // people)
    means = []
    for done in range(0, resamples, at_once):
        drawn = generator.integers(people, size=(min(at_once, resamples - done), people))
        means.append(sums[drawn].sum(axis=1) / queries[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return 100 * float(low), 100 * float(high)


def _columns_by_identity(gallery_ids: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """Where each identity stands in the gallery, ascending."""
    order = np.argsort(gallery_ids, kind="stable")
    identities, starts = np.unique(gallery_ids[order], return_index=True)
    return dict(zip(identities.tolist(), np.split(order, starts[1:]), strict=True))
