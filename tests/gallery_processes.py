"""The handle on the process of gallery_process.py."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("gallery_process.py")


class OtherProcess:
    """One at a time: `start` a task, then `kill` it or `wait` for its end."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent.parent)},
        )
        self._child = None

    def start(self, task, *arguments):
        self._process.stdin.write(json.dumps([task, [*map(_plain, arguments)]]) + "\n")
        self._process.stdin.flush()
        self._child = int(self.line().removeprefix("child "))

    def line(self):
        return self._process.stdout.readline().rstrip("\n")

    def kill(self):
        os.kill(self._child, signal.SIGKILL)
        self.wait()

    def steps(self, name, *arguments):
        """How many steps a task has at which `kill_at` can kill it."""
        self.start("killed", 0, name, *arguments)
        return int(self.wait()[0][-1])

    def kill_at(self, step, name, *arguments):
        """Begin the task and kill it there; it must not have come to its end."""
        self.start("killed", step, name, *arguments)
        assert self.wait() == ([], -signal.SIGKILL)

    def wait(self):
        """What it printed, and its exit status."""
        printed = []
        while not (line := self.line()).startswith("ended "):
            printed.append(line)
        return printed, int(line.removeprefix("ended "))

    def close(self):
        self._process.kill()
        self._process.communicate()


def _plain(argument):
    return str(argument) if isinstance(argument, Path) else argument
