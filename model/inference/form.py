"""An encoder's inference form: the same function as its training form, executed as a device does it best.

Large batches go in slices: on a CPU small enough for intermediate results to stay in its caches, and large
enough for its cores to share every product; on a GPU the next slice is copied while one is computed.
"""

from collections.abc import Iterable, Iterator, Mapping

import torch

from model.encoder import PersonEncoder
from model.inference.folding import fold_text, fold_vision
from model.inference.int8 import SiteScales
from model.inference.precision import Precision, in_float, products_for
from model.inference.products import Products
from model.inference.tower import TextRun, VisionRun

CPU_TOKENS, CPU_TOKENS_FLOAT32, GPU_TOKENS = 1600, 800, 6400
"""Tokens of a slice: 8, 4 and 33 pictures of 193 tokens. That of a GPU has not been tuned on one.

Below 1,350 rows oneDNN leaves a core idle in narrow bfloat16 products; in float32 half as many are as quick.
"""


class InferenceForm:
    """Features of pictures and captions in float32, not of unit length, as from PersonEncoder.

    `grid` is the rows and columns of a picture's patches.
    """

    def __init__(self, encoder: PersonEncoder, products: Products, device: torch.device) -> None:
        self.grid = rows, columns = encoder.config.backbone.vision.grid
        self._tokens = _slice_tokens(device, products.dtype)
        self._images = max(1, round(self._tokens / (1 + rows * columns)))
        self._device, self._width = device, encoder.config.backbone.embed_dim
        if device.type == "cuda":
            self._copying = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._vision = VisionRun(fold_vision(encoder), products, device)
        self._text = TextRun(fold_text(encoder), in_float(products), device)

    @torch.inference_mode()
    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bytes (batch, height, width, 3), on the CPU -> (batch, embed_dim), on the device."""
        slices = self._moved(part for part in torch.split(pixels, self._images) if len(part))
        return self._together([self._vision(part) for part in slices])

    @torch.inference_mode()
    def image_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bytes (batch, height, width, 3), on the CPU -> (batch, 1 + patches, embed_dim), on the device.

        Every token as the class token is projected, the class token first, then the patches of `grid` row by
        row; a method's prompts are left out. The last block then costs as much as any other.
        """
        if not len(pixels):
            return self._together([]).view(0, 1 + self.grid[0] * self.grid[1], self._width)
        slices = self._moved(torch.split(pixels, self._images))
        return self._together([self._vision.tokens(part) for part in slices])

    @torch.inference_mode()
    def encode_text(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids (batch, context), on the CPU -> (batch, embed_dim), on the device.

        Captions of like length are encoded together, and nothing behind the end of the longest.
        """
        lengths = ids.argmax(dim=1) + 1
        if len(ids) == 1:
            return self._text(ids)
        order = lengths.argsort(stable=True)
        features = self._together([self._text(ids[rows]) for rows in self._alike(lengths[order], order)])
        return features[order.argsort().to(features.device)]

    def _alike(self, lengths: torch.Tensor, order: torch.Tensor) -> Iterator[torch.Tensor]:
        """Parts of `order`, whose `lengths` ascend, that have as many tokens as a slice takes."""
        start = 0
        for stop, length in enumerate(lengths.tolist()):
            if stop > start and (stop + 1 - start) * length > self._tokens:
                yield order[start:stop]
                start = stop
        if start < len(order):
            yield order[start:]

    def _moved(self, slices: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
        """The slices on the device; on a GPU each is on its way while the one before is computed."""
        if self._device.type != "cuda":
            yield from slices
            return
        waiting: list[tuple[torch.Tensor, torch.cuda.Event]] = []
        for part in slices:
            with torch.cuda.stream(self._copying):
                moved = part.pin_memory().to(self._device, non_blocking=True)
                waiting.append((moved, self._copying.record_event()))
            if len(waiting) > 1:
                yield self._arrived(*waiting.pop(0))
        for moved, copied in waiting:
            yield self._arrived(moved, copied)

    def _arrived(self, part: torch.Tensor, copied: torch.cuda.Event) -> torch.Tensor:
        """Waits for this slice's copy alone, not for the one that is under way behind it."""
        computing = torch.cuda.current_stream(self._device)
        computing.wait_event(copied)
        part.record_stream(computing)
        return part

    def _together(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat(parts) if parts else torch.empty(0, self._width, device=self._device)


def _slice_tokens(device: torch.device, dtype: torch.dtype) -> int:
    if device.type == "cuda":
        return GPU_TOKENS
    return CPU_TOKENS_FLOAT32 if dtype == torch.float32 else CPU_TOKENS


def build_form(
    encoder: PersonEncoder,
    precision: Precision,
    device: torch.device,
    scales: Mapping[str, SiteScales] | None = None,
) -> InferenceForm:
    """The form of an encoder (on the CPU, in evaluation mode); `scales` are what int8 needs.

    Raises ConfigError for a precision that the device has not.
    """
    return InferenceForm(encoder, products_for(precision, device, scales), device)
