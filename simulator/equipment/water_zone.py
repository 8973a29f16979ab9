"""District metered area of the water network: one inlet with a valve, demand by the hour, leaks by pressure.

FAVAD (fixed and variable area discharge): Q = Cd sqrt(2 g) (A0 h^0.5 + m h^1.5) with the head h in m, the area A0 at
no pressure and its slope m with head. The minimum night flow of 02 to 04 h is noted every morning: what is above the
legitimate night use is leakage. Demand and sizes are assumptions.
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
from simulator.asset import Asset, Steps, Work
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.environment import by_table, hour_of_day
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.grid import Floats
from simulator.state import Column, Relax, Step
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

_CD = 0.6
_G = 9.80665
_CM2 = 1e-4
_M_A_BAR = 10.197
_LEAST_BAR = 1.5  # at the tap of the highest customer (153 kPa is what Korean design standards ask for)
_NIGHT_END_H = 4.0
_STROKE_S = 60.0  # of the valve
# share of the mean demand, by hour of the day (assumption: residential, two peaks)
_USE = (0.42, 0.33, 0.28, 0.27, 0.32, 0.55, 1.0, 1.45, 1.5, 1.3, 1.15, 1.1,
        1.1, 1.05, 1.0, 1.0, 1.05, 1.2, 1.42, 1.5, 1.42, 1.25, 0.95, 0.65)  # fmt: skip

VALVE = {0: "open", 1: "moving", 2: "closed"}

ZONE = Stream(
    "zone",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        enumerated("valve", VALVE, ko="밸브", en="Valve"),
        measured(
            "inflow", "flow", "m3/h", 0, 1000,
            Sensor(lag="5s", gain=0.004, noise=0.4, resolution=0.1, dropout=1e-4), ko="유입 유량", en="Inflow",
        ),
        measured(
            "pressure", "pressure", "bar", 0, 16,
            Sensor(lag="2s", gain=0.003, bias=0.01, noise=0.01, resolution=0.01), ko="압력", en="Pressure",
        ),
        measured("night_flow", "flow", "m3/h", 0, 1000, Sensor(resolution=0.1),
                 ko="야간 최소 유량", en="Minimum night flow", group="health"),
        measured("turbidity", "turbidity", "[NTU]", 0, 20, Sensor(bias=0.01, noise=0.005, drift=0.01, resolution=0.001),
                 ko="탁도", en="Turbidity"),
        counted("isolations", "count", ko="차단 횟수", en="Isolations"),
    ),
    period=2 * NS,
)  # fmt: skip


def favad_flow(head_m: NDArray[Any] | float, area_m2: NDArray[Any] | float, slope_m: NDArray[Any] | float) -> Floats:
    """Return the flow of a leak in m3/s; ``slope_m`` is the growth of the area with head, m2 / m."""
    root = np.sqrt(np.asarray(head_m, dtype=np.float64))
    return np.asarray(_CD * np.sqrt(2.0 * _G) * (area_m2 * root + slope_m * root * root * root), dtype=np.float64)


def leak_exponent(head_m: float, area_m2: float, slope_m: float) -> float:
    """Return N1 of Q1/Q0 = (P1/P0)^N1 at a head: 0.5 for a fixed area, 1.5 for one that only pressure opens."""
    number = slope_m * head_m / area_m2
    return (1.5 * number + 0.5) / (number + 1.0)


class WaterZoneConfig(EquipmentConfig):
    """A zone.

    Attributes
    ----------
    demand_m3h
        Mean demand of its customers.
    head_m
        Pressure at the inlet, m of water.
    old_cm2
        Leak area of the pipe at the end of its life.
    """

    kind: Literal["water_zone"] = "water_zone"
    demand_m3h: float = Field(default=85.0, gt=0, le=600)
    head_m: float = Field(default=42.0, gt=5, le=120)
    old_cm2: float = Field(default=2.5, ge=0, le=50)
    pipe: BearingWear = BearingWear(life_h=1500.0, growth=2.0)

    label: ClassVar[Name] = Name("상수도 블록", "Water zone")

    def asset(self) -> type[WaterZone]:
        """Return the class of a zone."""
        return WaterZone

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (ZONE,)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"pipe": self.pipe}


class WaterZone(Asset):
    """Supplies all the time; its pipe leaks more and more until it is dug up."""

    columns: ClassVar[Mapping[str, Column]] = {
        "valve": Step(),
        "open": Relax(1.0, 15.0),
        "night_flow": Step(),
        "isolations": Step(),
        "head": Step(-1.0),  # m that the reducing valve is set to; below 0: as in the config
    }
    commands = (
        *COMMON,
        CommandSpec("isolate", label=Name("차단", "Isolate")),
        CommandSpec("restore", label=Name("통수", "Restore")),
        CommandSpec("set_pressure", {"bar": "bar"}, Name("압력 설정", "Set pressure")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "pipe_corrosion": WearFault("pipe", 60.0, Name("관 부식", "Pipe corrosion")),
        "burst": Effect(4.0, label=Name("관 파열", "Pipe burst")),  # cm2
        "discoloured": Effect(1.5, label=Name("녹물", "Discoloured water")),  # NTU
    }
    working: ClassVar[frozenset[State]] = frozenset({State.RUNNING, State.IDLE, State.STOPPED})
    config: WaterZoneConfig

    def run(self) -> Steps:
        """Note the minimum night flow at 4 h every morning."""
        self.enter(State.RUNNING)
        draws = self.draws("night")
        while True:
            self._note(float(draws.standard_normal()))
            hour = float(hour_of_day(np.array(self.host.start + self.now)))
            yield self.seconds(((_NIGHT_END_H - hour) % 24.0 or 24.0) * 3600.0)

    def _note(self, luck: float) -> None:
        use = self.config.demand_m3h * min(_USE) * (1.0 + 0.02 * luck)
        area = _area(self.config.old_cm2, self.components["pipe"].wear, self.get("fault.burst"))
        self.put("night_flow", (use + 3600.0 * float(_leak(self._head(), area))) * self.get("open"))

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the valve."""
        return super().handlers() | {
            "isolate": self._isolate,
            "restore": self._restore,
            "set_pressure": self._set_pressure,
        }

    def _set_pressure(self, command: Command) -> str:
        bar = self.number(command, "bar", _LEAST_BAR, 12.0)
        if self.get("valve") != 0:
            raise CommandRefused(f"interlock: the valve is {VALVE[int(self.get('valve'))]}")
        self.put("head", bar * _M_A_BAR)
        return f"inlet at {bar:g} bar"

    def _head(self) -> float:
        return self.get("head") if self.get("head") >= 0 else self.config.head_m

    def _isolate(self, command: Command) -> Work:
        if self.get("valve") != 0:
            raise CommandRefused(f"interlock: the valve is {VALVE[int(self.get('valve'))]}")
        self.put("isolations", self.get("isolations") + 1.0)
        return self._turn(0.0)

    def _restore(self, command: Command) -> Work:
        if self.get("valve") != 2:
            raise CommandRefused(f"interlock: the valve is {VALVE[int(self.get('valve'))]}")
        if self.state in (State.MAINTENANCE, State.FAILED):
            raise CommandRefused(f"interlock: the pipe is in {STATES[self.state]}")
        return self._turn(1.0)

    def _turn(self, target: float) -> Work:
        """Begin to turn the valve at once; the work is to wait for its end."""
        self.put("valve", 1.0)
        self.relax("open", target)
        return self._stroke(target)

    def _stroke(self, target: float) -> Work:
        yield self.seconds(_STROKE_S)
        self.put("valve", 0.0 if target else 2.0)
        self.tell("isolated" if not target else "restored", f"valve {'open' if target else 'closed'}")
        return f"valve {'open' if target else 'closed'}"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the zone."""
        warm = 1.0 + 0.006 * (view.env("temperature") - 12.0)
        swing = 1.0 + 0.06 * view.slow("use", 900.0) + 0.03 * view.slow("taps", 30.0)
        use = by_table(_USE, hour_of_day(view.utc)) * warm * swing * view.param("demand_m3h")
        peak = use / view.param("demand_m3h")
        inlet = np.where(view["head"] >= 0, view["head"], view.param("head_m"))
        head = np.maximum(inlet - 3.0 * peak * peak + 0.5 * view.slow("main", 3600.0), 1.0)
        leak = 3600.0 * _leak(head, _area(view.param("old_cm2"), view.wear("pipe"), view.fault("burst")))
        opening = view["open"]
        supply = opening * view.is_state(State.RUNNING, State.IDLE, State.STOPPED)
        drop = 0.02 * leak * leak / view.param("demand_m3h")
        return {
            "state": view["state"],
            "valve": view["valve"],
            "inflow": (use + leak) * supply,
            "pressure": np.maximum((head - drop) / _M_A_BAR, 0.3) * (0.05 + 0.95 * supply),
            "night_flow": view["night_flow"],
            "turbidity": 0.08
            + 0.02 * view.slow("clear", 7200.0) * view.slow("clear", 7200.0)
            + view.fault("discoloured"),
            "isolations": view["isolations"],
        }


def _area(old_cm2: NDArray[Any] | float, wear: NDArray[Any] | float, burst_cm2: NDArray[Any] | float) -> Floats:
    """Return the leak area in m2."""
    return np.asarray((0.3 + old_cm2 * wear + burst_cm2) * _CM2, dtype=np.float64)


def _leak(head_m: NDArray[Any] | float, area_m2: Floats) -> Floats:
    """Return the leakage in m3/s; flexible pipes open by 1 % of the area a metre (assumption)."""
    return favad_flow(head_m, area_m2, 0.01 * area_m2)
