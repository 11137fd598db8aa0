"""What answers queries: an encoder with the gallery of its vectors, opened together."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from indexer.gallery import Gallery
from indexer.prepared import Preprocess
from service.settings import Settings

if TYPE_CHECKING:
    import torch

    from model.matching.calibration import Calibration

log = logging.getLogger("cskt.searcher")


class QueryEncoder(Protocol):
    """What the query path needs of `model.embedder.Embedder`."""

    @property
    def name(self) -> str:
        """How the encoder was given (`demo`, a folder, `openclip:...`)."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identifies weights, configuration, tokenizer and preprocessing."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens it reads, with the start and end marks."""
        ...

    @property
    def precision(self) -> str:
        """The number format it computes in."""
        ...

    @property
    def preprocess(self) -> Preprocess:
        """Turns a picture into pixels."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors (texts, dimension)."""
        ...

    def embed_pixels(self, pixels: "torch.Tensor") -> npt.NDArray[np.float32]:
        """Bytes (n, height, width, 3) -> unit vectors (n, dimension)."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text before cutting, with the start and end marks."""
        ...


@dataclass(frozen=True)
class Serving:
    """An encoder and the gallery of its vectors; a query meets both or neither.

    calibration: what the scores mean, None where that was never measured.
    """

    encoder: QueryEncoder
    gallery: Gallery
    calibration: "Calibration | None" = None


def open_serving(settings: Settings) -> Serving:
    """The gallery as it is now, read whole, and its encoder. Raises CsktError."""
    from indexer.gallery import check_encoder, open_gallery
    from model.embedder import checkpoint_folder, open_embedder
    from model.matching.calibration import read_calibration

    gallery = open_gallery(settings.gallery, device=settings.device)
    try:
        name = settings.encoder or gallery.encoder
        embedder = open_embedder(name, settings.device, settings.precision)
        check_encoder(gallery, embedder.name, embedder.fingerprint)
        log.info("the encoder runs in %s", embedder.precision)
        calibration = read_calibration(checkpoint_folder(name), embedder.fingerprint)
        gallery.refresh()  # reads everything searches need, so damage is said before the service listens
    except BaseException:
        gallery.close()
        raise
    return Serving(embedder, gallery, calibration)


def use_cores(settings: Settings) -> None:
    """Let the encoder use the threads set, else every core this process may run on."""
    import torch

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(settings.threads or allowed or 1)
