"""The figures of `cskt evaluate` as tables for people."""

from collections.abc import Sequence
from dataclasses import astuple
from itertools import groupby

from model.evaluation import Evaluation, Interval, RetrievalMetrics
from model.slices import SMALL, Slice, SliceReport
from model.terminal import terminal_safe

NOT_STATED = "(not stated)"

Row = tuple[str, ...]


def figures_table(evaluations: Sequence[tuple[str, Evaluation]]) -> str:
    """One row per data set (its name and figures) and direction."""
    forth = [
        (
            terminal_safe(name),
            *(f"{number:,}" for number in (one.captions, one.images, one.identities)),
            f"{one.text_to_image.r1:.2f}",
            interval_text(one.r1_interval),
            f"{one.text_to_image.r5:.2f}",
            f"{one.text_to_image.r10:.2f}",
            interval_text(one.r10_interval),
            f"{one.text_to_image.mean_ap:.2f}",
            interval_text(one.mean_ap_interval),
            f"{one.text_to_image.mean_inp:.2f}",
        )
        for name, one in evaluations
    ]
    back = [(terminal_safe(name), *_plain(one.image_to_text)) for name, one in evaluations]
    forth_head = ("R@1", "(95 %)", "R@5", "R@10", "(95 %)", "mAP", "(95 %)", "mINP")
    lines = [
        *aligned([("text to image", "captions", "images", "people", *forth_head), *forth]),
        "",
        *aligned([("image to text", "R@1", "R@5", "R@10", "mAP", "mINP"), *back]),
        "",
        "All in percent. In brackets: 95 % confidence, people resampled. Equal scores keep gallery order.",
    ]
    return "\n".join(lines)


def slices_table(report: SliceReport) -> str:
    """One block per attribute, one row per value; small slices bear a star."""
    rows: list[Row] = [("text to image, by", "captions", "people", "R@1", "(95 %)", "R@10", "mAP")]
    for attribute, slices in groupby(report.slices, key=lambda one: one.attribute):
        rows.append((terminal_safe(attribute), *[""] * 6))
        rows += [_slice_row(one) for one in slices]
    lines = aligned(rows)
    if any(one.small for one in report.slices):
        lines += ["", f"* fewer than {SMALL} captions: too few to rest anything on."]
    if report.not_sliced:
        names = ", ".join(terminal_safe(name) for name in report.not_sliced)
        lines += ["", f"Too many values to slice by: {names}."]
    return "\n".join(lines)


def interval_text(interval: Interval | None) -> str:
    """`(69.7-74.3)`; empty where there is no interval."""
    return "" if interval is None else f"({interval[0]:.1f}-{interval[1]:.1f})"


def _plain(metrics: RetrievalMetrics) -> list[str]:
    return [f"{figure:.2f}" for figure in astuple(metrics)]


def _slice_row(one: Slice) -> Row:
    value = NOT_STATED if one.value is None else terminal_safe(one.value)
    return (
        f"  {value}{' *' if one.small else ''}",
        f"{one.captions:,}",
        f"{one.people:,}",
        f"{one.r1:.2f}",
        interval_text(one.r1_interval),
        f"{one.r10:.2f}",
        f"{one.mean_ap:.2f}",
    )


def aligned(rows: Sequence[Row]) -> list[str]:
    """Lines with the first column to the left and the others to the right, each as wide as it must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
