"""`cskt index | search`: what they take and what they print; `remove` and `gallery` are mounted with them."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from indexer.filter_options import add_filter_options, filter_of, warn_of_missing
from indexer.gallery_commands import EXIT_PROBLEMS, add_gallery, add_kind_option
from indexer.index_options import add_options, bursts_of, scope_of
from indexer.on_record import record_items
from indexer.printed_results import MOST_OTHERS, answer_json, answer_lines
from indexer.remove_command import add_remove
from indexer.texts import storable
from model.arguments import add_form_options, count
from model.terminal import terminal_safe

if TYPE_CHECKING:
    from indexer.decoders import Decoders
    from indexer.gallery import Gallery
    from indexer.indexing import IndexReport
    from indexer.sources import GallerySource
    from model.embedder import Embedder

MAX_TOP_K = 1000
DEFAULT_ENCODER = "demo"


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount the commands about galleries."""
    _add_index(subparsers)
    _add_search(subparsers)
    add_remove(subparsers)
    add_gallery(subparsers)


def _add_index(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "index", help="embed the people of folders, manifests, tar shards or videos into a gallery"
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="folder:DIR, manifest:FILE, shards:TAR, video:FILE, a path or a URL",
    )
    parser.add_argument(
        "--gallery", required=True, metavar="G", help="folder of the gallery; made if need be"
    )
    parser.add_argument("--encoder", help="demo, a checkpoint folder or openclip:MODEL/PRETRAINED")
    add_form_options(parser)
    parser.add_argument("--batch-size", type=count, default=64, metavar="N", help="images embedded at once")
    parser.add_argument(
        "--workers", type=count, metavar="N", help="processes that decode images (default: one for each core)"
    )
    add_kind_option(parser)
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run_index)


