"""From the parts of a question to unit vectors: texts and pictures in one batch on the encoder's thread."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indexer.items import EmbeddedItem, GalleryItem, Rejected
from indexer.prepared import Prepared
from model.phrase_maps import NEUTRAL, covered, covered_maps
from service.batching import MicroBatcher
from service.observing.metrics import Metrics
from service.pictures import Pictures
from service.query import IMAGE_COST, TEXT_COST, ImagePart, ItemPart, Part, TextPart, clean_text
from service.serving import Serving
from service.settings import Settings
from service.upkeep import Upkeep

COVERED_TOGETHER = 8
"""Copies of a picture that are encoded at once where places are mapped."""

Vector = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Encoded:
    """One part as a unit vector (dimension,) and by whom; of a text how many tokens it had before cutting."""

    vector: Vector
    by: Serving
    text: bool = False
    tokens: int = 0


class Encoding:
    """Encodes with whatever serves at that moment; a question meets one encoder or is encoded again."""

    def __init__(self, upkeep: Upkeep, settings: Settings, metrics: Metrics) -> None:
        self._upkeep, self._metrics, self._pictures = upkeep, metrics, Pictures()
        self._mapping = asyncio.Lock()
        self._batcher = MicroBatcher[str | Pixels, Encoded](
            self._encode_batch,
            max_batch=settings.max_batch,
            max_waiting=settings.max_waiting,
            metrics=metrics,
        )

    def start(self) -> None:
        """Begin; call it inside the running event loop."""
        self._batcher.start()

    async def close(self) -> None:
        """Stop; whoever still waits gets NotReady."""
        await self._batcher.close()
        await asyncio.to_thread(self._pictures.close)

    @property
    def hangs(self) -> bool:
        """Whether a batch takes far longer than it should, or there is no encoder to ask."""
        return self._batcher.hangs or not self._upkeep.serving.encoder.alive

    async def encode(
        self,
        parts: Sequence[Part],
        deadline: float | None,
        stored: Callable[[ItemPart], Awaitable[Vector]],
    ) -> list[Encoded]:
        """Every part by one and the same encoder; `stored` knows the vectors of rows. Raises RequestError."""
        while True:
            encoded = await _all(self._encode_part(part, deadline, stored) for part in parts)
            if all(one.by is encoded[0].by for one in encoded):
                return encoded

    async def encode_texts(self, texts: Sequence[str], deadline: float | None) -> list[Encoded]:
        """The same for bare texts of any kind, empty ones too."""
        return await _all(self._batcher.submit(text, TEXT_COST, deadline) for text in texts)

    async def prepare(self, uploads: Sequence[tuple[GalleryItem, str]]) -> list[EmbeddedItem | Rejected]:
        """Items with their pictures (base64), decoded and encoded, or why not."""
        preprocess = self._upkeep.serving.encoder.preprocess
        prepared = await asyncio.gather(
            *(self._pictures.prepared(encoded, item, preprocess) for item, encoded in uploads)
        )
        good = [one for one in prepared if isinstance(one, Prepared)]
        vectors = await _all(self._batcher.submit(one.pixels, IMAGE_COST, None) for one in good)
        embedded = iter(
            EmbeddedItem(one.item, encoded.vector, one.thumbnail)
            for one, encoded in zip(good, vectors, strict=True)
        )
        return [next(embedded) if isinstance(one, Prepared) else one for one in prepared]

    async def map_phrases(self, picture: bytes, phrases: Sequence[str]) -> npt.NDArray[np.float32]:
        """Which places of a stored JPEG answer which phrases (phrases, rows, columns), 0..1.

        See model.phrase_maps. One picture at a time and a few of its covered copies together, so that
        searches find a free encoder in between.
        """
        async with self._mapping:
            texts = await self.encode_texts([*phrases, NEUTRAL], None)
            pixels = await self._pictures.stored(picture, self._upkeep.serving.encoder.preprocess)
            copies, encoded = covered(pixels), list[Encoded]()
            for start in range(0, len(copies), COVERED_TOGETHER):
                some = copies[start : start + COVERED_TOGETHER]
                encoded += await _all(self._batcher.submit(copy, IMAGE_COST, None) for copy in some)
        return covered_maps(*(np.stack([one.vector for one in part]) for part in (texts, encoded)))

    async def _encode_part(
        self, part: Part, deadline: float | None, stored: Callable[[ItemPart], Awaitable[Vector]]
    ) -> Encoded:
        match part:
            case TextPart():
                return await self._batcher.submit(clean_text(part.text)[0], TEXT_COST, deadline)
            case ImagePart():
                preprocess = self._upkeep.serving.encoder.preprocess
                with self._metrics.stage("decode"):
                    pixels = await self._pictures.pixels(part.encoded, preprocess)
                return await self._batcher.submit(pixels, IMAGE_COST, deadline)
            case ItemPart():
                by = self._upkeep.serving
                return Encoded(await stored(part), by)

    def _encode_batch(self, batch: Sequence[str | Pixels]) -> list[Encoded]:
        """Runs on the encoder's thread."""
        by = self._upkeep.serving
        texts = [one for one in batch if isinstance(one, str)]
        pictures = [one for one in batch if not isinstance(one, str)]
        text_vectors = iter(by.encoder.embed_texts(texts) if texts else ())
        picture_vectors = iter(by.encoder.embed_pixels(np.stack(pictures)) if pictures else ())
        return [
            Encoded(next(text_vectors), by, True, by.encoder.count_tokens(one))
            if isinstance(one, str)
            else Encoded(next(picture_vectors), by)
            for one in batch
        ]


async def _all(work: Iterable[Coroutine[Any, Any, Encoded]]) -> list[Encoded]:
    """As gather, but when one fails the others are cancelled: nobody wants them any more."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
