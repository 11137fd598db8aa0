"""A file call that fails costs nobody anything: what is refused is so in a sentence, and can be redone."""

import collections
import os
import re
import shutil
import subprocess
import sys

import pytest
from extent import extent
from injection import FAULTS, SCRIPT, calls_of_a_run, inject_all, points
from launcher import PATH
from shim import KINDS, read_log
from truth import Truth

MOST_OF_A_FAULT = extent(24, 100_000)
SEED = 3

OF_KIND = {
    "write": {"write", "pwrite64"},
    "sync": {"fsync", "fdatasync"},
    "rename": {"rename", "renameat", "renameat2"},
    "truncate": {"ftruncate"},
    "unlink": {"unlink", "unlinkat", "rmdir"},
    "mkdir": {"mkdir", "mkdirat"},
}
UNWATCHED = {
    *("creat", "writev", "pwritev", "pwritev2", "truncate", "fallocate", "sendfile", "copy_file_range"),
    *("link", "linkat", "symlink", "symlinkat", "splice", "msync", "sync_file_range", "io_uring_enter"),
}
TRACED = re.compile(r"^\d+ +(\w+)\((.*)\) += +(\d+)")


@pytest.mark.slow
def test_every_kind_of_call_may_fail_at_any_point(watched_workers, place, count):
    seen = calls_of_a_run(watched_workers[0], place / "whole")
    chosen = points(seen, MOST_OF_A_FAULT, SEED)
    visited, findings = inject_all(watched_workers, place, chosen)
    count(failed_calls=visited)
    assert findings == []
    assert visited >= 0.95 * len(chosen)  # a retry may take another way than the whole run did
    assert {fault.kind for fault, _ in chosen} == {fault.kind for fault in FAULTS}


def test_the_shim_sees_what_the_kernel_sees(shim, tmp_path):
    """Otherwise the points above, and the power cuts, would miss calls without anybody knowing."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace to hold the shim against: apt-get install strace")
    root, trace, log = tmp_path / "root", tmp_path / "trace", tmp_path / "log"
    root.mkdir()
    calls = ",".join(set.union(*OF_KIND.values(), UNWATCHED))
    job = {"folder": str(root / "g"), "root": str(root), "log": str(log), "truth": Truth().state(), "seed": 1}
    job |= {"steps": 12, "script": SCRIPT[:-1]}
    program = f"import worker\nfrom shim import Shim\nworker.walk({job!r}, Shim())"
    strace = [
        "strace",
        "-f",
        "-y",
        "-qq",
        "-e",
        "signal=none",
        "-s",
        "0",
        "-o",
        trace,
        "-e",
        f"trace={calls}",
    ]
    traced = subprocess.run(
        [*strace, "-E", f"LD_PRELOAD={shim}", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATH},
    )
    if not trace.exists() or "ptrace" in traced.stderr:
        pytest.skip(f"strace may not look at processes here: {traced.stderr.strip()[-200:]}")
    assert traced.returncode == 0, traced.stderr
    kernel = collections.Counter()
    for line in trace.read_text().splitlines():
        found = TRACED.match(line)
        if found and str(root) in found[2]:
            kernel[found[1]] += 1
    assert not UNWATCHED & set(kernel)
    ours = collections.Counter(change.what for change in read_log(log))
    assert sum(kernel[name] for name in OF_KIND["write"]) == ours["w"] > 100
    assert sum(kernel[name] for name in OF_KIND["sync"]) == ours["s"] + ours["d"] > 20
    for kind, what in (("rename", "r"), ("unlink", "u"), ("mkdir", "m")):
        assert sum(kernel[name] for name in OF_KIND[kind]) == ours[what] > 0
    assert set(OF_KIND) <= set(KINDS)
