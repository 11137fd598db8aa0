"""`cskt gallery migrate`: to another encoder and back, without a pause for those who search."""

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from model.arguments import add_form_options
from model.terminal import terminal_safe

if TYPE_CHECKING:
    from indexer.migration import Compared

SENTENCES = (
    "a woman with long hair wearing a red jacket and blue jeans",
    "a man in a dark coat with a black backpack",
    "a person in a white t-shirt and shorts",
    "a woman in a dress carrying a handbag",
    "a man wearing a hat and a grey hoodie",
    "a person with a suitcase",
    "a man in a yellow jacket",
    "a woman in black trousers and a green sweater",
)
"""What both encoders are asked where no queries are given."""


def add_migrate(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount `cskt gallery migrate`."""
    parser = actions.add_parser(
        "migrate",
        help="move to another encoder: embed the stored crops, compare, switch",
        description="Embeds every stored crop by another encoder beside the living vectors, which are "
        "searched and added to meanwhile, and compares the two. With --switch the new encoder takes over in "
        "one step; a running service follows by itself. The old vectors stay for --back until --discard.",
    )
    parser.add_argument("--gallery", required=True, metavar="G", help="folder of the gallery")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--encoder", help="the new one: demo, a checkpoint folder or openclip:MODEL/PRETRAINED")
    what.add_argument("--back", action="store_true", help="switch back to the previous encoder")
    what.add_argument("--discard", action="store_true", help="drop the vectors of the encoder not in use")
    parser.add_argument("--switch", action="store_true", help="let the new encoder take over")
    parser.add_argument("--queries", metavar="FILE", help="sentences to compare by, one a line")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")
    add_form_options(parser)
    parser.set_defaults(run=run_migrate)


def run_migrate(arguments: argparse.Namespace) -> int:
    """Prepare and compare, switch, go back or discard, as asked."""
    from indexer.gallery import local_folder, open_gallery
    from indexer.migration import compare, discard, prepare, previous_encoder, switch
    from model.embedder import open_embedder

    folder = local_folder(arguments.gallery)
    queries = _queries(arguments.queries)
    gallery = open_gallery(folder)  # says in one sentence what is wrong with it
    living = gallery.encoder
    gallery.close()
    if arguments.discard:
        discard(folder)
        print(f"dropped: the gallery holds the vectors of {terminal_safe(living)} only.")
        return 0
    name = previous_encoder(folder) if arguments.back else arguments.encoder
    encoder = open_embedder(name, arguments.device, arguments.precision)
    if not arguments.back:
        embedded = prepare(folder, encoder)
        print(f"{embedded} crops embedded by {terminal_safe(encoder.name)}.", file=sys.stderr)
        old = open_embedder(living, arguments.device, arguments.precision)
        _print_compared(compare(folder, old, encoder, queries), arguments.json)
    if arguments.back or arguments.switch:
        switch(folder, encoder)
        print(f"switched: the gallery is one of {terminal_safe(encoder.name)} now.", file=sys.stderr)
        _build(folder)
    else:
        print("nothing is switched yet: say --switch to let it take over.", file=sys.stderr)
    return 0


def _build(folder: Path) -> None:
    """Make what is left of the index files; whoever writes meanwhile does that, too, when it is done."""
    from indexer.errors import GalleryBusy
    from indexer.gallery import open_gallery

    try:
        with closing(open_gallery(folder, write=True)) as gallery:
            gallery.build_generation()
    except GalleryBusy as error:
        print(terminal_safe(f"its index is left to the next build: {error}"), file=sys.stderr)


def _queries(file: str | None) -> list[str]:
    from indexer.errors import GalleryError

    if file is None:
        return list(SENTENCES)
    try:
        lines = Path(file).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GalleryError(f"{file} cannot be read as text: {error}.") from error
    queries = [line.strip() for line in lines if line.strip()]
    if not queries:
        raise GalleryError(f"{file} holds no query: write one sentence a line.")
    return queries


def _print_compared(compared: "list[Compared]", as_json: bool) -> None:
    from indexer.migration import COMPARED_HITS

    common = sum(one.common for one in compared) / len(compared)
    if as_json:
        rows = [{"query": one.query, "common": one.common, "same_first": one.same_first} for one in compared]
        print(json.dumps({"of": COMPARED_HITS, "mean_common": round(common, 3), "queries": rows}))
        return
    for one in compared:
        first = "same first" if one.same_first else "another first"
        print(terminal_safe(f"{one.common:2d} of {COMPARED_HITS} hits in common, {first}: {one.query}"))
    print(
        f"{common:.1f} of {COMPARED_HITS} in common on average. That says how much changes, not which is "
        "better: `cskt evaluate` does."
    )
