"""A parity report with round figures."""

from model.inference.proven import Cosines, Parity


def parity(forced=False, r1=80.0):
    cosines = Cosines(least=0.99, p1=0.999, median=1.0)
    return Parity(
        images=cosines,
        texts=cosines,
        top10_overlap=0.98,
        r1_float32=80.0,
        r1=r1,
        r1_change=r1 - 80.0,
        r1_change_interval=(-0.25, 0.5),
        data="synthetic people",
        pictures=30,
        captions=600,
        processor="a processor",
        date="2026-11-25",
        forced=forced,
    )
