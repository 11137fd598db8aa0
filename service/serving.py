"""What answers queries: an encoder with the gallery of its vectors, opened together."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from indexer.gallery import Gallery
from indexer.prepared import Preprocess
from model.cores import usable_cores
from service.remote_encoder import RemoteEncoder
from service.settings import Settings

if TYPE_CHECKING:
    from model.matching.calibration import Calibration

log = logging.getLogger("cskt.searcher")


class QueryEncoder(Protocol):
    """What the query path needs of an encoder; `remote_encoder.RemoteEncoder` is the one that serves."""

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

    def embed_pixels(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Bytes (n, height, width, 3) -> unit vectors (n, dimension)."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text before cutting, with the start and end marks."""
        ...

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        ...

    def revive(self) -> None:
        """Try to make it so again. Raises CsktError."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


@dataclass(frozen=True)
class Serving:
    """An encoder and the gallery of its vectors; a query meets both or neither.

    calibration: what the scores mean, None where that was never measured.
    """

    encoder: QueryEncoder
    gallery: Gallery
    calibration: "Calibration | None" = None

    def close(self) -> None:
        """Let go of both."""
        self.gallery.close()
        self.encoder.close()


def open_serving(settings: Settings) -> Serving:
    """The gallery as it is now, read whole, and its encoder. Raises CsktError."""
    from indexer.gallery import check_encoder, open_gallery
    from model.embedder import checkpoint_folder
    from model.matching.calibration import read_calibration

    with ExitStack() as opened:
        gallery = open_gallery(settings.gallery, device=settings.device)
        opened.callback(gallery.close)
        name = settings.encoder or gallery.encoder
        encoder = RemoteEncoder(name, settings)
        opened.callback(encoder.close)
        check_encoder(gallery, encoder.name, encoder.fingerprint)
        log.info("the encoder runs in %s", encoder.precision)
        calibration = read_calibration(checkpoint_folder(name), encoder.fingerprint)
        gallery.refresh()  # reads everything searches need, so damage is said before the service listens
        opened.pop_all()
    return Serving(encoder, gallery, calibration)


def use_cores(threads: int | None) -> None:
    """Let the encoder use so many threads, or every core this process may run on."""
    import torch

    torch.set_num_threads(threads or usable_cores())
