"""Slots computed from other slots of an asset by a law of physics, on the feature grid, for history and live alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Physics:
    """A computed slot; ``needs`` are names of slots, in the order in which ``of`` takes them."""

    unit: str
    formula: str
    needs: tuple[str, ...]
    of: Callable[..., Floats]


def _shaft_power(torque: Floats, rpm: Floats) -> Floats:
    return np.asarray(torque * rpm * (2.0 * np.pi / 60_000.0))


#: name -> law; needs are slots as a catalog's quantities name them (#2: the second channel of that quantity)
PHYSICS: Mapping[str, Physics] = {
    "shaft-power": Physics("kW", "torque * speed * 2 pi / 60000", ("torque", "rotational-speed"), _shaft_power),
    "temperature-excess": Physics(
        "K", "second temperature - first temperature", ("temperature#2", "temperature"), lambda b, a: b - a
    ),
    "tool-strain": Physics("min.N.m", "tool wear * torque", ("duration", "torque"), lambda wear, torque: wear * torque),
    "specific-flow": Physics("m3/(h.kW)", "flow / power", ("volume-flow", "power"), lambda q, p: _over(q, p)),
    "hydraulic-power": Physics("kW", "flow * pressure / 36", ("volume-flow", "pressure"), lambda q, p: q * p / 36.0),
}


def _over(a: Floats, b: Floats) -> Floats:
    there = np.abs(b) > 1e-9
    return np.where(there, a / np.where(there, b, 1.0), np.nan)


def compute(x: Floats, column: Mapping[str, int]) -> None:
    """Fill the computed columns of ``x: float64[..., s]`` in place; NaN where a value they need is missing."""
    for name, law in PHYSICS.items():
        if name in column:
            x[..., column[name]] = law.of(*(x[..., column[need]] for need in law.needs))
