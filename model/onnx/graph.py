"""One ONNX graph, written node by node.

The folded towers are short enough to be written down directly: nothing is traced, so batch and length stay
free, and the file holds what stands in `model.onnx.towers` and no more. Operators of opset 17, which
runtimes have had since 2022.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model.inference.folding import Affine

OPSET, IR_VERSION = 17, 8
END = 2**31 - 1
"""As a slice's stop: up to the end."""

SMALL = 16_384
"""Bytes up to which equal tensors are kept once."""

Name = str
"""Of a tensor in the graph."""

Setting = int | float | Sequence[int]
"""A node's attribute."""


class Graph:
    """Every method adds nodes and returns the name of what they give."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []
        self._small: dict[tuple[str, tuple[int, ...], bytes], Name] = {}

    def constant(self, value: torch.Tensor | NDArray[np.generic]) -> Name:
        """A tensor of the file, such as weights; equal small ones are kept once."""
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
        name = f"constant_{len(self._constants)}"
        if array.nbytes <= SMALL:
            key = str(array.dtype), array.shape, array.tobytes()
            if self._small.setdefault(key, name) != name:
                return self._small[key]
        self._constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def integers(self, *values: int) -> Name:
        """int64 (values,), as shapes and axes are given."""
        return self.constant(np.array(values, dtype=np.int64))

    def integer(self, value: int) -> Name:
        """An int64 without axes."""
        return self.constant(np.array(value, dtype=np.int64))

    def number(self, value: float) -> Name:
        """A float32 without axes."""
        return self.constant(np.array(value, dtype=np.float32))

    def node(self, kind: str, inputs: Sequence[Name], settings: Mapping[str, Setting] | None = None) -> Name:
        """One operator with one output."""
        return self.nodes(kind, inputs, 1, settings)[0]

    def nodes(
        self, kind: str, inputs: Sequence[Name], outputs: int, settings: Mapping[str, Setting] | None = None
    ) -> list[Name]:
        """One operator with several outputs."""
        names = [f"{kind}_{len(self._nodes)}" + (f"_{index}" if index else "") for index in range(outputs)]
        node = helper.make_node(kind, inputs, names, name=names[0])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in (settings or {}).items())
        self._nodes.append(node)
        return names

    def slice(self, x: Name, start: int, stop: Name | int, axis: int) -> Name:
        """Part of an axis; a `stop` in the graph is int64 (1,)."""
        end = self.integers(stop) if isinstance(stop, int) else stop
        return self.node("Slice", [x, self.integers(start), end, self.integers(axis)])

    def concat(self, parts: Sequence[Name], axis: int) -> Name:
        """Side by side along an axis."""
        return self.node("Concat", parts, {"axis": axis})

    def transposed(self, x: Name, order: Sequence[int]) -> Name:
        """The axes in another order."""
        return self.node("Transpose", [x], {"perm": order})

    def unsqueezed(self, x: Name, *axes: int) -> Name:
        """With axes of length 1 put in."""
        return self.node("Unsqueeze", [x, self.integers(*axes)])

    def length(self, x: Name, axis: int) -> Name:
        """An axis' length: int64 (1,)."""
        return self.node("Shape", [x], {"start": axis, "end": axis + 1})

    def range(self, stop: Name) -> Name:
        """0 .. stop - 1 for a `stop` (1,)."""
        end = self.node("Squeeze", [stop])
        return self.node("Range", [self.integer(0), end, self.integer(1)])

    def expanded(self, x: Name, length: Name) -> Name:
        """x (1, ...) repeated along its first axis; `length` is int64 (1,)."""
        return self.node("Expand", [x, self.concat([length, self.integers(1, 1)], 0)])

    def linear(self, x: Name, affine: Affine) -> Name:
        """x (..., inputs) -> (..., outputs)."""
        product = self.node("MatMul", [x, self.constant(affine.weight.t())])
        return self.node("Add", [product, self.constant(affine.bias)]) if affine.bias.any() else product

    def normalised(self, x: Name, eps: float, affine: Affine) -> Name:
        """LayerNorm over the last axis; `affine` holds its gains and its bias."""
        inputs = [x, self.constant(affine.weight), self.constant(affine.bias)]
        return self.node("LayerNormalization", inputs, {"axis": -1, "epsilon": eps})

    def model(self, source: onnx.ValueInfoProto, unit: Name, dimension: int) -> onnx.ModelProto:
        """The finished file: from `source` to `embedding` (batch, dimension), which is `unit`."""
        self._nodes.append(helper.make_node("Identity", [unit], ["embedding"], name="embedding"))
        target = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimension])
        graph = helper.make_graph(self._nodes, source.name, [source], [target], initializer=self._constants)
        return helper.make_model(
            graph,
            producer_name="cskt",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
