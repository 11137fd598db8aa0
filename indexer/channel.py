"""Messages between this process and one that it does not trust: a small JSON object and a body of bytes.

Whatever comes in is checked for its size before it is read, and nothing is ever unpickled here.
"""

import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = struct.Struct("<IQ")
MOST_FACTS = 1 << 16
Facts = dict[str, Any]


class ChannelClosed(Exception):
    """The other side has ended."""


class NonsenseReceived(Exception):
    """The other side sent what no honest one sends."""


class Channel:
    """One end of a socket pair. `patience`: seconds that a message may take, for ever if None."""

    def __init__(self, end: socket.socket, patience: float | None = None) -> None:
        self._socket, self._patience = end, patience
        if patience is not None:
            self.wait_for(patience)

    def wait_for(self, patience: float) -> None:
        """Change how many seconds a message may take."""
        self._patience = patience
        value = struct.pack("@ll", int(patience), int(patience % 1 * 1_000_000))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):  # in the kernel: one call takes a whole body
            self._socket.setsockopt(socket.SOL_SOCKET, option, value)

    def send(self, facts: Mapping[str, Any], *body: bytes | bytearray | memoryview) -> None:
        """Send one message. Raises ChannelClosed, or TimeoutError when nobody takes it."""
        text = json.dumps(facts).encode()
        sizes = HEADER.pack(len(text), sum(memoryview(part).nbytes for part in body))
        parts = [memoryview(part).cast("B") for part in (sizes + text, *body)]
        try:
            sent = self._socket.sendmsg(parts)
            for part in parts:
                if sent < len(part):
                    self._socket.sendall(part[sent:])
                sent = max(0, sent - len(part))
        except BlockingIOError as error:
            raise TimeoutError from error
        except OSError as error:
            raise ChannelClosed from error

    def receive(self, most: int) -> tuple[Facts, bytearray]:
        """The next message, its body of at most `most` bytes.

        Raises ChannelClosed, TimeoutError, or NonsenseReceived for a larger body or facts that are no object.
        """
        deadline = None if self._patience is None else time.monotonic() + self._patience
        length, size = HEADER.unpack(self._read(HEADER.size, deadline))
        if length > MOST_FACTS or size > most:
            raise NonsenseReceived
        text = self._read(length, deadline)
        body = self._read(size, deadline)
        try:
            facts = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NonsenseReceived from error
        if not isinstance(facts, dict):
            raise NonsenseReceived
        return facts, body

    def close(self) -> None:
        """Let the other side see that this one has ended."""
        self._socket.close()

    def _read(self, size: int, deadline: float | None) -> bytearray:
        buffer = bytearray(size)
        rest = memoryview(buffer)
        while rest:
            try:
                count = self._socket.recv_into(rest, flags=socket.MSG_WAITALL)
            except BlockingIOError as error:
                raise TimeoutError from error
            except OSError as error:
                raise ChannelClosed from error
            if count == 0:
                raise ChannelClosed
            rest = rest[count:]
            if rest and deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
        return buffer


def start_child(
    module: str, flags: Sequence[str], environment: Mapping[str, str], folder: str | None = None
) -> "tuple[subprocess.Popen[bytes], socket.socket]":
    """A Python with these flags that runs a module, and this side of the channel to it (see parent_channel).

    It has no input, prints to nobody but may complain, and does not hear Ctrl-C. Raises OSError.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(
                [sys.executable, *flags, "-P", "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=folder,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C and Ctrl-Z are for the parent
            )
        except OSError:
            ours.close()
            raise
    return process, ours


def parent_channel() -> Channel:
    """In the child: the channel to the parent, whose number is the last argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return Channel(socket.socket(fileno=int(sys.argv[-1])))
