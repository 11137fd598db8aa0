"""Where the exact rows are scanned: on the CPU, or dealt out to the GPUs of the machine."""

import logging
from collections.abc import Sequence

import numpy as np

from indexer.vectors.faiss_index import FaissIndex
from indexer.vectors.vector_index import VectorIndex

log = logging.getLogger(__name__)


class Placement:
    """Moves indexes to devices in turn; to none, or where one fails, they stay on the CPU."""

    def __init__(self, devices: Sequence[str] = ()) -> None:
        self._devices = tuple(devices)

    @property
    def devices(self) -> tuple[str, ...]:
        """The torch devices in use; empty: the CPU by FAISS."""
        return self._devices

    def place(self, index: FaissIndex, number: int) -> VectorIndex:
        """The same rows where they are to be scanned; `number` deals them out evenly."""
        if not self._devices:
            return index
        try:
            return _moved(index, self._devices[number % len(self._devices)])
        except RuntimeError as error:  # out of memory, or the device is lost
            if self._devices:
                log.warning(
                    "the rows do not fit on %s (%s): they are scanned on the CPU.",
                    *(", ".join(self._devices), str(error).splitlines()[0]),
                )
            self._devices = ()
            return index


def _moved(index: FaissIndex, device: str) -> VectorIndex:
    from indexer.vectors.device_index import DeviceIndex

    moved = DeviceIndex(index.dimension, device)
    moved.add(index.ids, index.vectors_at(np.arange(len(index))).astype(np.float16))
    return moved
