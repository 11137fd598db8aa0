"""The process that test_kill9 kills. It stays itself; for each line it reads it forks a writer to be killed.

The writer adds batches without end and says so after each acknowledgement. It goes on where the gallery
stands and sends its last batch again, as a source does that never heard whether it arrived.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from gallery_makers import make_items, writer

BATCH = 8


def is_removed(batch):
    """After every fourth batch its first item is removed again."""
    return batch % 4 == 3


def write(folder):
    """Add; now and then rebuild and remove: every piece of work that may be cut off half-way."""
    print("writer", os.getpid(), flush=True)
    gallery = writer(folder)
    stored = len(gallery.known([f"key-{number}" for number in range(20_000)]))
    for batch in range(max(0, stored // BATCH - 1), 10_000):
        gallery.add(make_items(batch * BATCH, BATCH))
        print("acknowledged", (batch + 1) * BATCH, flush=True)
        if batch % 3 == 2:
            gallery.build_generation()
        if is_removed(batch):
            gallery.remove([f"key-{batch * BATCH}"])


if __name__ == "__main__":
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            write(sys.argv[1])
        _, status = os.waitpid(child, 0)
        print("ended by signal", os.WTERMSIG(status), flush=True)
