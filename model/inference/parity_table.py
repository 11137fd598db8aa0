"""A parity report as a table for people."""

from model.evaluation_tables import aligned
from model.inference.proven import Parity
from model.terminal import terminal_safe


def parity_table(precision: str, parity: Parity) -> list[str]:
    """Lines: the cosines, the overlap, R@1 before and after, and on what it was measured."""
    low, high = parity.r1_change_interval
    rows = [
        ("cosines to float32", "least", "1 in 100", "median"),
        *(
            (name, f"{one.least:.5f}", f"{one.p1:.5f}", f"{one.median:.5f}")
            for name, one in (("pictures", parity.images), ("captions", parity.texts))
        ),
    ]
    figures = [
        ("text to image", "float32", precision, "change", "(95 %)"),
        (
            "R@1",
            f"{parity.r1_float32:.2f}",
            f"{parity.r1:.2f}",
            f"{parity.r1_change:+.2f}",
            f"({low:+.2f} to {high:+.2f})",
        ),
        ("the ten best, the same", "", f"{100 * parity.top10_overlap:.1f} %", "", ""),
    ]
    return [
        *aligned(rows),
        "",
        *aligned(figures),
        "",
        f"On {terminal_safe(parity.data)}: {parity.pictures:,} pictures, {parity.captions:,} captions. "
        "R@1 in percent, its change in points; people resampled.",
    ]
