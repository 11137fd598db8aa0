"""Rows in half precision on a GPU (or any device of torch), all scanned, filtered by a mask inside the scan.

FAISS's own exact GPU indexes ignore filters silently and give at most 2,048 rows, so the scan is one matrix
product of torch instead. Half-precision products are rough; whatever may be among the best is scored again in
single precision on the device before it is proposed.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from indexer.vectors.scoring import check_ascending, near_the_best
from indexer.vectors.vector_index import Ids, Mask, Shortlist, StoredVectors, Vectors

if TYPE_CHECKING:
    import torch

HALF_ROUGHNESS = 4e-3
"""A generous bound on the error of a half-precision inner product of two unit vectors, its result rounded."""

_SCORES_AT_ONCE = 64_000_000


class DeviceIndex:
    """Rows held as one half-precision tensor (rows, dimension) on `device`."""

    def __init__(self, dimension: int, device: str) -> None:
        import torch

        self._torch, self._device = torch, torch.device(device)
        self._ids: Ids = np.empty(0, np.int64)
        self._rows = torch.empty((0, dimension), dtype=torch.half, device=self._device)

    @property
    def ids(self) -> Ids:
        """The ids (rows,), ascending."""
        return self._ids

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._ids)

    def add(self, ids: Ids, vectors: StoredVectors) -> None:
        """Append rows; ValueError if the ids do not ascend."""
        check_ascending(self._ids, ids)
        new = self._torch.from_numpy(np.array(vectors, np.float16)).to(self._device)
        self._rows = self._torch.cat([self._rows, new])
        self._ids = np.concatenate([self._ids, ids])

    def shortlist(self, queries: Vectors, k: int, allowed: Mask | None = None) -> list[Shortlist]:
        """See VectorIndex.shortlist."""
        torch, found = self._torch, list[Shortlist]()
        count = len(self._ids) if allowed is None else int(np.count_nonzero(allowed))
        if not count:
            return [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(queries)
        with torch.inference_mode():
            barred = None if allowed is None else torch.from_numpy(~allowed).to(self._device)[:, None]
            step = max(1, _SCORES_AT_ONCE // len(self._ids))
            for start in range(0, len(queries), step):
                some = torch.from_numpy(np.array(queries[start : start + step], np.float32)).to(self._device)
                scores = self._rows @ some.half().T
                if barred is not None:
                    scores.masked_fill_(barred, -torch.inf)
                found += [self._near(scores[:, n].float(), some[n], min(k, count)) for n in range(len(some))]
        return found

    def _near(self, rough: "torch.Tensor", query: "torch.Tensor", k: int) -> Shortlist:
        """Places and single-precision scores of what the rough scores (rows,) leave in question."""
        floor = rough.topk(k).values[-1] - 2 * HALF_ROUGHNESS
        places = (rough >= floor.clamp(min=-2.0)).nonzero()[:, 0]  # barred rows have -inf
        scores = (self._rows[places].float() * query).sum(1).cpu().numpy()
        near = near_the_best(scores, k)
        return scores[near], places.cpu().numpy()[near]

    def vectors_at(self, places: Ids) -> Vectors:
        """The rows at these places."""
        chosen = self._rows[self._torch.from_numpy(np.asarray(places, np.int64)).to(self._device)]
        rows: Vectors = chosen.float().cpu().numpy()
        return rows


def devices_for(wanted: str) -> Sequence[str]:
    """The torch devices that a setting names: `cpu` none, `auto` every GPU there is, else what is named.

    ValueError for a name that torch does not know.
    """
    import torch

    if wanted == "cpu":
        return ()
    if wanted == "auto":
        return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{wanted!r} is no device of this machine ({reason})") from error
    return (wanted,)
