"""Starts the worker process, hands it jobs, and tells a finding from a failure of the harness itself."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from truth import Truth

SCRIPT = Path(__file__).with_name("worker.py")
ROOT = SCRIPT.parents[2]


PATH = os.pathsep.join(map(str, (SCRIPT.parent, SCRIPT.parents[1], ROOT)))
"""Where a worker finds these modules, those of tests/ and the packages."""

ROOM_FOR_MESSAGES = 2**20
"""A worker does not wait for its acknowledgements to be read."""


class NoiseError(RuntimeError):
    """The harness itself did not work; says nothing about the gallery."""


class Worker:
    """One worker process; one job at a time."""

    def __init__(self, shim=None):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PATH}
        environment.pop("LD_PRELOAD", None)
        if shim:
            environment["LD_PRELOAD"] = str(shim)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            pipesize=ROOM_FOR_MESSAGES,
        )
        self._working, self._mutant = 0, ""
        try:
            self._next("ready")
        except BaseException:
            self.close()
            raise

    def close(self):
        if self._working:
            with suppress(ProcessLookupError):
                os.kill(self._working, signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @contextmanager
    def without(self, mutant):
        """Meanwhile its jobs are done by a gallery whose code lacks a safety: the name of a mutant."""
        self._mutant = mutant
        try:
            yield self
        finally:
            self._mutant = ""

    def _message(self):
        line = self._process.stdout.readline()
        if not line:
            raise NoiseError("the worker process has died")
        message = json.loads(line)
        if "noise" in message:
            raise NoiseError(message["noise"])
        return message

    def _next(self, word):
        message = self._message()
        if word not in message:
            raise NoiseError(f"the worker said {message} where {word!r} was due")
        return message[word]

    def start(self, job):
        """Let it begin; returns the process id."""
        print(json.dumps({**job, "mutant": self._mutant}), file=self._process.stdin, flush=True)
        self._working = self._next("pid")
        return self._working

    def messages(self):
        """What the job says until it ends; the last one says how."""
        while True:
            message = self._message()
            if "ended" in message:
                self._working = 0
                yield message
                return
            yield message

    def check(self, folder, truth, in_flight=None, *, going_on=False, damaged=False):
        """Look at a gallery: findings, the truth with the operation in flight decided, refusal, warnings."""
        self.start(
            {
                "do": "check",
                "folder": str(folder),
                "truth": truth.state(),
                "in_flight": in_flight,
                "going_on": going_on,
                "damaged": damaged,
            }
        )
        report = {"findings": [], "refused": "", "truth": truth.state(), "warnings": [], "unsound": False}
        for message in self.messages():
            report.update(message)
        if report["ended"]:
            report["findings"].append(f"checking it ended by {_how(report['ended'])}")
        return report

    def walk(self, folder, truth, *, seed=0, script=(), steps=0, kill_after=None, **further):
        """Let it work from a truth on; returns a Walk.

        `kill_after`: so many acknowledgements, so many seconds, what to call before killing.
        """
        pid = self.start(
            {
                "do": "walk",
                "folder": str(folder),
                "truth": truth.state(),
                "seed": seed,
                "script": list(script),
                "steps": steps,
                **further,
            }
        )
        walk = Walk(truth.copy())
        messages = self.messages()
        if kill_after is not None:
            acknowledgements, seconds, *before = kill_after
            while walk.acknowledged < acknowledgements and walk.status is None:
                walk.take(next(messages))
            if walk.status is None:
                time.sleep(seconds)
                for cut_power in before:
                    cut_power()
                with suppress(ProcessLookupError):  # without power it ended by itself
                    os.kill(pid, signal.SIGKILL)
        for message in messages:
            walk.take(message)
        if walk.status and not (kill_after is not None and os.WTERMSIG(walk.status) == signal.SIGKILL):
            walk.findings.append(f"the writer ended by {_how(walk.status)}")
        return walk


class Walk:
    """What is known outside of a working process: the truth, the operation in flight, and what went wrong."""

    def __init__(self, truth):
        self.truth, self.in_flight, self.acknowledged = truth, None, 0
        self.findings, self.refusals, self.seen, self.hits, self.status = [], [], {}, 0, None

    def take(self, message):
        if "begin" in message:
            self.in_flight = message["begin"]
        elif "done" in message:
            self.truth.apply(message["done"])
            self.in_flight, self.acknowledged = None, self.acknowledged + 1
        elif "refused" in message:
            self.refusals.append(message["why"])
        elif "finding" in message:
            self.findings.append(message["finding"])
        elif "seen" in message:
            self.seen, self.hits = message["seen"], message["hits"]
        elif "ended" in message:
            self.status = message["ended"]


def shared(workers, tasks, do):
    """Share tasks out among workers; `do(worker, task)` gives a list, and so does this, of all."""
    tasks = list(tasks)

    def go_through(place):
        return [one for task in tasks[place :: len(workers)] for one in do(workers[place], task)]

    with ThreadPoolExecutor(len(workers)) as pool:
        return [one for found in pool.map(go_through, range(len(workers))) for one in found]


def decided(report):
    """The truth that a check found."""
    return Truth.from_state(report["truth"])


def _how(status):
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"exit {os.waitstatus_to_exitcode(status)}"
