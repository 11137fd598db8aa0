"""A toy encoder of mean colours, in a module that processes which decode can import."""

from dataclasses import dataclass

import numpy as np

WORDS = ("red", "green", "blue")


@dataclass(frozen=True)
class ColourPixels:
    """Eight by four pixels of a picture."""

    image_size = (8, 4)

    def __call__(self, picture):
        return np.asarray(picture.resize((4, 8)), np.uint8).copy()


class ColourEncoder:
    """Sees the mean colour; `turn` rotates what it sees, so that two of them disagree. 4 + turn numbers."""

    device_type, preprocess = "cpu", ColourPixels()

    def __init__(self, turn):
        self.name, self.fingerprint, self.dimension, self.turn = (
            f"turn-{turn}",
            f"{turn:064d}",
            4 + turn,
            turn,
        )
        self.stop_after, self.seen = None, 0

    def embed_pixels(self, pixels):
        self.seen += len(pixels)
        if self.stop_after is not None and self.seen > self.stop_after:
            raise KeyboardInterrupt
        return self._unit(pixels.numpy().reshape(len(pixels), -1, 3).mean(1) / 255)

    def embed_texts(self, texts):
        return self._unit(np.array([[float(word in text) for word in WORDS] for text in texts]))

    def _unit(self, colours):
        vectors = np.zeros((len(colours), self.dimension), np.float32)
        vectors[:, :3] = np.roll(colours, self.turn, axis=1)
        vectors[:, 3] = 0.3
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
