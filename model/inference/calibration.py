"""The scales of the 8-bit form, chosen on examples: those with which each product errs least on them.

The float32 form is run over pictures while a sample of every product's inputs is kept. Then each
site tries how far its scales should reach, and how much of the inputs' unevenness goes to the weights. A site
that errs too much even so is left in float.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F

from model.encoder import PersonEncoder
from model.inference.folding import Affine, fold_vision
from model.inference.int8 import HiddenScale, SiteScales, byte_linear, byte_mlp
from model.inference.products import FUNCTIONS, Added, After, Linear, OneDnnProducts
from model.inference.tower import VisionRun

AT_ONCE = 8
ROWS_A_CALL, ROWS = 64, 2048
"""Tokens kept of each call and of each site."""

REACHES = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2)
"""Parts of the largest value seen that the bytes reach to; what lies above is cut off."""

EVENNESS = (0.0, 0.5, 0.75, 1.0)
"""Exponents of SmoothQuant's eq. 4: 0 leaves the inputs as they are, 1 makes them all alike."""

MOST_ERROR = 0.05
"""Of a product's output, relative in length, above which the site stays in float."""

TINY = 1e-6


class _Fit(NamedTuple):
    error: float
    scales: SiteScales


@dataclass
class _Seen:
    """Of one site: how to compute it in float, and a sample of its inputs."""

    fit: Callable[[torch.Tensor], _Fit]
    rows: list[torch.Tensor] = field(default_factory=list)
    count: int = 0

    def note(self, x: torch.Tensor) -> None:
        if self.count < ROWS:
            flat = x.flatten(0, -2)
            kept = flat[:: max(1, len(flat) // ROWS_A_CALL)].clone()
            self.rows.append(kept)
            self.count += len(kept)


def calibrate(encoder: PersonEncoder, pixels: torch.Tensor) -> tuple[dict[str, SiteScales], dict[str, float]]:
    """Scales by site of the vision tower from pictures, bytes (n, height, width, 3).

    The second part is every site's relative error, also of those that are left in float.
    """
    observer, cpu = Observer(), torch.device("cpu")
    with torch.inference_mode():
        vision = VisionRun(fold_vision(encoder), observer, cpu)
        for part in torch.split(pixels, AT_ONCE):
            vision(part)
        fits = observer.fits()
    good = {site: fit.scales for site, fit in fits.items() if fit.error <= MOST_ERROR}
    return good, {site: fit.error for site, fit in fits.items()}


class Observer:
    """`Products` in float32 that keep a sample of what passes them."""

    def __init__(self) -> None:
        self.products = OneDnnProducts(torch.float32)
        self.dtype, self.device = self.products.dtype, self.products.device
        self._seen: dict[str, _Seen] = {}

    def linear(self, site: str, affine: Affine, after: After = "none") -> Linear:
        """As in `Products`; only queries, keys and values are watched."""
        product = self.products.linear(site, affine, after)
        if not site.endswith((".qkv", ".key_value")):
            return product
        seen = self._seen[site] = _Seen(lambda rows: fit_linear(affine, rows))

        def watched(x: torch.Tensor) -> torch.Tensor:
            seen.note(x)
            return product(x)

        return watched

    def added(self, site: str, affine: Affine) -> Added:
        """As in `Products`."""
        return self.products.added(site, affine)

    def mlp(self, site: str, up: Affine, after: After, down: Affine) -> Added:
        """As in `Products`; a method's own part beside the MLP is not watched."""
        product = self.products.mlp(site, up, after, down)
        if not site.endswith(".mlp"):
            return product
        seen = self._seen[site] = _Seen(lambda rows: fit_mlp(up, after, down, rows))

        def watched(x: torch.Tensor, stream: torch.Tensor) -> torch.Tensor:
            seen.note(x)
            return product(x, stream)

        return watched

    def fits(self) -> dict[str, _Fit]:
        """The best scales and their relative error of every site that something has passed."""
        return {site: seen.fit(torch.cat(seen.rows)) for site, seen in self._seen.items() if seen.rows}


def fit_linear(affine: Affine, rows: torch.Tensor) -> _Fit:
    """The divisor with which a product of `rows` (n, inputs) errs least."""
    exact = F.linear(rows, affine.weight, affine.bias)
    return min(
        (
            _Fit(
                _error(byte_linear(affine, divisor, "none", torch.float32)(rows), exact), SiteScales(divisor)
            )
            for divisor in _divisors(affine, rows)
        ),
        key=lambda fit: fit.error,
    )


def fit_mlp(up: Affine, after: After, down: Affine, rows: torch.Tensor) -> _Fit:
    """The divisor first, then how far the hidden units' scale reaches."""
    divisor = fit_linear(up, rows).scales.divisor
    units = FUNCTIONS[after](F.linear(rows, up.weight, up.bias))
    exact = F.linear(units, down.weight, down.bias)
    nothing, most = torch.zeros_like(exact), float(units.max())
    fits = []
    for reach in REACHES:
        hidden = HiddenScale.reaching(reach * most, after)
        given = byte_mlp(up, after, down, divisor, hidden)(rows, nothing.clone())
        fits.append(_Fit(_error(given, exact), SiteScales(divisor, hidden)))
    return min(fits, key=lambda fit: fit.error)


def _divisors(affine: Affine, rows: torch.Tensor) -> Iterable[torch.Tensor]:
    largest = rows.abs().amax(dim=0).clamp(min=TINY)
    weight = affine.weight.abs().amax(dim=0).clamp(min=TINY)
    for evenness in EVENNESS:
        shape = largest**evenness / weight ** (1 - evenness) if evenness else torch.ones_like(largest)
        for reach in REACHES[:3]:
            yield shape * (reach * float((largest / shape).max()) / 127)


def _error(given: torch.Tensor, exact: torch.Tensor) -> float:
    return float((given - exact).norm() / exact.norm().clamp(min=TINY))
