"""A process for tests that need another one: for each line it reads, it forks a child that does as it says.

A line is JSON: the name of a task below and its arguments. The child's number is printed, then what it
prints, then how it ended; it may be killed at any moment.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from gallery_makers import queries

from indexer.gallery import open_gallery
from indexer.local import replacement
from indexer.local.backup import restore

ENGINE = f"indexer{os.sep}local{os.sep}"


def put_back(file, folder):
    restore(Path(file), Path(folder), force=True)


def erase(folder, key):
    gallery = open_gallery(folder, write=True)
    gallery.remove([key], erase=True)
    gallery.close()


def open_to_write(folder):
    open_gallery(folder, write=True).close()


def search_until(folder, seed, k, end):
    """Search all the time until a file named `end` is there; print each new answer once."""
    gallery, seen = open_gallery(folder), set()
    print("searching", flush=True)
    while not Path(end).exists():
        gallery.refresh()
        answer = json.dumps([[hit.id, hit.item.key] for hit in gallery.search(queries(seed, 1), k)[0]])
        if answer not in seen:
            seen.add(answer)
            print(answer, flush=True)
    gallery.close()


def only_search(folder, seed, k):
    """Search once, and hold the gallery open until killed."""
    gallery = open_gallery(folder)
    gallery.search(queries(seed, 1), k)
    print("searching", flush=True)
    sys.stdin.read()


def killed(step, name, *arguments):
    """Do another task and be killed when the engine's own code has been called or has called so often.

    Among these calls are every statement of SQL, every few pages copied, every file opened, written, synced,
    renamed or deleted. Prints how many there were if it comes to the end.
    """
    replacement._PAGES_AT_ONCE = 3
    done = 0

    def count(frame, event, _):
        nonlocal done
        if event in ("call", "c_call") and ENGINE in frame.f_code.co_filename:
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    TASKS[name](*arguments)
    sys.setprofile(None)
    print(done, flush=True)


TASKS = {task.__name__: task for task in (put_back, erase, open_to_write, search_until, only_search, killed)}

if __name__ == "__main__":
    for line in sys.stdin:
        name, arguments = json.loads(line)
        child = os.fork()
        if not child:
            try:
                print("child", os.getpid(), flush=True)
                TASKS[name](*arguments)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
