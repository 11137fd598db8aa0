"""`cskt index | search | gallery info | gallery verify`: what they take and what they print."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from indexer.texts import storable
from model.arguments import add_form_options, count
from model.terminal import terminal_safe

if TYPE_CHECKING:
    from indexer.filters import Filter
    from indexer.gallery import Gallery
    from indexer.indexing import IndexReport
    from indexer.items import Hit
    from model.embedder import Embedder

MAX_TOP_K = 1000
DEFAULT_ENCODER = "demo"
EXIT_PROBLEMS = 2


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Mount the commands about galleries."""
    _add_index(subparsers)
    _add_search(subparsers)
    _add_gallery(subparsers)


def _add_index(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "index", help="embed the people of folders, manifests or videos into a gallery"
    )
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="folder:DIR, manifest:FILE, video:FILE or a path"
    )
    parser.add_argument(
        "--gallery", required=True, metavar="G", help="folder of the gallery; made if need be"
    )
    parser.add_argument("--encoder", help="demo, a checkpoint folder or openclip:MODEL/PRETRAINED")
    add_form_options(parser)
    parser.add_argument("--batch-size", type=count, default=64, metavar="N", help="images embedded at once")
    parser.add_argument(
        "--workers", type=count, metavar="N", help="threads that decode images (default: one for each core)"
    )
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
    parser.add_argument("--camera", action="append", metavar="NAME", help="only this camera; may be repeated")
    parser.add_argument("--track", action="append", metavar="NAME", help="only this track; may be repeated")
    parser.add_argument("--source", action="append", metavar="NAME", help="only this source; may be repeated")
    parser.add_argument("--from", dest="seen_from", metavar="TIME", help="seen at or after, ISO 8601")
    parser.add_argument("--until", dest="seen_until", metavar="TIME", help="seen before, ISO 8601")
    parser.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help="attribute equals")
    parser.add_argument("--json", action="store_true", help="print the hits as JSON")
    parser.set_defaults(run=run_search)


