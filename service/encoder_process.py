"""The process of a service's encoder (`python -m service.encoder_process FD`): texts and pictures to vectors.

In a process of its own it never holds up who asks, is refused or looks whether the service is well; and what
a GPU cannot recover from ends this process only. `remote_encoder.py` is its parent, which it ends with.
"""

import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from indexer.channel import Channel, ChannelClosed, parent_channel

if TYPE_CHECKING:
    from model.embedder import Embedder

MOST_BYTES = 1 << 31
FATAL = 70
"""Exit code after an error of the device."""

GIVES_WAY = 10
"""So much kinder than its parent, so that on a full machine requests are still taken, or refused, at once."""


def main(channel: Channel) -> None:
    """Answer until the parent ends."""
    wanted, _ = channel.receive(0)
    embedder = _open(channel, wanted)
    while True:
        facts, body = channel.receive(MOST_BYTES)
        try:
            answer = _answer(embedder, facts, body)
        except Exception as error:
            _tell(error)
            fatal = _is_fatal(error)
            channel.send({"error": type(error).__name__, "fatal": fatal})
            if fatal:
                os._exit(FATAL)
            continue
        channel.send({}, *answer)


def _open(channel: Channel, wanted: dict[str, Any]) -> "Embedder":
    """The encoder, after the parent was told what it is; or the end, after it was told why not."""
    from model.embedder import open_embedder
    from model.errors import CsktError
    from service.serving import use_cores

    try:
        use_cores(wanted["threads"])
        embedder = open_embedder(wanted["encoder"], wanted["device"], wanted["precision"])
    except CsktError as error:
        channel.send({"refused": str(error), "kind": type(error).__name__})
        raise SystemExit(FATAL) from None
    channel.send(
        {
            "name": embedder.name,
            "fingerprint": embedder.fingerprint,
            "dimension": embedder.dimension,
            "context_length": embedder.context_length,
            "image_size": embedder.preprocess.image_size,
            "precision": embedder.precision,
        }
    )
    return embedder


def _answer(embedder: "Embedder", facts: dict[str, Any], body: bytearray) -> list[memoryview]:
    """To {"do": "texts"} with a JSON list: vectors and, as int32, tokens; to {"do": "pixels", "shape": [...]}
    with bytes: vectors."""
    import numpy as np

    if facts["do"] == "pixels":
        import torch

        pixels = torch.frombuffer(body, dtype=torch.uint8).view(facts["shape"])
        return [embedder.embed_pixels(pixels).data]
    texts = json.loads(body)
    tokens = np.array([embedder.count_tokens(text) for text in texts], dtype=np.int32)
    return [embedder.embed_texts(texts).data, tokens.data]


def _tell(error: Exception) -> None:
    """Where it went wrong; not its text, which may hold the words of a query."""
    where = "".join(traceback.format_tb(error.__traceback__))
    print(f"The encoder failed: {type(error).__name__}\n{where}", file=sys.stderr, flush=True)


def _is_fatal(error: Exception) -> bool:
    """Whether the device is lost to this process: every further call would fail as well."""
    import torch

    return isinstance(error, torch.AcceleratorError) or "CUDA error" in str(error)


if __name__ == "__main__":
    os.nice(GIVES_WAY)
    try:
        main(parent_channel())
    except ChannelClosed:
        os._exit(0)
