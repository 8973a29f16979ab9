"""Old screw chiller with R134a: chilled water at a set-point, heat to the outside air.

Evaporating and condensing pressures are those of saturated R134a, ln(p/bar) = 10.789 - 2652.8 K / T, fitted to
3.50 bar at 5 Cel and 11.60 bar at 45 Cel (NIST REFPROP tables; within 1 % from 0 to 50 Cel). Power is the cooling load
over a share of the Carnot efficiency that falls as the rotor bearings wear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Duration
from core.spec import CommandSpec, Name
from simulator.asset import Work
from simulator.channels import Sensor, Stream, counted, measured
from simulator.equipment.legacy import ENERGY, STATE_CHANNEL, Legacy, LegacyConfig, count
from simulator.faults import Effect, FaultKind, WearFault
from simulator.grid import Floats
from simulator.view import View
from simulator.wear.bearing import BearingWear

COOLING = Stream(
    "cooling",
    (
        STATE_CHANNEL,
        counted("run_hours", "count", ko="운전 시간 (16비트)", en="Hours run (16 bit)"),
        measured(
            "water_out", "temperature", "Cel", -10, 60,
            Sensor(lag="10s", bias=0.1, noise=0.03, resolution=0.01), ko="냉수 출구 온도", en="Chilled water outlet",
        ),
        measured(
            "water_in", "temperature", "Cel", -10, 60,
            Sensor(lag="10s", bias=0.1, noise=0.03, resolution=0.01, dropout=1e-5),
            ko="냉수 입구 온도", en="Chilled water inlet",
        ),
        measured(
            "suction_pressure", "pressure", "bar", 0, 20,
            Sensor(gain=0.004, noise=0.01, resolution=0.01), ko="흡입 압력", en="Suction pressure",
        ),
        measured(
            "discharge_pressure", "pressure", "bar", 0, 30,
            Sensor(gain=0.004, noise=0.02, resolution=0.01), ko="토출 압력", en="Discharge pressure",
        ),
        measured(
            "power", "power", "kW", 0, 250,
            Sensor(gain=0.005, noise=0.2, resolution=0.1), ko="전력", en="Power",
        ),
        measured(
            "oil_pressure", "pressure", "bar", 0, 12,
            Sensor(noise=0.02, resolution=0.01), ko="유압", en="Oil pressure", group="health",
        ),
        measured(
            "setpoint", "temperature", "Cel", -10, 60, Sensor(resolution=0.1),
            ko="온도 설정", en="Temperature set-point",
        ),
        ENERGY,
    ),
)  # fmt: skip


class ChillerConfig(LegacyConfig):
    """A chiller. ``capacity_kw`` of cooling at full load, ``water_c`` its set-point; ``cycle`` is an hour."""

    kind: Literal["chiller"] = "chiller"
    rated_kw: float = Field(default=90.0, gt=0, le=200)
    cycle: Duration = 3600 * NS
    capacity_kw: float = Field(default=300.0, gt=0, le=600)
    water_c: float = Field(default=7.0, ge=4, le=18)
    part: BearingWear = BearingWear(life_h=800.0, scatter=0.3, growth=3.0)

    wearing: ClassVar[str] = "rotor_bearing"
    label: ClassVar[Name] = Name("스크류 냉동기", "Screw chiller")

    def asset(self) -> type[Chiller]:
        """Return the class of a chiller."""
        return Chiller

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (COOLING,)


class Chiller(Legacy):
    """Cools water while running; at rest the water warms up."""

    mean_load: ClassVar[float] = 0.3
    commands = (
        *Legacy.commands,
        CommandSpec("set_temperature", {"temperature": "Cel"}, Name("온도 설정", "Set temperature")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "rotor_bearing_fatigue": WearFault("rotor_bearing", 40.0, Name("로터 베어링 피로", "Rotor bearing fatigue")),
        "refrigerant_leak": Effect(5.0, label=Name("냉매 누설", "Refrigerant leak")),  # K lower evaporation
        "condenser_fouled": Effect(9.0, label=Name("응축기 오염", "Fouled condenser")),  # K higher condensation
    }
    config: ChillerConfig

    def initial_set(self) -> float:
        """Return the water's set-point."""
        return self.config.water_c

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the set-point."""
        return super().handlers() | {"set_temperature": self._set_temperature}

    def _set_temperature(self, command: Command) -> str:
        value = self.number(command, "temperature", 4.0, 18.0)
        return self._take_set(value, f"water set to {value:g} Cel")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values."""
        air, wear, pace, cold = view.env("temperature"), view.wear("rotor_bearing"), view["pace"], view["warmth"]
        load = np.clip(0.35 + 0.02 * (air - 10.0) + 0.06 * view.slow("load", 1800.0), 0.2, 1.0)
        short = view.fault("refrigerant_leak")
        out = view["set"] + 0.35 * short + 0.15 * view.slow("valve", 180.0)
        rest = 14.0 + 0.2 * air
        water_out = rest + cold * (out - rest)
        evaporating = water_out - pace * (4.0 + 2.0 * load + short)
        condensing = air + pace * (8.0 + 9.0 * load + view.fault("condenser_fouled"))
        condensing = np.maximum(condensing, evaporating + pace * 18.0)  # fans hold the head in winter
        lift = np.maximum(condensing - evaporating, 5.0)
        cop = (0.46 - 0.08 * wear) * (evaporating + 273.15) / lift
        return {
            "state": view["state"],
            "run_hours": count(view),
            "water_out": water_out,
            "water_in": water_out + cold * 5.5 * load,
            "suction_pressure": saturation(evaporating),
            "discharge_pressure": saturation(condensing),
            "power": pace * np.minimum(view.param("capacity_kw") * load / cop + 4.0, 200.0),
            "oil_pressure": pace * (4.2 - 1.4 * wear * wear + 0.04 * view.white("oil")),
            "setpoint": view["set"],
            "energy": view["energy"],
        }


def saturation(celsius: Floats) -> Floats:
    """Return the pressure of saturated R134a in bar (absolute)."""
    return np.asarray(np.exp(10.789 - 2652.8 / (celsius + 273.15)), dtype=np.float64)
