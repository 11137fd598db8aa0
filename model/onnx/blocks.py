"""One folded block as nodes of a graph; what model.inference.block runs."""

import math
from dataclasses import dataclass, replace

import torch

from model.inference.folding import Activation, Affine, Bottleneck, FoldedBlock, Mixture
from model.onnx.graph import Graph, Name

HIDDEN = -30_000.0
"""What is added to the score of a key that a token does not see; half precision holds it too."""


@dataclass(frozen=True)
class Place:
    """Where a tower is read: `token` (batch,) int64 is the position, or None for the first one.

    `causal` blocks see only what stands before a token; `batch` is the number of rows, int64 (1,).
    """

    token: Name | None
    causal: bool
    batch: Name


class BlockNodes:
    """Writes the nodes of one block for a stream x (batch, tokens, width)."""

    def __init__(self, graph: Graph, block: FoldedBlock, place: Place) -> None:
        self._graph, self._place = graph, place
        self._width = len(block.out.bias)
        self._plain = Affine(torch.ones(self._width), torch.zeros(self._width))
        self._block = _scaled(block)

    def all_tokens(self, x: Name) -> Name:
        """x behind the block."""
        graph, normalised = self._graph, self._normalised(x)
        query, key, value = self._split(graph.linear(normalised, self._block.qkv), 3)
        return self._after(query, key, value, x, self._unseen(x))

    def one_token(self, x: Name) -> Name:
        """(batch, 1, width) of the token that is read."""
        graph, block, width, place = self._graph, self._block, self._width, self._place
        normalised = self._normalised(x)
        key, value = self._split(graph.linear(normalised, block.qkv.rows(width, 3 * width)), 2)
        query = graph.linear(self._picked(normalised), block.qkv.rows(0, width))
        unseen = self._unseen(x)
        if unseen is not None and place.token is not None:
            rows = graph.node("Gather", [unseen, place.token], {"axis": 0})
            unseen = graph.unsqueezed(rows, 1, 2)
        return self._after(query, key, value, self._picked(x), unseen)

    def _after(self, query: Name, key: Name, value: Name, x: Name, unseen: Name | None) -> Name:
        graph, block = self._graph, self._block
        keys, values = self._heads(key, (0, 2, 3, 1)), self._heads(value, (0, 2, 1, 3))
        if block.known is not None:
            known_key, known_value = block.known.chunk(2, dim=1)
            keys = self._behind(known_key, keys, 3, (1, 2, 0))
            values = self._behind(known_value, values, 2, (1, 0, 2))
        scores = graph.node("MatMul", [self._heads(query, (0, 2, 1, 3)), keys])
        if unseen is not None:
            scores = graph.node("Add", [scores, unseen])
        mixed = graph.node("MatMul", [graph.node("Softmax", [scores], {"axis": -1}), values])
        side_by_side = graph.transposed(mixed, (0, 2, 1, 3))
        flat = graph.node("Reshape", [side_by_side, graph.integers(0, 0, self._width)])
        x = graph.node("Add", [x, graph.linear(flat, block.out)])
        normalised = self._normalised(x)
        hidden = _activated(graph, graph.linear(normalised, block.up), block.activation)
        x = graph.node("Add", [x, graph.linear(hidden, block.down)])
        if block.beside is None:
            return x
        return graph.node("Add", [x, _beside(graph, normalised, block.beside)])

    def _normalised(self, x: Name) -> Name:
        return self._graph.normalised(x, self._block.eps, self._plain)

    def _picked(self, x: Name) -> Name:
        if self._place.token is None:
            return self._graph.slice(x, 0, 1, axis=1)
        token = self._graph.unsqueezed(self._place.token, 1, 2)
        return self._graph.node("GatherND", [x, token], {"batch_dims": 1})

    def _split(self, x: Name, parts: int) -> list[Name]:
        """(batch, tokens, parts * width) -> as many of (batch, tokens, width)."""
        sizes = self._graph.integers(*[self._width] * parts)
        return self._graph.nodes("Split", [x, sizes], parts, {"axis": -1})

    def _heads(self, x: Name, order: tuple[int, ...]) -> Name:
        """(batch, tokens, width) -> (batch, tokens, heads, width / heads) in another order."""
        shape = self._graph.integers(0, 0, self._block.heads, self._width // self._block.heads)
        return self._graph.transposed(self._graph.node("Reshape", [x, shape]), order)

    def _behind(self, known: torch.Tensor, own: Name, axis: int, order: tuple[int, ...]) -> Name:
        """The `known` (2n, width) of every row, and behind them its own, with the heads in front."""
        heads = known.reshape(len(known), self._block.heads, -1).permute(order)[None]
        shape = self._graph.concat([self._place.batch, self._graph.integers(1, 1, 1)], axis=0)
        of_each = self._graph.node("Expand", [self._graph.constant(heads), shape])
        return self._graph.concat([of_each, own], axis)

    def _unseen(self, x: Name) -> Name | None:
        """What is added to scores (tokens, keys): nothing where a token sees a key.

        A token sees itself and those before it, and of the block's known prompts all unless it is the first.
        """
        if not self._place.causal:
            return None
        graph = self._graph
        tokens = graph.range(graph.length(x, 1))
        seen = graph.node("LessOrEqual", [tokens, graph.unsqueezed(tokens, 1)])
        if self._block.known is not None:
            later = graph.unsqueezed(graph.node("Greater", [tokens, graph.integer(0)]), 1)
            prompts = graph.node("Expand", [later, graph.integers(1, len(self._block.known))])
            seen = graph.concat([prompts, seen], axis=1)
        return graph.node("Where", [seen, graph.number(0.0), graph.number(HIDDEN)])


def _scaled(block: FoldedBlock) -> FoldedBlock:
    """The block with attention's divisor in its query's weights."""
    width = len(block.out.bias)
    divisor = torch.ones(3 * width, dtype=torch.float64)
    divisor[:width] = math.sqrt(width // block.heads)
    weight, bias = block.qkv.weight.double().cpu(), block.qkv.bias.double().cpu()
    return replace(block, qkv=Affine((weight / divisor[:, None]).float(), (bias / divisor).float()))


def _activated(graph: Graph, x: Name, activation: Activation) -> Name:
    if activation == "silu":
        return graph.node("Mul", [x, graph.node("Sigmoid", [x])])
    share = graph.node("Erf", [graph.node("Div", [x, graph.number(math.sqrt(2))])])
    doubled = graph.node("Mul", [x, graph.node("Add", [share, graph.number(1.0)])])
    return graph.node("Mul", [doubled, graph.number(0.5)])


def _beside(graph: Graph, normalised: Name, beside: Bottleneck | Mixture) -> Name:
    hidden = graph.node("Relu", [graph.linear(normalised, beside.down)])
    if isinstance(beside, Mixture):
        parts = graph.node("Reshape", [hidden, graph.integers(0, 0, -1, beside.units)])
        shares = _routing(graph, graph.linear(normalised, beside.gate), beside.top_k)
        weighted = graph.node("Mul", [parts, graph.unsqueezed(shares, 3)])
        hidden = graph.node("Reshape", [weighted, graph.integers(0, 0, len(beside.down.bias))])
    return graph.linear(hidden, beside.up)


def _routing(graph: Graph, logits: Name, top_k: int) -> Name:
    """Softmax over the `top_k` best of (..., experts), zero elsewhere."""
    best, selected = graph.nodes("TopK", [logits, graph.integers(top_k)], 2, {"axis": -1})
    shares = graph.node("Softmax", [best], {"axis": -1})
    zeros = graph.node("Expand", [graph.number(0.0), graph.node("Shape", [logits])])
    return graph.node("ScatterElements", [zeros, selected, shares], {"axis": -1})
