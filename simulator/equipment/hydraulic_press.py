"""Hydraulic press: down fast, press, decompress, up. Seals wear and leak, so that oil warms and pressure sags."""

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

PRESS = Stream(
    "press",
    (
        STATE_CHANNEL,
        counted("strokes", "count", ko="스트로크 수 (16비트)", en="Strokes (16 bit)"),
        measured(
            "ram_position", "length", "mm", 0, 500,
            Sensor(noise=0.05, resolution=0.1), ko="램 위치", en="Ram position",
        ),
        measured(
            "pressure", "pressure", "bar", 0, 320,
            Sensor(gain=0.004, bias=0.3, noise=0.3, resolution=0.1), ko="유압", en="Hydraulic pressure",
        ),
        measured(
            "force", "force", "kN", 0, 1200,
            Sensor(gain=0.005, noise=1.0, resolution=1), ko="가압력", en="Pressing force",
        ),
        measured(
            "oil_temp", "temperature", "Cel", 0, 120,
            Sensor(lag="30s", bias=0.5, noise=0.1, resolution=0.1, dropout=1e-5),
            ko="작동유 온도", en="Oil temperature",
        ),
        measured(
            "leakage", "volume-flow-rate", "L/min", 0, 30,
            Sensor(lag="5s", noise=0.02, resolution=0.01), ko="내부 누유", en="Internal leakage", group="health",
        ),
        measured(
            "setpoint", "pressure", "bar", 0, 320, Sensor(resolution=0.1), ko="압력 설정", en="Pressure set-point",
        ),
        ENERGY,
    ),
)  # fmt: skip
_BORE_CM2 = 380.0  # of the main cylinder: 250 bar give 950 kN


class HydraulicPressConfig(LegacyConfig):
    """A hydraulic press. ``set_bar`` is the pressing pressure, ``stroke_mm`` the ram's way."""

    kind: Literal["hydraulic_press"] = "hydraulic_press"
    rated_kw: float = Field(default=22.0, gt=0, le=200)
    cycle: Duration = 9 * NS
    set_bar: float = Field(default=210.0, ge=60, le=280)
    stroke_mm: float = Field(default=350.0, gt=0, le=480)
    part: BearingWear = BearingWear(life_h=850.0, scatter=0.3, growth=3.0)

    wearing: ClassVar[str] = "seal"
    label: ClassVar[Name] = Name("유압 프레스", "Hydraulic press")

    def asset(self) -> type[HydraulicPress]:
        """Return the class of a hydraulic press."""
        return HydraulicPress

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (PRESS,)


class HydraulicPress(Legacy):
    """Presses to a pressure set-point."""

    commands = (
        *Legacy.commands,
        CommandSpec("set_pressure", {"pressure": "bar"}, Name("압력 설정", "Set pressure")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "seal_cut": WearFault("seal", 60.0, Name("씰 손상", "Cut seal")),
        "relief_valve_low": Effect(45.0, label=Name("릴리프 밸브 저하", "Low relief valve")),  # bar less
        "oil_low": Effect(14.0, label=Name("작동유 부족", "Low oil")),  # K more
    }
    config: HydraulicPressConfig

    def initial_set(self) -> float:
        """Return the pressing pressure."""
        return self.config.set_bar

    def stress(self, component: str) -> float:
        """Seals suffer from pressure (assumed: with its cube)."""
        return float((self.get("set") / self.config.set_bar) ** 3)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the set-point."""
        return super().handlers() | {"set_pressure": self._set_pressure}

    def _set_pressure(self, command: Command) -> str:
        value = self.number(command, "pressure", 60.0, 280.0)
        return self._take_set(value, f"pressure set to {value:g} bar")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values."""
        at, wear, pace = phase(view), view.wear("seal"), view["pace"]
        down = np.clip(at / 0.25, 0.0, 1.0) - np.clip((at - 0.65) / 0.3, 0.0, 1.0)
        pressing = within(at, 0.28, 0.6) * pace
        built = np.clip((at - 0.28) / 0.06, 0.0, 1.0)
        leak = pace * (0.4 + 1.1 * wear + 7.0 * wear * wear * wear) * (1.0 + 0.05 * view.slow("leak", 600.0))
        sag = 1.0 - 0.1 * wear * np.clip((at - 0.34) / 0.26, 0.0, 1.0)
        reached = np.maximum(view["set"] - view.fault("relief_valve_low"), 0.0)
        pressure = pressing * built * sag * reached + 12.0 * pace
        return {
            "state": view["state"],
            "strokes": count(view),
            "ram_position": view.param("stroke_mm") * down,
            "pressure": pressure,
            "force": pressing * (pressure - 12.0) * (_BORE_CM2 / 100.0),
            "oil_temp": hall(view) + view["warmth"] * (24.0 + 9.0 * wear + view.fault("oil_low")),
            "leakage": leak,
            "setpoint": view["set"],
            "energy": view["energy"],
        }
