"""Where large parts lie, by the C library's own accounts, in a process that holds nothing else."""

import ctypes
import json
import subprocess
import sys

import pytest

MANY, LARGE = 64, 1_000_000
PROGRAM = """
import ctypes, json
import torch
from model.freed_memory import large_parts_apart

class Accounts(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Accounts
told = lambda: (library.mallinfo2().hblks, library.mallinfo2().hblkhd)
make = lambda: [torch.zeros({LARGE}, dtype=torch.uint8) for _ in range({MANY})]
accounts = [told()]
try:
    with large_parts_apart():
        parts = make()
        accounts.append(told())
        del parts[::2]
        accounts.append(told())
        raise KeyError
except KeyError:
    accounts.append(told())
parts += make()
accounts.append(told())
print(json.dumps(accounts))
"""


def test_large_parts_get_pages_of_their_own_until_it_is_over() -> None:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("this C library is no glibc, or one without mallinfo2")
    program = PROGRAM.replace("{LARGE}", str(LARGE)).replace("{MANY}", str(MANY))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before, within, halved, over, again = json.loads(done.stdout)
    assert within[0] - before[0] == MANY
    assert within[0] - halved[0] == MANY // 2  # what is left keeps nothing back
    assert within[1] - halved[1] >= MANY // 2 * LARGE
    assert again[0] == over[0]  # afterwards, also after an error, they are kept at hand
