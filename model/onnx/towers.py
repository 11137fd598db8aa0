"""The towers as ONNX graphs: normalised pixels or token ids to embeddings of unit length.

The same folded blocks as model.inference.tower runs. Pictures come in normalised, as users of ONNX files
expect, so the first layer is CLIP's own.
"""

from collections.abc import Sequence

import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

from model.encoder import PersonEncoder
from model.inference.folding import Affine, FoldedBlock, fold_text, fold_vision
from model.inference.patches import plain_stages
from model.onnx.blocks import BlockNodes, Place
from model.onnx.graph import END, Graph, Name
from model.stem import ConvolutionalStem, ResidualBlock


def vision_graph(encoder: PersonEncoder) -> onnx.ModelProto:
    """`image` float32 (batch, 3, height, width), normalised -> `embedding` (batch, embed_dim)."""
    graph, folded, config = Graph(), fold_vision(encoder), encoder.config.backbone
    batch = graph.length("image", 0)
    grid = _convolved(graph, "image", encoder.visual.conv1)
    rows = graph.node("Reshape", [grid, graph.integers(0, 0, -1)])
    positions = graph.constant(encoder.visual.positional_embedding[1:])
    patches = graph.node("Add", [graph.transposed(rows, (0, 2, 1)), positions])
    patches = graph.normalised(patches, folded.norm_eps, folded.norm)
    first = graph.expanded(graph.constant(folded.first[None, None]), batch)
    x = graph.concat([first, patches], axis=1)
    place = Place(token=None, causal=False, batch=batch)
    for block in folded.blocks:
        if block.arriving is not None:
            x = _joined(graph, x, block.arriving, END, batch)
        x = _behind(graph, x, block, place, last=block is folded.blocks[-1])
    unit = _headed(graph, x, folded.head, folded.head_eps)
    shape: list[str | int | None] = ["batch", 3, *config.vision.image_size]
    source = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    return graph.model(source, unit, config.embed_dim)


def text_graph(encoder: PersonEncoder) -> onnx.ModelProto:
    """`text` int32 (batch, length) of any length, start and end token included -> `embedding` (batch,
    embed_dim).

    What stands behind an end token does not matter. A caption that leaves the prompts no room loses its tail
    and keeps its end, and so does one beyond the context.
    """
    graph, folded, config = Graph(), fold_text(encoder), encoder.config.backbone
    places, batch = folded.places, graph.length("text", 0)
    ids, end = _captions(graph, config.text.context_length - places)
    words = graph.node("Gather", [graph.constant(folded.words), ids])
    own = torch.cat([folded.positions[:1], folded.positions[1 + places :]])
    x = graph.node("Add", [words, graph.slice(graph.constant(own), 0, graph.length(ids, 1), axis=0)])
    for block in folded.blocks:
        if block.arriving is not None:
            x = _joined(graph, x, block.arriving, 1, batch)
            end = graph.node("Add", [end, graph.integer(places)])
        place = Place(token=end, causal=True, batch=batch)
        x = _behind(graph, x, block, place, last=block is folded.blocks[-1])
    unit = _headed(graph, x, folded.head, folded.head_eps)
    source = helper.make_tensor_value_info("text", TensorProto.INT32, ["batch", "length"])
    return graph.model(source, unit, config.embed_dim)


def _captions(graph: Graph, room: int) -> tuple[Name, Name]:
    """Ids (batch, longest) up to the last end token, and where each row's end is (batch,)."""
    limit = graph.integer(room - 1)
    end = graph.node("ArgMax", ["text"], {"axis": 1, "keepdims": 0})
    too_long = graph.unsqueezed(graph.node("Greater", [end, limit]), 1)
    end = graph.node("Min", [end, limit])
    stop = graph.node("Add", [graph.node("ReduceMax", [end], {"axes": [0]}), graph.integers(1)])
    ids = graph.slice("text", 0, stop, axis=1)
    at_limit = graph.node("Equal", [graph.range(graph.length(ids, 1)), limit])
    end_token = graph.node("ReduceMax", ["text"], {"axes": [1], "keepdims": 1})
    return graph.node("Where", [graph.node("And", [too_long, at_limit]), end_token, ids]), end


def _behind(graph: Graph, x: Name, block: FoldedBlock, place: Place, last: bool) -> Name:
    nodes = BlockNodes(graph, block, place)
    return nodes.one_token(x) if last else nodes.all_tokens(x)


def _joined(graph: Graph, x: Name, prompts: torch.Tensor, position: int, batch: Name) -> Name:
    """The stream with prompts (2n, width) put in at a position; END is behind everything."""
    of_each = graph.expanded(graph.constant(prompts[None]), batch)
    if position == END:
        return graph.concat([x, of_each], axis=1)
    before, after = graph.slice(x, 0, position, axis=1), graph.slice(x, position, END, axis=1)
    return graph.concat([before, of_each, after], axis=1)


def _headed(graph: Graph, x: Name, head: Affine, eps: float) -> Name:
    """The token that is left, x (batch, 1, width), in the shared space and of unit length."""
    width = head.weight.shape[1]
    flat = graph.node("Reshape", [x, graph.integers(0, width)])
    plain = Affine(torch.ones(width), torch.zeros(width))
    features = graph.linear(graph.normalised(flat, eps, plain), head)
    return graph.node("LpNormalization", [features], {"axis": -1, "p": 2})


def _convolved(graph: Graph, x: Name, layer: nn.Module) -> Name:
    """CLIP's one convolution, or the stages of a stem."""
    if isinstance(layer, ConvolutionalStem):
        return _staged(graph, x, plain_stages(layer).float())
    assert isinstance(layer, nn.Conv2d)
    return _convolution(graph, x, layer)


def _staged(graph: Graph, x: Name, stages: nn.Module) -> Name:
    if isinstance(stages, nn.Conv2d):
        return _convolution(graph, x, stages)
    if isinstance(stages, nn.ReLU):
        return graph.node("Relu", [x])
    if isinstance(stages, ResidualBlock):
        inner = graph.node("Relu", [_staged(graph, x, stages.first)])
        return graph.node("Relu", [graph.node("Add", [x, _staged(graph, inner, stages.second)])])
    assert isinstance(stages, nn.Sequential)
    for stage in stages:
        x = _staged(graph, x, stage)
    return x


def _convolution(graph: Graph, x: Name, layer: nn.Conv2d) -> Name:
    assert not isinstance(layer.padding, str)
    settings: dict[str, Sequence[int]] = {
        "kernel_shape": layer.kernel_size,
        "strides": layer.stride,
        "pads": (*layer.padding, *layer.padding),
    }
    weights = [graph.constant(layer.weight)]
    if layer.bias is not None:
        weights.append(graph.constant(layer.bias))
    return graph.node("Conv", [x, *weights], settings)
