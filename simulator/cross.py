"""Cross-sensitivity: what a sensor feels beside its own quantity (see :class:`simulator.channels.Cross`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.channels import Cross, Sensor
from simulator.grid import Floats

_NONE = Cross(to="-")
_WETTEST = 98.0  # %, the growth formula has a pole at 100
_DENSITY = 1.65  # of dry particles, Crilley et al. 2018 (doi:10.5194/amt-11-709-2018)


@dataclass(frozen=True, slots=True, eq=False)
class CrossTerm:
    """How column ``column`` of D devices feels ``source``: a column, or the name of a field. Arrays float64[D]."""

    column: int
    source: int | str
    slope: Floats
    share: Floats
    ref: Floats
    above: Floats
    below: Floats
    kappa: Floats

    def apply(self, x: Floats, felt: Floats, d: NDArray[np.intp]) -> None:
        """Change a column of ``x: float64[n, d, k]`` by what is felt, float64[n, d]."""
        z = np.clip(felt, self.above[d], self.below[d]) - self.ref[d]
        value = x[:, :, self.column]
        if self.kappa.any():
            wet = np.clip(felt, 1.0, _WETTEST)
            value = value * (1.0 + self.kappa[d] / _DENSITY / (100.0 / wet - 1.0))
        x[:, :, self.column] = value * (1.0 + self.share[d] * z) + self.slope[d] * z


def cross_terms(names: Sequence[str], sensors: Sequence[Sequence[Sensor]]) -> list[CrossTerm]:
    """Return the terms of ``sensors[D][k]``; ``names`` are the stream's channels."""
    kinds = sorted({(k, n, c.to) for row in sensors for k, s in enumerate(row) for n, c in enumerate(s.cross)})
    out = []
    for k, n, to in kinds:
        each = [_nth(row[k], n, to) for row in sensors]

        def column(name: str, missing: float = 0.0, each: Sequence[Cross] = each) -> Floats:
            return np.array([missing if (v := getattr(c, name)) is None else v for c in each], dtype=np.float64)

        source = names.index(to) if to in names else to
        limits = column("above", -np.inf), column("below", np.inf)
        out.append(CrossTerm(k, source, column("slope"), column("share"), column("ref"), *limits, column("kappa")))
    return out


def _nth(sensor: Sensor, n: int, to: str) -> Cross:
    """Return the n-th sensitivity of a sensor if it is to this source, one without effect otherwise."""
    return sensor.cross[n] if n < len(sensor.cross) and sensor.cross[n].to == to else _NONE
