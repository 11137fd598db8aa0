"""A preprocessing that really dies, hangs or swells on marked pictures; processes that decode import it."""

import os
import signal
import socket
import time
from pathlib import Path

import numpy as np
from PIL import Image

from model.resizing import Resize

SEGFAULT, ABORT, SPIN, SLEEP, STOP, SWELL, EXIT, LIE, SEE = ((0, 250, 25 * number) for number in range(9))
"""What the colour of a picture's first pixel does."""


class KillingPixels(Resize):
    """As Resize, but for pictures that begin with one of the colours above."""

    def __init__(self) -> None:
        super().__init__((24, 8))

    def __call__(self, picture: Image.Image) -> np.ndarray:
        first = picture.getpixel((0, 0))
        if first == SEGFAULT:
            os.kill(os.getpid(), signal.SIGSEGV)
        elif first == ABORT:
            os.abort()
        elif first == SPIN:
            while True:
                pass
        elif first == SLEEP:
            time.sleep(1000)
        elif first == STOP:
            os.kill(os.getpid(), signal.SIGSTOP)
        elif first == SWELL:
            return np.ones((40_000, 40_000), np.uint8)
        elif first == EXIT:
            os._exit(3)
        elif first == LIE:
            return np.zeros((3, 3, 3), np.uint8)
        elif first == SEE:
            return np.full((24, 8, 3), (len(what_it_can_do()), len(open_files()), 0), np.uint8)
        return super().__call__(picture)


def open_files() -> list[int]:
    """Numbers of the open files."""
    found = []
    for number in range(1024):
        try:
            os.fstat(number)
            found.append(number)
        except OSError:
            continue
    return found


def what_it_can_do() -> list[str]:
    """Which of the things that a decoder has no business with succeed here."""

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)
        os.wait()

    def write_to_the_terminal() -> None:
        if os.fstat(2).st_rdev == Path(os.devnull).stat().st_rdev:
            raise OSError

    ways = {
        "read a file": lambda: Path("/etc/hostname").read_bytes(),
        "write a file": lambda: Path("/tmp/written-by-a-decoder").write_bytes(b"x"),
        "use the network": lambda: socket.create_connection(("127.0.0.1", 9), 0.2),
        "make a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "make a pipe": os.pipe,
        "make a file in memory": lambda: os.memfd_create("x"),
        "know the parent's secrets": lambda: os.environ["CSKT_SECRET"],
        "write to the terminal": write_to_the_terminal,
    }
    if os.geteuid() != 0:  # the kernel lets root have as many processes as it likes
        ways["start a process"] = fork
    done = []
    for name, way in ways.items():
        try:
            way()
            done.append(name)
        except (OSError, KeyError):
            continue
    return done
