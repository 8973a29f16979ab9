"""Hydraulic injection-moulding press of the 1990s: close, inject, hold, cool, eject.

Barrel and oil warm up exponentially. A worn non-return ring lets melt flow back: more screw stroke (the cushion
shrinks) and a longer injection. Figures are of a 1,500 kN machine (assumed, of the usual order).
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

MOULD = Stream(
    "moulding",
    (
        STATE_CHANNEL,
        counted("shots", "count", ko="쇼트 수 (16비트)", en="Shots (16 bit)"),
        measured(
            "barrel_temp", "temperature", "Cel", 0, 400,
            Sensor(lag="10s", bias=0.8, noise=0.15, resolution=0.1), ko="실린더 온도", en="Barrel temperature",
        ),
        measured(
            "oil_temp", "temperature", "Cel", 0, 120,
            Sensor(lag="20s", bias=0.5, noise=0.1, resolution=0.1, dropout=1e-5),
            ko="작동유 온도", en="Oil temperature",
        ),
        measured(
            "injection_pressure", "pressure", "bar", 0, 2500,
            Sensor(gain=0.005, noise=2.0, resolution=1), ko="사출 압력", en="Injection pressure",
        ),
        measured(
            "clamp_force", "force", "kN", 0, 2000,
            Sensor(gain=0.005, noise=2.0, resolution=1), ko="형체력", en="Clamping force",
        ),
        measured(
            "cushion", "length", "mm", 0, 30,
            Sensor(noise=0.02, resolution=0.01), ko="쿠션량", en="Cushion", group="health",
        ),
        measured(
            "setpoint", "temperature", "Cel", 0, 400, Sensor(resolution=0.1),
            ko="온도 설정", en="Temperature set-point",
        ),
        ENERGY,
    ),
)  # fmt: skip


class InjectionPressConfig(LegacyConfig):
    """An injection press. ``barrel_c`` is the barrel's set-point, ``clamp_kn`` the clamping force."""

    kind: Literal["injection_press"] = "injection_press"
    rated_kw: float = Field(default=37.0, gt=0, le=200)
    cycle: Duration = 28 * NS
    barrel_c: float = Field(default=220.0, ge=150, le=320)
    clamp_kn: float = Field(default=1500.0, gt=0, le=1900)
    part: BearingWear = BearingWear(life_h=700.0, scatter=0.3, growth=2.5)

    wearing: ClassVar[str] = "check_ring"
    label: ClassVar[Name] = Name("사출기", "Injection press")

    def asset(self) -> type[InjectionPress]:
        """Return the class of an injection press."""
        return InjectionPress

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (MOULD,)


class InjectionPress(Legacy):
    """Moulds parts; its barrel follows a temperature set-point."""

    commands = (
        *Legacy.commands,
        CommandSpec("set_temperature", {"temperature": "Cel"}, Name("온도 설정", "Set temperature")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "check_ring_abrasion": WearFault("check_ring", 40.0, Name("역류방지링 마모", "Check ring abrasion")),
        "heater_band_open": Effect(35.0, label=Name("히터 단선", "Open heater band")),  # K below the set-point
        "oil_cooler_fouled": Effect(16.0, label=Name("오일 냉각기 오염", "Fouled oil cooler")),  # K more
    }
    config: InjectionPressConfig

    def initial_set(self) -> float:
        """Return the barrel's set-point."""
        return self.config.barrel_c

    def stress(self, component: str) -> float:
        """A hotter melt wears the ring faster (assumed: doubles in 40 K)."""
        return float(2.0 ** ((self.get("set") - self.config.barrel_c) / 40.0))

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the set-point."""
        return super().handlers() | {"set_temperature": self._set_temperature}

    def _set_temperature(self, command: Command) -> str:
        value = self.number(command, "temperature", 150.0, 320.0)
        return self._take_set(value, f"barrel set to {value:g} Cel")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values."""
        at, wear, warmth = phase(view), view.wear("check_ring"), view["warmth"]
        shot = view.hashed_normal("shot", np.floor(view["cycles"]).astype(np.int64))
        closed = within(at, 0.08, 0.92) * view["pace"]
        inject, hold = within(at, 0.1, 0.16 + 0.0), within(at, 0.16, 0.36)
        peak = 1100.0 * (1.0 - 0.12 * wear) + 18.0 * shot
        rising = np.clip((at - 0.1) / 0.06, 0.0, 1.0)
        ambient = hall(view)
        return {
            "state": view["state"],
            "shots": count(view),
            "barrel_temp": ambient + warmth * (view["set"] - ambient - view.fault("heater_band_open"))
            + 1.2 * view.slow("barrel", 240.0) * warmth,
            "oil_temp": ambient + warmth * (27.0 + view.fault("oil_cooler_fouled") + 4.0 * wear),
            "injection_pressure": view["pace"] * (inject * peak * rising + hold * peak * 0.55),
            "clamp_force": closed * view.param("clamp_kn") * (1.0 + 0.004 * shot),
            "cushion": np.clip(6.0 - 4.5 * wear * wear - 0.8 * wear + 0.15 * shot, 0.0, 30.0),
            "setpoint": view["set"],
            "energy": view["energy"],
        }  # fmt: skip
