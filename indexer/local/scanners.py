"""The threads that scan rows: one for each core, behind whoever has less to do."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

from indexer.vectors.faiss_index import use_one_core
from model.cores import usable_cores

MOST = 32
GIVES_WAY = 10


def scanners() -> ThreadPoolExecutor:
    """For each core that this process may use one, 32 at most."""
    return ThreadPoolExecutor(min(usable_cores(), MOST), "cskt-scan", _begin)


def _begin() -> None:
    """In each thread. On a full machine a request is then still taken, or refused, at once."""
    use_one_core()
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), GIVES_WAY)
