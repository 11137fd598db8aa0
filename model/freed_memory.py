"""Memory that was freed, given back to the system.

glibc keeps freed memory for itself where something that is still used lies above it. Opening an encoder frees
as much as its weights have, for good.
"""

import ctypes


def give_back_freed_memory() -> None:
    """Does nothing where the C library is no glibc."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return
