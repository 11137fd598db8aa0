"""The process that is killed, starved and cut off. For each line it forks one that works.

So libraries are loaded once. Each line is a job as JSON; what the job says comes back as JSON lines, then
how it ended. Started with the shim (LD_PRELOAD) its file calls can be made to fail; `mutant` of a job takes
one safety away from the gallery's code, for this job alone.
"""

import gc
import json
import logging
import os
import random
import sys
import tempfile
import traceback
from contextlib import nullcontext
from pathlib import Path

from gallery_makers import writer
from mutants import MUTANTS
from shim import Shim
from truth import Truth, check, check_going_on, perform, traces, wrong_answers

from indexer.errors import CsktError, GalleryBusy
from indexer.gallery import open_gallery
from indexer.local import building, segments, snapshot

SEGMENT_ROWS = 24
TAIL_ROWS = 8


def say(**message):
    """One line in one write: whole, or not there."""
    os.write(1, json.dumps(message).encode() + b"\n")


def told():
    """The exception of now and where it comes from, in one line."""
    _, error, trace = sys.exc_info()
    places = [
        f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)
    ]
    return f"{type(error).__name__}: {error} ({' > '.join(places[-4:])})"


class Walker:
    """Does operations on a gallery and says what was begun, what was acknowledged, and what was refused."""

    def __init__(self, folder, truth, shim=None):
        self.folder, self.truth, self.gallery = folder, truth, None
        self._mark = shim.mark if shim else lambda _: None
        self._resting = shim.resting if shim else nullcontext

    def do(self, operation):
        """Twice if it is refused; False if it is refused again."""
        for possible in ([self.truth], [self.truth, self.truth.after(operation)]):
            say(begin=operation)
            self._mark(json.dumps({"begin": operation}))
            try:
                own = getattr(self, operation[0], None)
                answer = own() if own else perform(self.gallery, operation)
            except CsktError as error:
                if str(self.folder) not in str(error):
                    say(finding=f"{operation} was refused without naming the gallery: {error}")
                say(refused=operation, why=str(error))
                continue
            except Exception:
                say(finding=f"{operation} failed without a sentence: {told()}")
                return False
            allowed = [one.copy().apply(operation) for one in possible]
            if answer not in allowed:
                say(finding=f"{operation} answered {answer} instead of {allowed}")
            self.truth.apply(operation)
            if operation[0] == "erase":
                with self._resting():
                    left = traces(self.folder, self.truth)
                for trace in left:
                    say(finding=f"erased, but {trace}")
            self._mark(json.dumps({"done": operation}))
            say(done=operation)
            return True
        return False

    def open(self):
        self.gallery = writer(self.folder)

    def reopen(self):
        if self.gallery is not None:
            gallery, self.gallery = self.gallery, None
            gallery.close()
        self.open()

    def close(self):
        self.gallery.close()

    def intrude(self):
        """A second writer is turned away."""
        try:
            writer(self.folder).close()
        except GalleryBusy:
            return
        say(finding="a second writer was let in")

    def search(self):
        for wrong in wrong_answers(self.gallery, self.truth, self.truth.ever):
            say(finding=f"searching: {wrong}")


def walk(job, shim):
    """Do the operations of the job's script, then random ones."""
    if shim and "root" in job:
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT, 0o600) if "log" in job else -1
        shim.watch(job["root"], log)
        shim.plan(*job.get("plan", ()))
    walker = Walker(job["folder"], Truth.from_state(job["truth"]), shim)
    chance, script = random.Random(job["seed"]), list(job["script"])
    for _ in range(len(script) + job["steps"]):
        if not walker.do(script.pop(0) if script else walker.truth.choose(chance)):
            break
    if shim:
        say(seen=shim.seen(), hits=shim.hits())


def checked(job, _):
    """Say what is wrong with a gallery."""
    warnings = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    findings, truth, folder = [], Truth.from_state(job["truth"]), job["folder"]
    refused = ""
    try:
        findings, truth = check(folder, truth, job["in_flight"], damaged=job["damaged"])
        if not findings and job["going_on"] and truth.created:
            findings += check_going_on(folder, truth)
    except CsktError as error:
        refused = str(error)
    except Exception:
        findings.append(told())
    unsound = bool(job["damaged"] and findings and not refused and noticed(folder))
    say(findings=findings, refused=refused, truth=truth.state(), warnings=warnings, unsound=unsound)


def noticed(folder):
    """Whether verify finds that something is wrong."""
    try:
        gallery = open_gallery(folder)
        try:
            return bool(gallery.verify())
        finally:
            gallery.close()
    except CsktError:
        return True


def small_segments():
    """Many segments in galleries of some dozen rows."""
    for module in (segments, building, snapshot):
        module.SEGMENT_ROWS = SEGMENT_ROWS
    snapshot.TAIL_ROWS = TAIL_ROWS


def warm():
    """Load what a gallery loads, and make items, before the first fork."""
    with tempfile.TemporaryDirectory() as folder:
        truth, gallery = Truth().after(["open"]), writer(folder)
        for operation in (["add", list(range(300))], ["build"]):
            perform(gallery, operation)
            truth.apply(operation)
        gallery.close()
        check(folder, truth)


def main():
    shim = Shim() if "LD_PRELOAD" in os.environ else None
    logging.getLogger().addHandler(logging.NullHandler())
    small_segments()
    warm()
    gc.collect()
    gc.freeze()  # a child that collects would copy the pages of all that is loaded
    say(ready=True)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if not child:
            say(pid=os.getpid())
            try:
                if name := job.get("mutant"):
                    MUTANTS[name].apply()
                {"walk": walk, "check": checked}[job["do"]](job, shim)
            except BaseException:
                say(noise=traceback.format_exc())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        say(ended=status)


if __name__ == "__main__":
    main()
