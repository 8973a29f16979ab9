"""Street light with a DALI driver: on by dusk, dimmed late at night, ageing.

DALI's logarithmic curve: X % = 10^((n - 1) / (253 / 3)) / 10 for arc levels n = 1 .. 254 (1: 0.1 %, 254: 100 %).
Power is nearly linear in light: P = P_standby + (P_max - P_standby) (0.05 + 0.95 X). Seoul's LED street lights take
about 100 W. Switching follows from daylight and the clock, so it costs no events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.errors import CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Work
from simulator.channels import Sensor, Stream, enumerated, measured
from simulator.environment import hour_of_day
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.grid import Floats
from simulator.state import Column, Step
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

_DECADE = 253.0 / 3.0  # arc levels a factor of ten
_LN10 = float(np.log(10.0))
_DUSK = 0.04  # daylight, share of the sun in the zenith
_AUTO = -1.0

LAMP = Stream(
    "lamp",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured("arc_level", "arc_level", "1", 0, 254, Sensor(resolution=1), ko="DALI 레벨", en="DALI arc level"),
        measured("light", "ratio", "%", 0, 100, Sensor(noise=0.2, resolution=0.1), ko="광출력", en="Light output"),
        measured("power", "power", "W", 0, 400, Sensor(gain=0.01, noise=0.2, resolution=0.1),
                 ko="전력", en="Power"),
        measured("driver_temp", "temperature", "Cel", -40, 120, Sensor(lag="60s", bias=0.5, noise=0.2, resolution=0.1),
                 ko="컨버터 온도", en="Driver temperature", group="health"),
        measured("flicker", "ratio", "%", 0, 100, Sensor(gain=0.02, noise=0.15, resolution=0.1),
                 ko="플리커", en="Flicker", group="health"),
        measured("illuminance", "illuminance", "lx", 0, 200000, Sensor(gain=0.03, noise=0.5, resolution=1),
                 ko="조도", en="Illuminance"),
    ),
    period=10 * NS,
)  # fmt: skip


def dali_percent(arc: NDArray[Any] | float) -> Floats:
    """Return the light of DALI arc levels in %; 0 is off."""
    level = np.asarray(arc, dtype=np.float64)
    return np.asarray(np.where(level > 0, np.exp((level - 1.0) * (_LN10 / _DECADE)) / 10.0, 0.0), dtype=np.float64)


def dali_arc(percent: float) -> int:
    """Return the arc level that is nearest to a light in %; below 0.1 % it is off."""
    return 0 if percent < 0.1 else int(np.clip(np.rint(1.0 + _DECADE * np.log10(percent * 10.0)), 1, 254))


class StreetlightConfig(EquipmentConfig):
    """A light. ``late`` % of light from 23 h to 5 h."""

    kind: Literal["streetlight"] = "streetlight"
    watts: float = Field(default=100.0, gt=1, le=400)
    standby_w: float = Field(default=0.4, ge=0, le=5)
    late: float = Field(default=60.0, ge=0.1, le=100)
    driver: BearingWear = BearingWear(life_h=1800.0)

    label: ClassVar[Name] = Name("스마트 가로등", "Smart street light")

    @property
    def late_arc(self) -> int:
        """Arc level late at night."""
        return dali_arc(self.late)

    def asset(self) -> type[Streetlight]:
        """Return the class of a light."""
        return Streetlight

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LAMP,)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"driver": self.driver}


class Streetlight(Asset):
    """Follows daylight and the clock unless a level is ordered."""

    columns: ClassVar[Mapping[str, Column]] = {"order": Step(_AUTO)}
    commands = (
        *COMMON,
        CommandSpec("dim", {"percent": "%"}, Name("디밍", "Dim")),
        CommandSpec("auto", label=Name("자동", "Automatic")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "driver_overheat": WearFault("driver", 60.0, Name("컨버터 과열", "Driver overheating")),
        "led_module_out": Effect(0.4, label=Name("LED 모듈 소등", "LED module out")),
        "day_burning": Effect(1.0, label=Name("주간 점등", "Burning by day")),
    }

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add dimming."""
        return super().handlers() | {"dim": self._dim, "auto": self._auto}

    def _dim(self, command: Command) -> str:
        arc = dali_arc(self.number(command, "percent", 0.0, 100.0))
        if self.state in (State.FAILED, State.MAINTENANCE):
            raise CommandRefused(f"interlock: the lamp is in {STATES[self.state]}")
        self.put("order", float(arc))
        return f"arc level {arc}, {float(dali_percent(arc)):.1f} %"

    def _auto(self, command: Command) -> str:
        self.put("order", _AUTO)
        return "follows daylight and the clock"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the lamp."""
        hour = hour_of_day(view.utc)
        day = view.env("daylight")
        late = (hour >= 23.0) | (hour < 5.0)
        dark = (day < _DUSK) | (view.fault("day_burning") > 0)
        order = view["order"]
        arc = np.where(order >= 0, order, np.where(dark, np.where(late, view.param("late_arc"), 254.0), 0.0))
        arc = arc * view.is_state(State.RUNNING)
        ordered = dali_percent(arc) / 100.0
        wear = view.wear("driver")
        light = ordered * (1.0 - 0.25 * wear) * (1.0 - view.fault("led_module_out"))
        burning = ordered * (1.0 - view.fault("led_module_out"))
        watts, standby = view.param("watts"), view.param("standby_w")
        return {
            "state": view["state"],
            "arc_level": arc,
            "light": 100.0 * light,
            "power": standby
            + np.where(arc > 0, (watts - standby) * (0.05 + 0.95 * burning) * (1.0 + 0.08 * wear), 0.0),
            "driver_temp": view.env("temperature") + 3.0 + ordered * (24.0 + 22.0 * wear * wear),
            "flicker": np.where(arc > 0, 1.2 + 0.3 * view.trait("flicker") + 14.0 * wear * wear, 0.0),
            "illuminance": 90_000.0 * day + 22.0 * light + 0.3,
        }
