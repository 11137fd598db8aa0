"""Reading several distant files at once, in order: each takes a round trip, however small it is."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from indexer.items import RawImage, Rejected

AT_ONCE = 16
T = TypeVar("T")


def read_ahead(
    entries: Iterator[T | Rejected], read: Callable[[T], RawImage | Rejected]
) -> Iterator[RawImage | Rejected]:
    """`read` of each entry, in their order, at most AT_ONCE begun; a Rejected passes as it is."""
    pool = ThreadPoolExecutor(AT_ONCE, "cskt-fetch")
    begun = deque[Future[RawImage | Rejected] | Rejected]()
    try:
        for entry in entries:
            begun.append(entry if isinstance(entry, Rejected) else pool.submit(read, entry))
            if len(begun) >= AT_ONCE:
                yield _result(begun.popleft())
        while begun:
            yield _result(begun.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _result(begun: "Future[RawImage | Rejected] | Rejected") -> RawImage | Rejected:
    return begun if isinstance(begun, Rejected) else begun.result()