def _add_search(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("search", help="find the people that a sentence describes")
    parser.add_argument("text", help="what the person looks like")
    parser.add_argument("--gallery", required=True, metavar="G", help="folder of the gallery")
    parser.add_argument("--encoder", help="default: the one that made the gallery")
    parser.add_argument(
        "--top-k", type=int, default=10, metavar="K", help=f"how many hits (1 to {MAX_TOP_K})"
    )
    add_filter_options(parser)
    parser.add_argument(
        "--group", action="store_true", help="one result for each track or burst, the rest behind it"
    )
    parser.add_argument("--json", action="store_true", help="print the hits as JSON")
    parser.set_defaults(run=run_search)


def run_index(arguments: argparse.Namespace) -> int:
    """Index every source in turn; a summary for each, also when interrupted.

    EXIT_PROBLEMS if everything of a source was rejected.
    """
    from indexer.decoders import Decoders
    from indexer.gallery import open_gallery
    from indexer.indexing import IndexReport
    from indexer.sources import open_source
    from model.embedder import open_embedder

    scope = scope_of(arguments)
    sources = [open_source(uri, scope) for uri in arguments.sources]
    encoder = arguments.encoder or _encoder_of(arguments.gallery)
    with Decoders(arguments.workers) as decoders:
        decoders.start(sum(source.total or 0 for source in sources))  # while the encoder is opened
        embedder = open_embedder(encoder, arguments.device, arguments.precision)
        made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
        gallery = open_gallery(arguments.gallery, create_for=made_by, write=True)
        try:
            if arguments.index:
                gallery.use_kind(arguments.index)
            reports = [IndexReport(source.name) for source in sources]
            for source, report in zip(sources, reports, strict=True):
                _index_one(arguments, gallery, source, embedder, decoders, report)
            _tell_overdue(gallery, arguments.gallery)
        finally:
            gallery.close()
    useless = any(one.rejected and not one.new + one.known + one.removed for one in reports)
    return EXIT_PROBLEMS if useless else 0


def _tell_overdue(gallery: "Gallery", address: str) -> None:
    from datetime import UTC, datetime

    count = sum(len(group.ids) for group in gallery.overdue(datetime.now(UTC)))
    if count:
        remedy = f"erase them with `cskt gallery expire --gallery {terminal_safe(address)}`"
        print(f"cskt: {count} items are kept longer than they may be: {remedy}.", file=sys.stderr)


def _index_one(
    arguments: argparse.Namespace,
    gallery: "Gallery",
    source: "GallerySource",
    embedder: "Embedder",
    decoders: "Decoders",
    report: "IndexReport",
) -> None:
    from indexer.gallery import local_folder
    from indexer.indexing import index_source
    from indexer.jobs import told_job

    try:
        with told_job(local_folder(arguments.gallery), source.name, source.total, report) as job:
            index_source(
                gallery,
                source,
                embedder,
                report,
                arguments.batch_size,
                decoders=decoders,
                bursts=bursts_of(arguments),
                told=job.update,
            )
    finally:
        _print_report(report, len(gallery), embedder.precision, arguments.json)


def _encoder_of(address: str) -> str:
    """The encoder that made the gallery, or the default where there is no gallery yet."""
    from indexer.errors import GalleryMissing
    from indexer.gallery import open_gallery

    try:
        gallery = open_gallery(address)
    except GalleryMissing:
        return DEFAULT_ENCODER
    try:
        return gallery.encoder
    finally:
        gallery.close()


def _print_report(report: "IndexReport", items: int, precision: str, as_json: bool) -> None:
    reasons = [{"uri": bad.uri, "reason": bad.reason} for bad in report.first_rejected]
    if as_json:
        facts = {
            "source": report.source,
            "new": report.new,
            "known": report.known,
            "removed": report.removed,
            "rejected": report.rejected,
            "precision": precision,
        }
        timing = {
            "seconds": round(report.seconds, 3),
            "per_second": round(report.rate, 2),
            "gallery_items": items,
        }
        print(json.dumps(facts | timing | {"first_rejected": reasons}), flush=True)
        return
    gone = f"{report.removed} removed for good and left out, " if report.removed else ""
    print(
        f"{terminal_safe(report.source)}: {report.new} new, "
        f"{report.known} already known and left as they were, {gone}"
        f"{report.rejected} rejected; "
        f"{report.rate:.1f} new images/s in {precision}; the gallery holds {items}.",
        flush=True,
    )
    if report.removed:
        print("  who was removed never comes back into this gallery; a new one takes them in.", flush=True)
    for bad in reasons:
        print(terminal_safe(f"  rejected {bad['uri']}: {bad['reason']}"), flush=True)


def run_search(arguments: argparse.Namespace) -> int:
    """Print the best hits of one sentence."""
    from indexer.gallery import check_encoder, open_gallery
    from indexer.grouping import Group, search_groups
    from indexer.judging import open_judge
    from model.embedder import checkpoint_folder, open_embedder
    from model.matching.calibration import DEFAULT_RATE, read_calibration

    text, where = _text_of(arguments), filter_of(arguments)
    gallery = open_gallery(arguments.gallery)
    try:
        name = arguments.encoder or gallery.encoder
        embedder = open_embedder(name)
        check_encoder(gallery, embedder.name, embedder.fingerprint)
        calibration = read_calibration(checkpoint_folder(name), embedder.fingerprint)
        _warn_if_cut(embedder, text)
        warn_of_missing(gallery, where)
        vectors = embedder.embed_texts([text])
        if arguments.group:
            groups = search_groups(gallery, vectors[0], arguments.top_k, MOST_OTHERS, where)
        else:
            groups = [Group(hit, ()) for hit in gallery.search(vectors, arguments.top_k, where)[0]]
        scores = [group.best.score for group in groups]
        judge = open_judge(gallery, calibration, DEFAULT_RATE)
        judged = judge.judge(vectors[0], scores[0] if scores else None, scores)
        record_items(arguments, [hit.id for group in groups for hit in (group.best, *group.others)])
        if arguments.json:
            print(answer_json(text, groups, judged, len(gallery), arguments.group))
        else:
            for line in answer_lines(groups, judged, gallery):
                print(terminal_safe(line))
    finally:
        gallery.close()
    return 0


def _text_of(arguments: argparse.Namespace) -> str:
    """What is asked for. GalleryError for a text without words, or for a number of hits that cannot be."""
    from indexer.errors import GalleryError

    text = str(arguments.text.strip())
    if not text:
        raise GalleryError('the query is empty: describe the person, for example "a man in a red coat".')
    if not any(letter.isalnum() for letter in text) or storable(text) != text:
        raise GalleryError('the query has no words: describe the person, for example "a man in a red coat".')
    if not 1 <= arguments.top_k <= MAX_TOP_K:
        raise GalleryError(f"--top-k must be between 1 and {MAX_TOP_K}, not {arguments.top_k}.")
    return text


def _warn_if_cut(embedder: "Embedder", text: str) -> None:
    tokens = embedder.count_tokens(text)
    if tokens > embedder.context_length:
        print(
            f"cskt: the query has {tokens} tokens, of which the encoder reads the first "
            f"{embedder.context_length}; the rest was left out.",
            file=sys.stderr,
        )
