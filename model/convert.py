"""`cskt convert`: a released checkpoint into a checkpoint folder."""

import argparse
from pathlib import Path

from model.arguments import count


def add_convert(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt convert`."""
    parser = subparsers.add_parser(
        "convert",
        help="turn a released CSKT, DM-Adapter, IRRA or CLIP file into a checkpoint folder",
        description="Reads the weights alone (no code from the file runs) and is strict about every tensor. "
        "Widths, depths and the method come from the tensors; what shapes cannot tell is taken as "
        "published, or from the options.",
    )
    parser.add_argument("source", type=Path, metavar="OFFICIAL.pth", help=".pth, .pt or .safetensors file")
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="a new folder, or one that holds just this encoder"
    )
    parser.add_argument(
        "--image-size",
        type=count,
        nargs=2,
        metavar=("H", "W"),
        help="default: 384 128, or what fits the patches",
    )
    parser.add_argument("--stride", type=count, metavar="S", help="of the patches; default: the patch size")
    parser.add_argument("--top-k", type=count, metavar="K", help="experts per token (DM-Adapter); default: 2")
    parser.add_argument(
        "--activation",
        choices=("quick_gelu", "gelu"),
        help="of a CLIP that is not OpenAI's own file; default: quick_gelu, right for OpenAI's weights",
    )
    parser.add_argument("--half", action="store_true", help="store float16, half the size")
    parser.set_defaults(run=run_convert)


def run_convert(arguments: argparse.Namespace) -> None:
    """Read, write, and say what was read and what left out.

    Raises CheckpointError for what does not fit, and for an OUT that holds something else.
    """
    from model.adapters.dm_adapter import DmAdapterConfig
    from model.checkpoint import content_of, write_content
    from model.export_folder import holds_encoder
    from model.released_shapes import Choices, released_config
    from model.released_weights import fit_released, read_released

    weights = read_released(arguments.source)
    choices = Choices(
        image_size=tuple(arguments.image_size) if arguments.image_size else None,
        stride=arguments.stride,
        quick_gelu=None if arguments.activation is None else arguments.activation == "quick_gelu",
        top_k=arguments.top_k,
    )
    config = released_config(weights, choices)
    encoder = fit_released(weights, config)
    content = content_of(encoder, arguments.half)
    holds_encoder(arguments.out, content.fingerprint)
    card = {
        "converted_from": arguments.source.name,
        "layout": weights.layout,
        "left_out": list(weights.left_out),
    }
    write_content(arguments.out, content, card)
    vision = config.backbone.vision
    print(
        f"{arguments.out}: {weights.layout} on {config.backbone.name}, image {vision.image_size[0]}x"
        f"{vision.image_size[1]}, stride {vision.stride}, {len(weights.tensors)} tensors"
    )
    if weights.left_out:
        print(f"left out, used in training only or by nothing: {', '.join(weights.left_out)}")
    if isinstance(config.adapter, DmAdapterConfig) and arguments.top_k is None:
        print(f"taken to pick {config.adapter.top_k} experts per token as published; if not, use --top-k")
    if weights.layout == "clip" and not weights.from_openai and arguments.activation is None:
        print("taken to be trained with QuickGELU, as OpenAI's weights are; if not, use --activation gelu")
    print(f"fingerprint {content.fingerprint}")
