"""What a folded tower must compute and read, by count: the floor beside measurements."""

from dataclasses import dataclass

from model.inference.folding import Affine, Bottleneck, FoldedBlock, FoldedText, FoldedVision, Mixture
from model.inference.patches import Patches
from model.inference.precision import Precision

BYTES: dict[Precision, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


@dataclass(frozen=True)
class Cost:
    """Operations of one picture or caption (two for each multiplication, matrix products alone), and the
    weights that every batch reads."""

    operations: int
    weights: int

    def bytes_read(self, precision: Precision) -> int:
        """Of the weights; with int8 a few of them have two bytes or four, which is not counted."""
        return self.weights * BYTES[precision]


def vision_cost(folded: FoldedVision) -> Cost:
    """One picture. A stem's convolutions are not counted."""
    tokens = 1 + len(folded.positions)
    first = folded.patches.weight.numel() if isinstance(folded.patches, Patches) else 0
    blocks = _blocks(folded.blocks, tokens)
    head = folded.head.weight.numel()
    operations = 2 * (first * (tokens - 1) + head) + blocks.operations
    return Cost(operations, first + blocks.weights + head)


def text_cost(folded: FoldedText, tokens: int) -> Cost:
    """One caption of `tokens`, start and end counted; of the words' table nothing is counted."""
    blocks = _blocks(folded.blocks, tokens)
    head = folded.head.weight.numel()
    return Cost(blocks.operations + 2 * head, blocks.weights + head)


def _blocks(blocks: tuple[FoldedBlock, ...], tokens: int) -> Cost:
    operations = weights = 0
    for index, block in enumerate(blocks):
        if block.arriving is not None:
            tokens += len(block.arriving)
        width = len(block.out.bias)
        read = 1 if index + 1 == len(blocks) else tokens
        keys = tokens + (0 if block.known is None else len(block.known))
        key_value, query = 2 * width * width, width * width
        beside = _beside(block.beside)
        rest = sum(part.weight.numel() for part in (block.out, block.up, block.down)) + beside
        operations += 2 * (key_value * tokens + (query + rest) * read) + 4 * read * keys * width
        weights += key_value + query + rest
    return Cost(operations, weights)


def _beside(folded: Bottleneck | Mixture | None) -> int:
    if folded is None:
        return 0
    parts: list[Affine] = [folded.down, folded.up]
    if isinstance(folded, Mixture):
        parts.append(folded.gate)
    return sum(part.weight.numel() for part in parts)
