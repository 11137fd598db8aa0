"""`cskt people OUT`: writes a synthetic data set in CUHK-PEDES form, with a manifest for `cskt index`.

    OUT/imgs/CAMERA/000012_1.jpg    the pictures
    OUT/reid_raw.json               split, captions, file_path, processed_tokens, id, camera and attributes of
                                    every picture
    OUT/manifest.csv                path, key, camera, seen_at, track and the attributes of every picture

Identity i of a seed is the same however many are written. Three identities share one body and its poses but
differ in every colour, which saves rendering; they always fall into the same split.
"""

import argparse
import csv
import datetime
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model.errors import DatasetError
from model.progress import Progress

if TYPE_CHECKING:
    import numpy as np

SHARING = 3
"""Identities that share one body, its clothes and its views; their colours differ."""

_SPLITS = ("train",) * 8 + ("val", "test")


@dataclass(frozen=True)
class PeopleOrder:
    """What to write: how many identities and images, from which seed and domain, forced into which split (or
    None); `cameras` of another family than the domain's, or None.
    """

    out: Path
    identities: int
    images_per_identity: int
    seed: int
    domain: str = "base"
    cameras: str | None = None
    split: str | None = None
    height: int = 256
    width: int = 128


@dataclass(frozen=True)
class Written:
    """One picture on disk: its annotation in CUHK-PEDES form and its row of the manifest."""

    annotation: dict[str, Any]
    row: dict[str, str]


def add_people(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the `people` command."""
    parser = subparsers.add_parser("people", help="write a synthetic data set of people with captions")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write into")
    parser.add_argument(
        "--identities", type=int, default=500, metavar="N", help="how many people (default 500)"
    )
    parser.add_argument(
        "--images-per-identity", type=int, default=3, metavar="K", help="pictures of each (default 3)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed writes the same files (default 0)")
    parser.add_argument(
        "--domain", choices=("base", "shifted"), default="base", help="cameras, clothes and wording"
    )
    parser.add_argument(
        "--cameras",
        choices=("base", "shifted", "lamplight"),
        help="whose cameras (default: the domain's); lamplight dyes everything",
    )
    parser.add_argument(
        "--split",
        choices=("train", "val", "test"),
        help="put everyone into one split (default: 80/10/10 by identity)",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.set_defaults(run=run_people)


def run_people(arguments: argparse.Namespace) -> int:
    """Run the `people` command."""
    order = PeopleOrder(
        arguments.out,
        arguments.identities,
        arguments.images_per_identity,
        arguments.seed,
        arguments.domain,
        arguments.cameras,
        arguments.split,
    )
    count = write_people(order, workers=arguments.workers)
    print(f"{count} pictures of {order.identities} people in {order.out}")
    return 0


def write_people(order: PeopleOrder, workers: int = 2) -> int:
    """Write the whole order, return the number of pictures; DatasetError where it cannot be written."""
    if order.identities < 1 or order.images_per_identity < 1:
        raise DatasetError("cskt people needs at least one identity and one image per identity.")
    taken = order.out.exists() and (not order.out.is_dir() or any(order.out.iterdir()))
    if taken and not (order.out / "reid_raw.json").is_file():
        raise DatasetError(f"{order.out} exists and is no synthetic data set: name a new or empty folder.")
    annotations: list[dict[str, Any]] = []
    rows: list[dict[str, str]] = []
    try:
        (order.out / "imgs").mkdir(parents=True, exist_ok=True)
        with Progress("people", order.identities * order.images_per_identity, "images") as progress:
            for written in _groups(order, workers):
                annotations += [one.annotation for one in written]
                rows += [one.row for one in written]
                progress.advance(len(written))
        (order.out / "reid_raw.json").write_text(json.dumps(annotations, indent=1) + "\n")
        _write_manifest(order.out / "manifest.csv", rows)
    except OSError as error:
        raise DatasetError(
            f"{order.out} cannot be written: {error.strerror}; free the place or name another."
        ) from error
    return len(rows)


def _groups(order: PeopleOrder, workers: int) -> Iterator[list[Written]]:
    groups = range(-(-order.identities // SHARING))
    if workers <= 1 or len(groups) < 4:
        yield from map(functools.partial(write_group, order), groups)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(functools.partial(write_group, order), groups, chunksize=4)


def write_group(order: PeopleOrder, group: int) -> list[Written]:
    """Render one body and write the pictures of the identities that share it."""
    import numpy as np

    from model.people.cameras import CAMERAS
    from model.people.looks import sample_look
    from model.people.render import render_view
    from model.people.shapes import sample_shape

    rng = np.random.default_rng([order.seed, group, 0])
    shape = sample_shape(rng, order.domain)
    cameras = CAMERAS[order.cameras or order.domain]
    first = int(rng.integers(len(cameras)))
    turn = float(rng.uniform(-180, 180))
    views = []
    for number in range(order.images_per_identity):
        camera = cameras[(first + number) % len(cameras)]
        yaw = (
            turn + 360.0 * number / order.images_per_identity + float(rng.uniform(-40, 40)) + 180
        ) % 360 - 180
        views.append((camera, render_view(shape, rng, order.height, order.width, camera=camera, yaw=yaw)))
    out = []
    for identity in range(group * SHARING, min((group + 1) * SHARING, order.identities)):
        own = np.random.default_rng([order.seed, identity, 1])
        look = sample_look(own, shape, order.domain)
        for number, (camera, view) in enumerate(views):
            out.append(_write_one(order, identity, number, (shape, look, camera, view), own))
    return out


def _write_one(
    order: PeopleOrder, identity: int, number: int, person: tuple[Any, ...], rng: "np.random.Generator"
) -> Written:
    from PIL import Image

    from model.people.attributes import attributes
    from model.people.captions import describe
    from model.people.paint import paint

    shape, look, camera, view = person
    folder = camera.name.replace(" ", "_")
    name = f"{folder}/{identity:06d}_{number}.jpg"
    target = order.out / "imgs" / name
    target.parent.mkdir(exist_ok=True)
    Image.fromarray(paint(view, look, camera, rng)).save(target, quality=92)
    captions = [describe(shape, look, view, rng, order.domain) for _ in range(2)]
    split = order.split or _SPLITS[identity // SHARING % len(_SPLITS)]
    told = attributes(shape, look, view)
    annotation = {
        "split": split,
        "captions": captions,
        "file_path": name,
        "processed_tokens": [re.findall(r"[a-z0-9]+", caption.lower()) for caption in captions],
        "id": identity,
        "camera": camera.name,
        "attributes": told,
    }
    start = datetime.datetime(2026, 3, 2, 8, tzinfo=datetime.UTC)
    seen = start + datetime.timedelta(minutes=7 * identity + int(rng.integers(0, 7)) + 45 * number)
    row = {
        "path": f"imgs/{name}",
        "key": f"{folder}-{identity:06d}_{number}",
        "camera": camera.name,
        "seen_at": seen.isoformat().replace("+00:00", "Z"),
        "track": f"{folder}-{identity:06d}",
        "identity": str(identity),
        "split": split,
    }
    return Written(annotation, row | told)


def _write_manifest(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
