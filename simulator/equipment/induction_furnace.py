"""Coreless induction furnace: charge, melt, hold, tap. Its lining wears thin with every heat.

The melt warms exponentially towards what the power would hold; a thinner lining couples better (more power at the same
voltage) and loses more heat to the coil's water. Figures are of a 1 t furnace for iron (assumed, of the usual order).
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
from simulator.equipment.legacy import ENERGY, STATE_CHANNEL, Legacy, LegacyConfig, count, hall, phase, within
from simulator.faults import Effect, FaultKind, WearFault
from simulator.view import View
from simulator.wear.bearing import BearingWear

HEAT = Stream(
    "heat",
    (
        STATE_CHANNEL,
        counted("heats", "count", ko="용해 횟수 (16비트)", en="Heats (16 bit)"),
        measured(
            "melt_temp", "temperature", "Cel", 0, 1800,
            Sensor(lag="5s", bias=3.0, noise=1.0, resolution=1), ko="용탕 온도", en="Melt temperature",
        ),
        measured(
            "power", "power", "kW", 0, 900,
            Sensor(gain=0.005, noise=1.0, resolution=0.1), ko="전력", en="Power",
        ),
        measured(
            "water_out", "temperature", "Cel", 0, 110,
            Sensor(lag="15s", bias=0.4, noise=0.1, resolution=0.1, dropout=1e-5),
            ko="냉각수 출구 온도", en="Cooling water outlet",
        ),
        measured(
            "water_flow", "volume-flow-rate", "L/min", 0, 400,
            Sensor(gain=0.01, noise=0.8, resolution=0.1), ko="냉각수 유량", en="Cooling water flow",
        ),
        measured(
            "earth_leak", "electric-current", "mA", 0, 200,
            Sensor(noise=0.2, resolution=0.1), ko="누설 전류", en="Earth leakage", group="health",
        ),
        measured(
            "setpoint", "temperature", "Cel", 0, 1800, Sensor(resolution=1), ko="온도 설정", en="Temperature set-point",
        ),
        ENERGY,
    ),
)  # fmt: skip
_COLD = 320.0  # Cel, of the charge on what is left of the last melt


class InductionFurnaceConfig(LegacyConfig):
    """An induction furnace. ``cycle`` is a heat, ``melt_c`` its tapping temperature."""

    kind: Literal["induction_furnace"] = "induction_furnace"
    rated_kw: float = Field(default=600.0, gt=0, le=800)
    cycle: Duration = 5400 * NS
    melt_c: float = Field(default=1480.0, ge=900, le=1650)
    part: BearingWear = BearingWear(life_h=600.0, scatter=0.25, growth=2.0)

    wearing: ClassVar[str] = "lining"
    label: ClassVar[Name] = Name("유도로", "Induction furnace")

    def asset(self) -> type[InductionFurnace]:
        """Return the class of an induction furnace."""
        return InductionFurnace

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (HEAT,)


class InductionFurnace(Legacy):
    """Melts charge after charge."""

    mean_load: ClassVar[float] = 0.62
    commands = (
        *Legacy.commands,
        CommandSpec("set_temperature", {"temperature": "Cel"}, Name("온도 설정", "Set temperature")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "lining_erosion": WearFault("lining", 50.0, Name("내화물 침식", "Lining erosion")),
        "water_blocked": Effect(0.45, label=Name("냉각수 막힘", "Blocked cooling water")),  # share of the flow
    }
    config: InductionFurnaceConfig

    def initial_set(self) -> float:
        """Return the tapping temperature."""
        return self.config.melt_c

    def stress(self, component: str) -> float:
        """A hotter melt eats the lining (assumed: doubles in 60 K)."""
        return float(2.0 ** ((self.get("set") - self.config.melt_c) / 60.0))

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the set-point."""
        return super().handlers() | {"set_temperature": self._set_temperature}

    def _set_temperature(self, command: Command) -> str:
        value = self.number(command, "temperature", 900.0, 1650.0)
        return self._take_set(value, f"melt set to {value:g} Cel")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values."""
        at, wear, warmth, pace = phase(view), view.wear("lining"), view["warmth"], view["pace"]
        ambient = hall(view)
        melting = np.clip(at / 0.75, 0.0, 1.0)
        rise = (1.0 - np.exp(melting * -3.0)) / (1.0 - float(np.exp(-3.0)))
        tapping = np.clip((at - 0.92) / 0.08, 0.0, 1.0)
        hot = _COLD + (view["set"] - _COLD) * rise * (1.0 - tapping)
        load = within(at, 0.0, 0.75) + 0.16 * within(at, 0.75, 0.92)
        power = pace * view.param("rated_kw") * load * (0.96 + 0.08 * wear + 0.01 * view.slow("line", 300.0))
        flow = 260.0 * (1.0 - view.fault("water_blocked")) * (1.0 + 0.01 * view.slow("flow", 900.0))
        lost = power * (0.2 + 0.06 * wear) + 12.0 * warmth * hot / 1500.0  # kW into the coil's water
        return {
            "state": view["state"],
            "heats": count(view),
            "melt_temp": ambient + warmth * (hot - ambient),
            "power": power,
            "water_out": 24.0 + lost * 60.0 / (4.19 * flow),  # kW, L/min, kJ/(kg K)
            "water_flow": flow,
            "earth_leak": 2.0 + 6.0 * wear + 70.0 * wear * wear * wear * wear,
            "setpoint": view["set"],
            "energy": view["energy"],
        }
