"""Where large parts lie, by the C library's own accounts."""

import ctypes

import pytest
import torch

from model.freed_memory import large_parts_apart

MANY, LARGE = 64, 1_000_000


class Accounts(ctypes.Structure):
    """What mallinfo2 tells; see malloc.h."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in _names.split()]


def accounts() -> Accounts:
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallinfo2"):
        pytest.skip("this C library is no glibc, or one without mallinfo2")
    library.mallinfo2.restype = Accounts
    told = library.mallinfo2()
    assert isinstance(told, Accounts)
    return told


def test_large_parts_get_pages_of_their_own_and_give_them_back() -> None:
    before = accounts()
    with large_parts_apart():
        parts = [torch.zeros(LARGE, dtype=torch.uint8) for _ in range(MANY)]
        within = accounts()
        del parts[::2]  # what is left keeps nothing back
        halved = accounts()
    assert within.hblks - before.hblks == MANY
    assert halved.hblks - before.hblks == MANY // 2
    assert within.hblkhd - halved.hblkhd >= MANY // 2 * LARGE


def test_afterwards_they_are_kept_at_hand() -> None:
    with large_parts_apart():
        pass
    before = accounts().hblks
    parts = [torch.zeros(LARGE, dtype=torch.uint8) for _ in range(MANY)]
    assert accounts().hblks == before
    assert len(parts) == MANY


def test_the_end_comes_also_by_an_error() -> None:
    with pytest.raises(KeyError), large_parts_apart():
        raise KeyError
    before = accounts().hblks
    part = torch.zeros(LARGE, dtype=torch.uint8)
    assert (accounts().hblks, len(part)) == (before, LARGE)
