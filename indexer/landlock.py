"""Linux's Landlock: a process gives up every file, the network, and signals to others, for ever.

Limits of descriptors keep a process from opening; only this keeps it from deleting and renaming what its user
owns. Older kernels know less of it or nothing: then it does what it can.
"""

import ctypes
import os

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION_FLAG, _NO_NEW_PRIVILEGES = 1, 38
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""From which version on there are how many rights about files, one bit each."""

_NET_SINCE, _NET_RIGHTS = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


def give_up_everything() -> bool:
    """Whether the kernel has taken from this thread, and from all it starts, all that it can take.

    Nothing that is open already is closed. Call it while there is one thread.
    """
    try:
        system = ctypes.CDLL(None, use_errno=True)
        version = system.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    except (OSError, AttributeError):
        return False
    if version < 1:
        return False
    known = max(count for since, count in _FILE_RIGHTS.items() if since <= version)
    rules = _Ruleset(
        (1 << known) - 1,
        _NET_RIGHTS if version >= _NET_SINCE else 0,
        _SCOPES if version >= _SCOPES_SINCE else 0,
    )
    size = 8 if version < _NET_SINCE else 16 if version < _SCOPES_SINCE else 24
    handle = system.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if handle < 0:
        return False
    try:
        if system.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
            return False
        return bool(system.syscall(_RESTRICT_SELF, handle, 0) == 0)
    finally:
        os.close(handle)
