"""The process in which images are decoded (`python -m indexer.image_process`): bytes in, pixels out.

The first message names the limits and carries the preprocessing; every other is one image.
"""

import io
import os
import pickle

import numpy as np
from PIL import Image, TiffImagePlugin

from indexer.channel import Channel, ChannelClosed, parent_channel
from indexer.confined import OUT_OF_MEMORY, Limits, confine, timed
from indexer.decode import MOST_BYTES
from indexer.items import Box, GalleryItem, RawImage, Rejected
from indexer.prepared import Prepared, Preprocess, prepare

LOADED = (TiffImagePlugin,)
"""Pillow loads it only when a picture has EXIF, and by then no file can be opened."""


def main(channel: Channel) -> None:
    """Prepare images until the parent ends."""
    facts, body = channel.receive(MOST_BYTES)
    limits, preprocess = Limits(**facts), pickle.loads(body)
    _use_once(preprocess)
    confine(limits)
    channel.send({"ready": True})
    while True:
        facts, body = channel.receive(MOST_BYTES)
        box = Box(*facts["box"]) if "box" in facts else None
        with timed(limits):
            outcome = prepare(RawImage(GalleryItem("", "", "", box), bytes(body)), preprocess)
        del body  # a picture of many megabytes is not kept until the next one comes
        if isinstance(outcome, Rejected):
            channel.send({"reason": outcome.reason})
        else:
            channel.send({}, np.ascontiguousarray(outcome.pixels).data, outcome.thumbnail)


def _use_once(preprocess: Preprocess) -> None:
    """Have everything loaded that a picture of each kind needs."""
    for kind in ("JPEG", "PNG", "WEBP"):
        file, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (16, 16)).save(file, kind, exif=exif)
        outcome = prepare(RawImage(GalleryItem("", "", ""), file.getvalue()), preprocess)
        if not isinstance(outcome, Prepared):
            raise RuntimeError(f"a plain {kind} cannot be prepared: {outcome.reason}")


if __name__ == "__main__":
    try:
        main(parent_channel())
    except (ChannelClosed, KeyboardInterrupt):
        os._exit(0)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
