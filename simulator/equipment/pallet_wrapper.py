"""Stretch wrapper: a turntable winds film around a pallet, a hot wire cuts it. The clutch that holds the tension wears.

A roll holds so many pallets; it shrinks with every pallet and is changed when it is empty.
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

WRAP = Stream(
    "wrap",
    (
        STATE_CHANNEL,
        counted("pallets", "count", ko="팔레트 수 (16비트)", en="Pallets (16 bit)"),
        measured(
            "table_speed", "rotational-speed", "/min", 0, 20,
            Sensor(noise=0.02, resolution=0.1), ko="회전판 속도", en="Turntable speed",
        ),
        measured(
            "film_tension", "force", "N", 0, 250,
            Sensor(gain=0.01, noise=0.8, resolution=0.1), ko="필름 장력", en="Film tension",
        ),
        measured(
            "film_left", "ratio", "%", 0, 100,
            Sensor(noise=0.1, resolution=0.1), ko="필름 잔량", en="Film left",
        ),
        measured(
            "wire_temp", "temperature", "Cel", 0, 300,
            Sensor(lag="2s", bias=1.0, noise=0.5, resolution=1), ko="열선 온도", en="Cutting wire temperature",
        ),
        measured(
            "current", "electric-current", "A", 0, 30,
            Sensor(gain=0.01, noise=0.02, resolution=0.01), ko="전류", en="Motor current", group="health",
        ),
        measured(
            "setpoint", "force", "N", 0, 250, Sensor(resolution=0.1), ko="장력 설정", en="Tension set-point",
        ),
        ENERGY,
    ),
)  # fmt: skip


class PalletWrapperConfig(LegacyConfig):
    """A wrapper. ``tension_n`` is the film's tension, ``roll`` how many pallets a roll wraps."""

    kind: Literal["pallet_wrapper"] = "pallet_wrapper"
    rated_kw: float = Field(default=2.2, gt=0, le=10)
    cycle: Duration = 95 * NS
    tension_n: float = Field(default=110.0, ge=40, le=180)
    roll: int = Field(default=60, ge=5, le=1000)
    part: BearingWear = BearingWear(life_h=650.0, scatter=0.3, growth=2.0)

    wearing: ClassVar[str] = "clutch"
    label: ClassVar[Name] = Name("팔레트 랩핑기", "Pallet wrapper")

    def asset(self) -> type[PalletWrapper]:
        """Return the class of a wrapper."""
        return PalletWrapper

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (WRAP,)


class PalletWrapper(Legacy):
    """Wraps pallets one after the other."""

    commands = (
        *Legacy.commands,
        CommandSpec("set_tension", {"tension": "N"}, Name("장력 설정", "Set tension")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "clutch_slip": WearFault("clutch", 50.0, Name("클러치 미끄러짐", "Slipping clutch")),
        "film_torn": Effect(1.0, label=Name("필름 끊김", "Torn film")),
        "wire_broken": Effect(1.0, label=Name("열선 단선", "Broken cutting wire")),
    }
    config: PalletWrapperConfig

    def initial_set(self) -> float:
        """Return the film's tension."""
        return self.config.tension_n

    def stress(self, component: str) -> float:
        """The clutch suffers from tension (assumed: with its square)."""
        return float((self.get("set") / self.config.tension_n) ** 2)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the set-point."""
        return super().handlers() | {"set_tension": self._set_tension}

    def _set_tension(self, command: Command) -> str:
        value = self.number(command, "tension", 40.0, 180.0)
        return self._take_set(value, f"tension set to {value:g} N")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values."""
        at, wear, pace = phase(view), view.wear("clutch"), view["pace"]
        turning = pace * (np.clip((at - 0.08) / 0.06, 0.0, 1.0) - np.clip((at - 0.78) / 0.06, 0.0, 1.0))
        whole = 1.0 - np.minimum(view.fault("film_torn"), 1.0)
        slip = 1.0 - 0.05 * wear - 0.3 * wear * wear * wear
        rolls = view["cycles"] / view.param("roll")
        ambient = hall(view)
        heated = within(at, 0.76, 0.9) * pace * (1.0 - np.minimum(view.fault("wire_broken"), 1.0))
        return {
            "state": view["state"],
            "pallets": count(view),
            "table_speed": 12.0 * turning,
            "film_tension": turning * whole * view["set"] * slip * (1.0 + (0.02 + 0.05 * wear) * view.white("slip")),
            "film_left": 100.0 * (1.0 - (rolls - np.floor(rolls))),
            "wire_temp": ambient + 190.0 * heated,
            "current": pace * 0.6 + turning * (2.4 + 0.9 * wear) * (0.6 + 0.4 * whole * view["set"] / 110.0),
            "setpoint": view["set"],
            "energy": view["energy"],
        }
