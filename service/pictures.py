"""Pictures that come with requests: from base64 to pixels, decoded in confined processes.

A hostile picture costs its own request and a process that is started anew, nothing else.
"""

import asyncio
import base64
import binascii
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from indexer.decoders import Decoders
from indexer.items import GalleryItem, RawImage, Rejected
from indexer.prepared import Prepared, Preprocess
from service.errors import BadQuery, QueryFailed

MAX_BYTES = 10 * 1024 * 1024
_PREFIX = "data:"


def picture_bytes(encoded: str) -> bytes:
    """The file behind base64 or a data URI. Raises BadQuery when it is neither, or too large."""
    if encoded.startswith(_PREFIX):
        head, comma, encoded = encoded.partition(",")
        if not comma or not head.endswith(";base64"):
            raise BadQuery("A picture must be base64, or a data URI with ;base64 in it.")
    if len(encoded) > 4 * MAX_BYTES // 3 + 4:
        raise BadQuery(f"A picture may have {MAX_BYTES // 1024 // 1024} MB at most.")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadQuery("A picture must be base64, or a data URI with ;base64 in it.") from error


class Pictures:
    """Prepares a few pictures at once; the event loop never waits. To be closed."""

    def __init__(self, at_once: int = 2) -> None:
        self._decoders = Decoders(at_once)
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="cskt-pictures")

    async def pixels(self, encoded: str, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
        """The pixels as the encoder takes them. Raises BadQuery, saying what is wrong with the picture."""
        prepared = await self.prepared(encoded, GalleryItem("query", "", ""), preprocess)
        if isinstance(prepared, Rejected):
            raise BadQuery(f"The picture cannot be used: {prepared.reason}")
        return prepared.pixels

    async def stored(self, picture: bytes, preprocess: Preprocess) -> npt.NDArray[np.uint8]:
        """The pixels of a stored JPEG. Raises QueryFailed for one that cannot be decoded."""
        raw = RawImage(GalleryItem("stored", "", ""), picture)
        prepared = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._decoders.prepare, raw, preprocess
        )
        if isinstance(prepared, Rejected):
            raise QueryFailed("The stored picture of this row cannot be read.")
        return prepared.pixels

    async def prepared(self, encoded: str, item: GalleryItem, preprocess: Preprocess) -> Prepared | Rejected:
        """The pixels and the thumbnail of one crop, or why there are none. Raises BadQuery without base64."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, self._prepare, encoded, item, preprocess
        )

    def _prepare(self, encoded: str, item: GalleryItem, preprocess: Preprocess) -> Prepared | Rejected:
        return self._decoders.prepare(RawImage(item, picture_bytes(encoded)), preprocess)

    def close(self) -> None:
        """End the processes, and what they are on."""
        self._decoders.abandon()
        self._threads.shutdown()
        self._decoders.close()
