"""The nearest rows of questions that are searched for together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from indexer.gallery import Gallery
from indexer.grouping import Group, search_groups
from indexer.items import Hit
from indexer.judging import Judge, Judgement, NoJudge
from service.query import Question

OTHERS = 7
"""Further crops of a passage that an answer names."""


@dataclass(frozen=True)
class Wanted:
    """A unit vector (dimension,), what is asked of the gallery, which one, and who judges the ranking."""

    vector: npt.NDArray[np.float32]
    question: Question
    gallery: Gallery
    judge: Judge | NoJudge


@dataclass(frozen=True)
class Ranking:
    """The page of a ranking that was asked for, best first, whether there is a next one, and what it means.

    Without grouping each group has one hit. The judgement's probabilities are those of the best hits.
    passing: rows that the filter leaves; None without one.
    """

    groups: tuple[Group, ...]
    more: bool
    judgement: Judgement
    passing: int | None

    @property
    def hits(self) -> list[Hit]:
        """The best hit of each group."""
        return [group.best for group in self.groups]

    def first(self, groups: int) -> "Ranking":
        """Its first groups only, when there are more."""
        probabilities = self.judgement.probabilities[:groups]
        judgement = replace(self.judgement, probabilities=probabilities)
        more = self.more or groups < len(self.groups)
        return replace(self, groups=self.groups[:groups], more=more, judgement=judgement)


def rank_many(batch: Sequence[Wanted]) -> list[Ranking]:
    """Each one's ranking; those that ask the same of one gallery share one scan."""
    rankings: dict[int, Ranking] = {}
    for members in _alike(batch):
        first = batch[members[0]]
        where = first.question.where
        passing = None if where is None else first.gallery.count(where)
        if first.question.by_track:
            rankings |= {place: _by_track(batch[place], passing) for place in members}
            continue
        vectors = np.stack([batch[place].vector for place in members])
        depth = first.question.depth + 1
        found = first.gallery.search(vectors, depth, where)
        rankings |= {
            place: _page([Group(hit, ()) for hit in hits], batch[place], passing)
            for place, hits in zip(members, found, strict=True)
        }
    return [rankings[place] for place in range(len(batch))]


def _by_track(wanted: Wanted, passing: int | None) -> Ranking:
    question = wanted.question
    groups = search_groups(wanted.gallery, wanted.vector, question.depth + 1, OTHERS, question.where)
    return _page(groups, wanted, passing)


def _page(groups: Sequence[Group], wanted: Wanted, passing: int | None) -> Ranking:
    question, least = wanted.question, wanted.question.min_score
    good = [group for group in groups if least is None or group.best.score >= least]
    page = tuple(good[question.offset : question.depth])
    best = groups[0].best.score if groups else None
    judgement = wanted.judge.judge(wanted.vector, best, [group.best.score for group in page])
    return Ranking(page, len(good) > question.depth, judgement, passing)


def _alike(batch: Sequence[Wanted]) -> list[list[int]]:
    """Places in the batch, those together that one call of the gallery can answer."""
    groups: list[tuple[tuple[object, ...], list[int]]] = []
    for place, wanted in enumerate(batch):
        question = wanted.question
        key = (id(wanted.gallery), question.depth, question.by_track, question.where)
        for known, members in groups:
            if known == key:
                members.append(place)
                break
        else:
            groups.append((key, [place]))
    return [members for _, members in groups]
