"""cskt demo: synthetic people, indexed by the shipped encoder, asked three questions, and served.

Every step looks at what is there already, so a second start only opens the gallery and an interrupted first
one goes on where it was.
"""

import hashlib
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from indexer.errors import FingerprintMismatch
from indexer.gallery import Gallery, open_gallery
from indexer.indexing import IndexReport, index_source
from indexer.items import GalleryItem
from indexer.labels import source_label
from indexer.sources import GallerySource, open_source
from model.embedder import Embedder, open_embedder
from model.freed_memory import give_back_freed_memory
from model.people.write import PeopleOrder, write_people
from model.terminal import terminal_safe
from service.searcher import open_searcher
from service.server import bind, check_address, serve
from service.serving import use_cores
from service.settings import Settings

ENCODER = "demo"
IMAGES_PER_PERSON = 3
SEED = 20_260_501  # of no training recipe: the demo encoder has never seen these people
QUERIES = (
    "a woman with long hair wearing a red jacket and blue jeans",
    "a man wearing a yellow t-shirt and brown trousers, with a suitcase",
    "a woman wearing a red hoodie and black jeans, with a black suitcase",
)
TOP = 3


@dataclass(frozen=True)
class DemoPlan:
    """folder: where all is kept; people: images at least; video: indexed too; serve: or stop before."""

    folder: Path
    people: int
    video: Path | None
    serve: bool


def show_demo(plan: DemoPlan, settings: Settings) -> int:
    """Make what is missing, show three searches, serve until Ctrl-C. Raises CsktError."""
    gallery = plan.folder / "gallery"
    settings = settings.model_copy(update={"gallery": str(gallery)})
    if plan.serve:  # what cannot be served is said before minutes of work
        check_address(settings)
        bind(settings).close()
    video = open_source(f"video:{plan.video}") if plan.video else None
    use_cores(settings.threads)
    embedder = open_embedder(ENCODER, settings.device, settings.precision)
    with _remedy(plan.folder):
        add_source(open_source(f"manifest:{people_manifest(plan)}"), gallery, embedder)
        if video is not None:
            index_video(video, plan, embedder)
    searchable = open_gallery(gallery)
    try:
        for line in example_searches(searchable, embedder):
            print(line, flush=True)
    finally:
        searchable.close()
    if not plan.serve:
        return 0
    del embedder  # the service has one of its own
    give_back_freed_memory()
    with bind(settings) as holder:
        return serve(open_searcher(settings), settings, holder)


def people_manifest(plan: DemoPlan) -> Path:
    """The manifest of the synthetic people, drawn first if need be; they appear whole or not at all."""
    identities = math.ceil(plan.people / IMAGES_PER_PERSON)
    folder = plan.folder / f"people-{identities}x{IMAGES_PER_PERSON}"
    if not (folder / "manifest.csv").is_file():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        if unfinished.exists():
            shutil.rmtree(unfinished)
        write_people(PeopleOrder(unfinished, identities, IMAGES_PER_PERSON, SEED, split="test"))
        unfinished.rename(folder)
    return folder / "manifest.csv"


def add_source(source: GallerySource, address: Path, embedder: Embedder) -> None:
    """Add to the gallery, made if need be, what it does not know yet of a source; says what it rejected."""
    made_by = (embedder.name, embedder.fingerprint, embedder.dimension)
    report = IndexReport(source_label(source.name))
    gallery = open_gallery(address, create_for=made_by, write=True)
    try:
        index_source(gallery, source, embedder, report)
    finally:
        gallery.close()
    for bad in report.first_rejected:
        print(terminal_safe(f"rejected {bad.uri}: {bad.reason}"), flush=True)


def index_video(source: GallerySource, plan: DemoPlan, embedder: Embedder) -> None:
    """Index the people of a video, unless the gallery has this very file to its end.

    A video interrupted half-way is read again: its items have the same keys, so nothing is doubled.
    """
    gallery = plan.folder / "gallery"
    facts = Path(str(plan.video).partition("?")[0]).expanduser().stat()
    digest = hashlib.sha256(f"{source.name} {facts.st_size} {facts.st_mtime_ns}".encode()).hexdigest()
    done = plan.folder / "videos-done" / digest[:16]
    if done.exists() and source.name in _sources(gallery):
        return
    add_source(source, gallery, embedder)
    done.parent.mkdir(exist_ok=True)
    done.touch()


def _sources(address: Path) -> Mapping[str, int]:
    gallery = open_gallery(address)
    try:
        return gallery.stats().sources
    finally:
        gallery.close()


def example_searches(gallery: Gallery, embedder: Embedder) -> Iterator[str]:
    """The example queries and their best hits, as lines for people."""
    rankings = gallery.search(embedder.embed_texts(QUERIES), TOP)
    for query, hits in zip(QUERIES, rankings, strict=True):
        yield f'\n"{query}"'
        for place, hit in enumerate(hits, 1):
            yield f"  {place}. {hit.score:.3f}  {describe(hit.item)}"
    yield ""


def describe(item: GalleryItem) -> str:
    """Which picture it is, where and when it was taken, and what it shows."""
    known = item.attributes
    worn = dict.fromkeys(  # a dress is worn above and below, and named once
        f"{known[f'{part}_colour']} {known[f'{part}_type']}"
        for part in ("upper", "lower")
        if f"{part}_type" in known
    )
    facts = [
        "/".join(item.uri.split("/")[-2:]),
        item.camera,
        item.seen_at,
        ", ".join(worn),
    ]
    return terminal_safe("  ".join(fact for fact in facts if fact))


@contextmanager
def _remedy(folder: Path) -> Iterator[None]:
    """What to do about a demo folder left by another version of the encoder is simpler to say."""
    try:
        yield
    except FingerprintMismatch as error:
        raise FingerprintMismatch(
            f"The folder {folder} was made by another version of the demo encoder: remove it and start again."
        ) from error
