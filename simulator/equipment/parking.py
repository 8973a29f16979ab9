"""Public car park with a detector at each space: occupancy by hour and day, without an event for a car.

Every space is taken by the hour, hashed from the space and the hour, with the chance of the occupancy curve; so the
count is binomial like that of a loss system with many short stays. Curve, capacity and detection (95 to 98 %) are
assumptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.spec import Name
from simulator.asset import Asset
from simulator.channels import Stream, enumerated, measured
from simulator.environment import by_table, hour_of_day
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats, Ints
from simulator.holidays import is_workday
from simulator.states import COMMON, STATES
from simulator.view import View

_STAY_NS = 3600 * NS
_SPACES = 60  # most
_WORKDAY = (0.35, 0.32, 0.3, 0.29, 0.29, 0.3, 0.34, 0.45, 0.62, 0.78, 0.86, 0.88,
            0.9, 0.9, 0.88, 0.86, 0.84, 0.82, 0.84, 0.82, 0.7, 0.58, 0.47, 0.4)  # fmt: skip
_DAY_OFF = (0.4, 0.36, 0.33, 0.31, 0.3, 0.3, 0.31, 0.34, 0.4, 0.48, 0.6, 0.72,
            0.82, 0.88, 0.9, 0.9, 0.88, 0.85, 0.84, 0.8, 0.7, 0.6, 0.52, 0.45)  # fmt: skip

SPACES = Stream(
    "spaces",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured("occupied", "count", "1", 0, 1000, ko="주차 대수", en="Spaces taken"),
        measured("free", "count", "1", 0, 1000, ko="빈 자리", en="Spaces free"),
    ),
    period=10 * NS,
)  # fmt: skip


class ParkingConfig(EquipmentConfig):
    """A car park of ``spaces``."""

    kind: Literal["parking"] = "parking"
    spaces: int = Field(default=40, ge=1, le=_SPACES)
    detection: float = Field(default=0.97, gt=0, le=1)

    label: ClassVar[Name] = Name("공영 주차장", "Car park")

    def asset(self) -> type[Parking]:
        """Return the class of a car park."""
        return Parking

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (SPACES,)


class Parking(Asset):
    """Counts all the time."""

    commands = COMMON
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "detectors_lost": Effect(0.3, label=Name("검지기 두절", "Lost detectors")),  # share
    }

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return the counts."""
        space = np.arange(_SPACES, dtype=np.int64)
        # stays of the spaces begin at different minutes
        shift = (space * 7919) % 3600 * NS
        stay = (view.t[..., None] + shift) // _STAY_NS
        begin = stay * _STAY_NS - shift
        index = stay * _SPACES + space
        taken = view.hashed("taken", index) < _share(view, begin)
        seen = view.hashed("seen", index) < (view.param("detection") * (1.0 - view.fault("detectors_lost")))[..., None]
        there = space < view.param("spaces")[..., None]
        occupied = (taken & seen & there).sum(axis=-1).astype(np.float64)
        return {"state": view["state"], "occupied": occupied, "free": view.param("spaces") - occupied}


def _share(view: View, t: Ints) -> Floats:
    """Return the chance that a space is taken at simulated ns."""
    utc = view.weather.utc(t)
    hour = hour_of_day(utc)
    return np.where(is_workday(utc), by_table(_WORKDAY, hour), by_table(_DAY_OFF, hour))
