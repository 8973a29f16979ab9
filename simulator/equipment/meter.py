"""Electricity meter of a block of flats: load by the hour and day, cooling and heating by the weather.

Load is a straight line between knots half an hour apart, and the register the exact integral of these lines. A
household takes 300 to 350 kWh a month, 0.15 to 0.25 kW at night, with a small peak at 7-8 h and the day's peak at
19-22 h; summer cooling adds up to 1.6 times (assumptions). Meter class 1 is +-1 % (IEC 62053-21).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.spec import Name
from simulator.asset import Asset, Steps
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.environment import by_table, hour_of_day
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats, Ints
from simulator.holidays import is_workday
from simulator.state import Column, Ramp, Step
from simulator.states import COMMON, DERATE, STATES, State
from simulator.view import View

_KNOT_S = 1800.0
_USUAL = 0.65  # load of the grid at which its voltage is nominal
# kW of a household by hour of the day (assumption, mean 0.44 kW = 320 kWh a month)
_WORKDAY = (0.33, 0.27, 0.24, 0.23, 0.23, 0.26, 0.36, 0.5, 0.46, 0.38, 0.35, 0.36,
            0.38, 0.36, 0.35, 0.36, 0.4, 0.49, 0.63, 0.76, 0.8, 0.75, 0.62, 0.45)  # fmt: skip
_DAY_OFF = (0.38, 0.31, 0.27, 0.25, 0.24, 0.25, 0.29, 0.37, 0.46, 0.52, 0.54, 0.55,
            0.57, 0.55, 0.53, 0.53, 0.55, 0.6, 0.69, 0.78, 0.8, 0.74, 0.62, 0.48)  # fmt: skip

LOAD = Stream(
    "load",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured("power", "power", "kW", 0, 5000, Sensor(gain=0.004, noise=0.2, resolution=0.1),
                 ko="전력", en="Power"),
        measured("voltage", "voltage", "V", 0, 300, Sensor(gain=0.001, noise=0.1, resolution=0.1),
                 ko="전압", en="Voltage"),
        measured("power_factor", "ratio", "1", 0, 1, Sensor(noise=0.002, resolution=0.001),
                 ko="역률", en="Power factor"),
        measured("frequency", "frequency", "Hz", 45, 65, Sensor(noise=0.002, resolution=0.001),
                 ko="주파수", en="Frequency"),
        counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
    ),
    period=10 * NS,
)  # fmt: skip


def household_kw(utc: Ints, celsius: Floats) -> Floats:
    """Return the mean load of a household in kW at UTC ns and outside temperatures (Cel)."""
    hour = hour_of_day(utc)
    kw = np.where(is_workday(utc), by_table(_WORKDAY, hour), by_table(_DAY_OFF, hour))
    weather = 0.06 * np.maximum(celsius - 25.0, 0.0) + 0.008 * np.maximum(5.0 - celsius, 0.0)
    return np.asarray(kw * (1.0 + weather), dtype=np.float64)


class MeterConfig(EquipmentConfig):
    """A meter of ``households``."""

    kind: Literal["meter"] = "meter"
    households: int = Field(default=300, ge=1, le=5000)

    label: ClassVar[Name] = Name("전력량계", "Electricity meter")

    def asset(self) -> type[Meter]:
        """Return the class of a meter."""
        return Meter

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LOAD,)


class Meter(Asset):
    """Counts all the time; ``derate`` asks its customers to take less, ``stop`` disconnects them."""

    columns: ClassVar[Mapping[str, Column]] = {"load": Ramp(), "share": Step(1.0), "energy": Ramp()}  # kW, 1, kWh
    commands = (*COMMON, DERATE)
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "tapped": Effect(0.2, label=Name("도전", "Tapped line")),  # share of the load that passes by the meter
        "undervoltage": Effect(25.0, label=Name("저전압", "Undervoltage")),  # V
    }
    config: MeterConfig

    def run(self) -> Steps:
        """Lay the load's knots."""
        self._knot = self.now
        self.enter(State.RUNNING)
        here = self._household()
        while True:
            self._knot += round(_KNOT_S * NS)
            there = self._household(ahead_s=_KNOT_S)
            self.put("load", here, (there - here) / _KNOT_S)
            self._count()
            yield self.seconds(_KNOT_S)
            here = there

    def _household(self, ahead_s: float = 0.0) -> float:
        """Return the load of all households in kW."""
        t = self.now + round(ahead_s * NS)
        utc, warm = np.array([self.host.start + t]), np.array([self.host.weather.now("temperature", t)])
        return float(household_kw(utc, warm)[0] * self.config.households)

    def on_state(self, old: State, new: State) -> None:
        """Count what is taken."""
        share = self.get("derate") if new is State.RUNNING else 0.0
        self.put("share", share)
        self._count()

    def on_effect(self, fault: str, size: float) -> None:
        """Count what passes the meter."""
        self._count()

    def _count(self) -> None:
        """Let the register run with the mean load up to the next knot."""
        slope = self._table.rate(self._row, "load")
        mean = self.get("load") + slope * (self._knot - self.now) / NS / 2.0
        self.ramp("energy", mean * self.get("share") * (1.0 - self.get("fault.tapped")) / 3600.0)

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the meter."""
        share = view["share"]
        power = view["load"] * share * (1.0 - view.fault("tapped")) * (1.0 + 0.03 * view.slow("flats", 120.0))
        heavy = view.env("mains") - _USUAL  # a heavily loaded grid sags
        volts = (
            220.0 - 6.0 * heavy + 2.0 * view.slow("grid", 900.0) - 1.5 * view["load"] / (view.param("households") * 0.5)
        )
        return {
            "state": view["state"],
            "power": power,
            "voltage": (volts - view.fault("undervoltage")) * (share > 0),
            "power_factor": np.clip(0.95 + 0.01 * view.slow("factor", 600.0), 0.8, 1.0),
            "frequency": 60.0 - 0.02 * heavy + 0.02 * view.slow("frequency", 60.0),
            "energy": view["energy"],
        }