def _add_gallery(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("gallery", help="look into a gallery or check it")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    info = actions.add_parser("info", help="counts, sources, cameras and what was rejected")
    info.add_argument("--json", action="store_true", help="print as JSON")
    info.set_defaults(run=run_info)
    verify = actions.add_parser("verify", help="check everything; exit 2 if anything is wrong")
    verify.set_defaults(run=run_verify)
    for action in (info, verify):
        action.add_argument("--gallery", required=True, metavar="G", help="folder of the gallery")


def run_index(arguments: argparse.Namespace) -> int:
    """Index every source in turn; a summary for each, also when interrupted."""
    from indexer.gallery import open_gallery
    from indexer.indexing import IndexReport, index_source
    from indexer.sources import open_source
    from model.embedder import open_embedder

    sources = [open_source(uri) for uri in arguments.sources]
    encoder = arguments.encoder or _encoder_of(arguments.gallery)
    embedder = open_embedder(encoder, arguments.device, arguments.precision)
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    gallery = open_gallery(arguments.gallery, create_for=made_by, write=True)
    try:
        for source in sources:
            report = IndexReport(source.name)
            try:
                index_source(gallery, source, embedder, report, arguments.batch_size, arguments.workers)
            finally:
                _print_report(report, len(gallery), embedder.precision, arguments.json)
    finally:
        gallery.close()
    return 0


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
    print(
        f"{terminal_safe(report.source)}: {report.new} new, "
        f"{report.known} already known and left as they were, "
        f"{report.rejected} rejected; "
        f"{report.rate:.1f} new images/s in {precision}; the gallery holds {items}.",
        flush=True,
    )
    for bad in reasons:
        print(terminal_safe(f"  rejected {bad['uri']}: {bad['reason']}"), flush=True)


def run_search(arguments: argparse.Namespace) -> int:
    """Print the best hits of one sentence."""
    from indexer.errors import GalleryError
    from indexer.gallery import check_encoder, open_gallery
    from model.embedder import open_embedder

    text = arguments.text.strip()
    if not text:
        raise GalleryError('the query is empty: describe the person, for example "a man in a red coat".')
    if not any(letter.isalnum() for letter in text) or storable(text) != text:
        raise GalleryError('the query has no words: describe the person, for example "a man in a red coat".')
    if not 1 <= arguments.top_k <= MAX_TOP_K:
        raise GalleryError(f"--top-k must be between 1 and {MAX_TOP_K}, not {arguments.top_k}.")
    where = _filter(arguments)
    gallery = open_gallery(arguments.gallery)
    try:
        embedder = open_embedder(arguments.encoder or gallery.encoder)
        check_encoder(gallery, embedder.name, embedder.fingerprint)
        _warn_if_cut(embedder, text)
        hits = gallery.search(embedder.embed_texts([text]), arguments.top_k, where)[0]
        _print_hits(hits, gallery, text, arguments.json)
    finally:
        gallery.close()
    return 0


def _filter(arguments: argparse.Namespace) -> "Filter | None":
    from indexer.errors import GalleryError
    from indexer.filters import from_choices
    from indexer.times import to_utc

    attributes = {}
    for pair in arguments.where:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise GalleryError(f"--where takes NAME=VALUE, not {pair!r}.")
        attributes[name] = value
    try:
        seen_from, seen_until = (
            moment and to_utc(moment) for moment in (arguments.seen_from, arguments.seen_until)
        )
    except ValueError as error:
        raise GalleryError(f"{error}.") from error
    names = (arguments.camera, arguments.track, arguments.source)
    cameras, tracks, sources = (tuple(given) if given else None for given in names)
    return from_choices(cameras, tracks, sources, seen_from or None, seen_until or None, attributes)


def _warn_if_cut(embedder: "Embedder", text: str) -> None:
    tokens = embedder.count_tokens(text)
    if tokens > embedder.context_length:
        print(
            f"cskt: the query has {tokens} tokens, of which the encoder reads the first "
            f"{embedder.context_length}; the rest was left out.",
            file=sys.stderr,
        )


def _print_hits(hits: "list[Hit]", gallery: "Gallery", text: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"query": text, "items": len(gallery), "hits": [_hit(hit) for hit in hits]}))
        return
    if not hits:
        cameras = ", ".join(gallery.stats().cameras) or "none"
        why = f"the filter lets none of {len(gallery)} items through (cameras there are: {cameras})"
        print(terminal_safe(f"nothing found: {why if len(gallery) else 'the gallery is empty'}."))
    for place, hit in enumerate(hits, 1):
        item = hit.item
        track = f"track {item.track}" if item.track else None
        facts = [fact for fact in (item.camera, item.seen_at, track, item.uri) if fact]
        print(terminal_safe(f"{place:3d}. {hit.score:.3f}  " + "  ".join(facts)))


def _hit(hit: "Hit") -> dict[str, Any]:
    item = hit.item
    box = item.box and [item.box.left, item.box.top, item.box.right, item.box.bottom]
    place = {"key": item.key, "uri": item.uri, "source": item.source, "box": box}
    facts = {"camera": item.camera, "seen_at": item.seen_at, "track": item.track}
    return (
        {"id": hit.id, "score": round(hit.score, 6)} | place | facts | {"attributes": dict(item.attributes)}
    )


def run_info(arguments: argparse.Namespace) -> int:
    """Print what a gallery holds."""
    from dataclasses import asdict

    from indexer.gallery import open_gallery

    gallery = open_gallery(arguments.gallery)
    try:
        facts = asdict(gallery.stats())
        rejected = [{"uri": bad.uri, "reason": bad.reason} for bad in gallery.rejected(20)]
    finally:
        gallery.close()
    if arguments.json:
        print(json.dumps(facts | {"last_rejected": rejected}))
        return 0
    for name, value in facts.items():
        shown = (
            ", ".join(f"{key} ({count})" for key, count in value.items())
            if isinstance(value, dict)
            else value
        )
        print(terminal_safe(f"{name.replace('_', ' ')}: {'-' if shown in (None, '') else shown}"))
    for bad in rejected:
        print(terminal_safe(f"  rejected {bad['uri']}: {bad['reason']}"))
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Check a gallery; prints each problem, exit 2 if there is any."""
    from indexer.gallery import open_gallery

    gallery = open_gallery(arguments.gallery)
    try:
        problems = gallery.verify()
        items = len(gallery)
    finally:
        gallery.close()
    for problem in problems:
        print(problem)
    if problems:
        return EXIT_PROBLEMS
    print(f"sound: {items} items, every vector and index file checked.")
    return 0
