"""Parts on a milling machine after the AI4I 2020 predictive maintenance data set (Matzka 2020, UCI 601, CC BY 4.0).

Rules and distributions as the data set's page describes them. The relation of speed and torque is not described;
fitted to its 10,000 rows it is P = 2178 W + 102.6 rad/s * torque, with 52 /min around it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Grade:
    """Quality grade of a part: code, share of the parts, min of tool wear it costs, overstrain limit in min N m."""

    code: int
    share: float
    wear_min: float
    overstrain: float


GRADES: dict[str, Grade] = {
    "low": Grade(1, 0.5, 2.0, 11_000.0),
    "medium": Grade(2, 0.3, 3.0, 12_000.0),
    "high": Grade(3, 0.2, 5.0, 13_000.0),
}
COLD_K = 8.6  # between process and air, below which heat is not carried off
SLOW_RPM = 1380.0
POWER_W = (3500.0, 9000.0)
RANDOM_CHANCE = 0.001
EXCESS_K = 10.0  # mean of process above air temperature, with a standard deviation of 1 K
_TORQUE = (3.8, 76.6)  # N m, range of the data set
_RPM = (1168.0, 2886.0)
_TO_RPM = 30.0 / math.pi  # from rad/s
_MEMORY = 0.9  # of the temperature difference from part to part (assumption)

_NEWS = math.sqrt(1.0 - _MEMORY * _MEMORY)

#: what ends a part badly; a machine failure is any of them
TOOL_WEAR = "tool_wear"
HEAT = "heat_dissipation"
POWER = "power"
OVERSTRAIN = "overstrain"
RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Part:
    """How a part is cut: torque in N m, spindle speed in /min, process above air temperature in K."""

    torque: float
    rpm: float
    excess: float

    @property
    def power_w(self) -> float:
        """Spindle power in W."""
        return self.torque * self.rpm / _TO_RPM


MEAN_PART = Part(40.0, 1500.0, EXCESS_K)


def draw_part(draw: np.random.Generator, last: Part) -> Part:
    """Return the next part after ``last``."""
    torque = _within(_TORQUE, 40.0 + 10.0 * draw.standard_normal())
    turning = (102.6 + 2178.0 / torque) * _TO_RPM
    rpm = _within(_RPM, turning + 52.0 * draw.standard_normal())
    wander = _NEWS * draw.standard_normal()
    return Part(torque, rpm, EXCESS_K + _MEMORY * (last.excess - EXCESS_K) + wander)


def _within(limits: tuple[float, float], value: float) -> float:
    return float(min(max(value, limits[0]), limits[1]))


def failure_mode(part: Part, tool_min: float, grade: Grade) -> str | None:
    """Return the failure that the rules give a part cut with a tool of that wear (min), or None."""
    if tool_min * part.torque > grade.overstrain:
        return OVERSTRAIN
    if part.excess < COLD_K and part.rpm < SLOW_RPM:
        return HEAT
    if not POWER_W[0] <= part.power_w <= POWER_W[1]:
        return POWER
    return None
