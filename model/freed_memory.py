"""Memory that was freed, given back to the system.

glibc keeps freed memory for itself where something that is still used lies above it. Opening an encoder frees
as much as its weights have, for good; what is computed later would lie scattered over the holes.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as malloc.h has them
_LARGE, _USUAL = 256 * 1024, 32 * 1024 * 1024
"""From how many bytes on a part gets pages of its own: inside `large_parts_apart`, and afterwards, which is
what glibc comes to by itself at most."""


@contextmanager
def large_parts_apart() -> Iterator[None]:
    """Inside, each large part gets pages of its own, which are the system's again once it is freed.

    Afterwards large parts that come and go are kept at hand, as is quicker. Nothing where the C library is no
    glibc.
    """
    _ask_glibc("mallopt", _MMAP_THRESHOLD, _LARGE)
    try:
        yield
    finally:
        _ask_glibc("mallopt", _MMAP_THRESHOLD, _USUAL)
        _ask_glibc("mallopt", _TRIM_THRESHOLD, 2 * _USUAL)
        give_back_freed_memory()


def give_back_freed_memory() -> None:
    """Does nothing where the C library is no glibc."""
    _ask_glibc("malloc_trim", 0)


def _ask_glibc(function: str, *numbers: int) -> None:
    with suppress(OSError, AttributeError, TypeError):
        getattr(ctypes.CDLL(None), function)(*numbers)
