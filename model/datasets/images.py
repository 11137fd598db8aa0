"""Whether the images of a split are there and can be decoded."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from model.datasets.annotations import Pair, refuse
from model.datasets.samples import Sample
from model.progress import Progress


def bad_images(pairs: Sequence[Pair], title: str, workers: int, refused: bool) -> dict[Path, str]:
    """Why, for each image that is missing or, with `workers`, cannot be decoded.

    Raises DatasetError instead if they are `refused`.
    """
    paths = dict.fromkeys(pair.path for pair in pairs)
    missing = {path: "missing" for path in paths if not _is_there(path)}
    if refused:
        refuse(
            [str(path) for path in missing],
            f"{title}: {{}} of {len(paths)} images are missing",
            "unpack the images beside the annotation file",
        )
    if not workers:
        return missing
    unreadable = unreadable_images([pair for pair in pairs if pair.path not in missing], workers)
    if refused:
        refuse(
            [f"{path} ({why})" for path, why in unreadable.items()],
            f"{title}: {{}} of {len(paths)} images cannot be decoded",
            "replace or remove them",
        )
    return missing | unreadable


def unreadable_images(samples: Sequence[Sample | Pair], workers: int) -> dict[Path, str]:
    """Why, for each image that `read_image` could not decode; every file is read once, by `workers` threads.

    Progress is shown on stderr.
    """
    paths = list(dict.fromkeys(sample.path for sample in samples))
    bad: dict[Path, str] = {}
    with Progress("checking images", len(paths)) as progress, ThreadPoolExecutor(workers) as pool:
        try:
            for path, problem in zip(paths, pool.map(_problem, paths), strict=True):
                if problem:
                    bad[path] = problem
                progress.advance(note=f"{len(bad)} unreadable" if bad else "")
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return bad


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than the system allows, a folder that may not be entered
        return False


def _problem(path: Path) -> str:
    """Why an image cannot be decoded; empty if it can.

    A JPEG is decoded at an eighth of its size: a third of the time, while all of its data is still read, so
    that a truncated file is noticed.
    """
    try:
        with Image.open(path) as image:
            image.draft("RGB", (1, 1))
            image.convert("RGB")
    except UnidentifiedImageError:
        return "no image, or of an unknown format"
    except Exception as error:  # hostile bytes reach many parsers; whatever they raise, it is unreadable
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ""
