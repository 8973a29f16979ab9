"""Unit conversion on the way to a store: everything in the units that the charts expect."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.config import Config
from core.spec import ChannelSpec, LayoutSpec

#: UCUM code -> (preferred code, factor, offset): preferred = value * factor + offset. Definitions of the units:
#: SI Brochure (9th ed.) for prefixes and degrees, NIST SP 811 for the rest.
TABLE: dict[str, tuple[str, float, float]] = {
    "K": ("Cel", 1.0, -273.15),
    "[degF]": ("Cel", 5 / 9, -160 / 9),
    "Pa": ("kPa", 1e-3, 0.0),
    "hPa": ("kPa", 0.1, 0.0),
    "bar": ("kPa", 100.0, 0.0),
    "[psi]": ("kPa", 6.894757293168, 0.0),
    "mg/m3": ("ug/m3", 1e3, 0.0),
    "km/h": ("m/s", 1 / 3.6, 0.0),
    "m3/h": ("L/min", 1e3 / 60, 0.0),
    "L/s": ("L/min", 60.0, 0.0),
    "[in_i]": ("mm", 25.4, 0.0),
    "[g]": ("m/s2", 9.80665, 0.0),
    "kW": ("W", 1e3, 0.0),
}
SUFFIX = ".si"


class UnitsConfig(Config):
    """``only``: the UCUM codes to convert (empty: all that the table knows)."""

    kind: Literal["units"] = "units"
    only: tuple[str, ...] = ()


class Units:
    """Converts channels; a changed layout is called ``<layout>.si``, so that no name has two meanings."""

    def __init__(self, config: UnitsConfig) -> None:
        self.config = config
        self._plans: dict[str, tuple[LayoutSpec, NDArray[np.float64], NDArray[np.float64]] | None] = {}

    def apply(self, batch: Batch) -> list[Batch]:
        """Return the batch in preferred units."""
        name = batch.layout.name
        if name not in self._plans:
            self._plans[name] = self._plan(batch.layout)
        plan = self._plans[name]
        if plan is None:
            return [batch]
        layout, factor, offset = plan
        return [Batch(layout, batch.stream, batch.sid, batch.seq, batch.t, batch.x * factor + offset, batch.q)]

    def makes(self, layout: LayoutSpec) -> list[LayoutSpec]:
        """Return the layouts that can come of a layout."""
        plan = self._plan(layout)
        return [] if plan is None else [plan[0]]

    def _plan(self, layout: LayoutSpec) -> tuple[LayoutSpec, NDArray[np.float64], NDArray[np.float64]] | None:
        rules = [self._rule(c) for c in layout.channels]
        if all(rule is None for rule in rules):
            return None
        channels = tuple(c if r is None else _convert(c, r) for c, r in zip(layout.channels, rules, strict=True))
        factor = np.array([1.0 if r is None else r[1] for r in rules])
        offset = np.array([0.0 if r is None else r[2] for r in rules])
        return LayoutSpec(layout.name + SUFFIX, channels), factor, offset

    def _rule(self, channel: ChannelSpec) -> tuple[str, float, float] | None:
        if self.config.only and channel.unit not in self.config.only:
            return None
        return TABLE.get(channel.unit)


def _convert(channel: ChannelSpec, rule: tuple[str, float, float]) -> ChannelSpec:
    unit, factor, offset = rule

    def point(value: float | None) -> float | None:
        return None if value is None else value * factor + offset

    def width(value: float | None) -> float | None:
        return None if value is None else value * factor

    return replace(
        channel,
        unit=unit,
        low=point(channel.low),
        high=point(channel.high),
        accuracy=width(channel.accuracy),
        resolution=width(channel.resolution),
    )
