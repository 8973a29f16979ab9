"""Autonomous mobile robot of a hub: drives its round, charges when its battery is low, has less and less of it.

With an input each round moves a pallet from there to its output. What it says of itself follows VDA 5050: number of the
order, last node, error level, whether it is loaded.

Kinematics 1 to 2 m/s, 8 h on a charge, 1.5 h to charge (assumptions). The battery fades to 70 % of its capacity at the
end of its life. Place and charge are straight lines between a few events.
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
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.grid import Floats
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, DOWN, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

_LOW = 20.0  # %, charges below
_FULL = 95.0
_CHARGE_S = 5400.0  # from low to full
_LOOK_S = 1200.0  # looks at its charge that often: its rate may have changed
_FADE = 0.3
_LINGER_S = 600.0  # drives on through shorter gaps between pallets
_M_A_DEGREE = 111_320.0

#: VDA 5050 error levels: a warning lets it go on, a fatal one does not
ERRORS = {0: "none", 1: "warning", 2: "fatal"}
LOADS = {0: "empty", 1: "loaded"}

DRIVE = Stream(
    "drive",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured("x", "distance", "m", -500, 500, Sensor(noise=0.02, resolution=0.01),
                 ko="동쪽 위치", en="East of home"),
        measured("y", "distance", "m", -500, 500, Sensor(noise=0.02, resolution=0.01),
                 ko="북쪽 위치", en="North of home"),
        measured("speed", "speed", "m/s", 0, 3, Sensor(noise=0.01, resolution=0.01), ko="속도", en="Speed"),
        counted("odometer", "distance", "m", ko="주행 거리", en="Odometer"),
        counted("order", "count", ko="주문 번호", en="Order"),
        measured("last_node", "count", "1", 0, 4, ko="마지막 노드", en="Last node"),
        enumerated("error", ERRORS, ko="오류", en="Error"),
        enumerated("load", LOADS, ko="적재", en="Load"),
    ),
)  # fmt: skip
BATTERY = Stream(
    "battery",
    (
        measured("charge", "state_of_charge", "%", 0, 100, Sensor(noise=0.1, resolution=0.1), ko="충전율", en="Charge"),
        measured("voltage", "voltage", "V", 0, 60, Sensor(gain=0.002, noise=0.03, resolution=0.01),
                 ko="전압", en="Voltage", group="health"),
        measured("current", "current", "A", -100, 100, Sensor(noise=0.2, resolution=0.1),
                 ko="전류", en="Current", group="health"),
        measured("temperature", "temperature", "Cel", -20, 90, Sensor(lag="60s", bias=0.3, noise=0.1, resolution=0.1),
                 ko="배터리 온도", en="Battery temperature", group="health"),
    ),
    period=5 * NS,
)  # fmt: skip


class AmrConfig(EquipmentConfig):
    """A robot that drives around a rectangle of ``width_m`` by ``depth_m``."""

    kind: Literal["amr"] = "amr"
    width_m: float = Field(default=60.0, gt=1, le=400)
    depth_m: float = Field(default=25.0, gt=1, le=400)
    pace: float = Field(default=1.4, gt=0.1, le=2.5)
    hours: float = Field(default=8.0, gt=0.5, le=24)
    battery: BearingWear = BearingWear(life_h=1400.0, growth=1.5)

    label: ClassVar[Name] = Name("자율 이동 로봇", "Mobile robot")

    @property
    def carries(self) -> int:
        """1 if it moves pallets from a flow."""
        return int(bool(self.inputs))

    def asset(self) -> type[Amr]:
        """Return the class of a robot."""
        return Amr

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (DRIVE, BATTERY)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"battery": self.battery}


class Amr(Asset):
    """Drives until its battery is low, then charges (state ``setup``)."""

    columns: ClassVar[Mapping[str, Column]] = {
        "odometer": Ramp(),  # m
        "speed": Step(),
        "charge": Ramp(_FULL),  # %
        "orders": Step(),
        "loaded": Step(),
        "warmth": Relax(0.0, 1800.0),
    }
    commands = (*COMMON, DERATE, CommandSpec("charge", label=Name("충전", "Charge")))
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "cell_ageing": WearFault("battery", 40.0, Name("셀 노화", "Ageing cell")),
        "dragging_brake": Effect(0.5, label=Name("브레이크 끌림", "Dragging brake")),
    }
    config: AmrConfig

    _asked = False  # to charge before its battery is low

    def run(self) -> Steps:
        """Drive and charge."""
        if self.inputs:
            yield from self._carry()
        while True:
            yield from self._until(State.RUNNING, _LOW)
            yield from self._until(State.SETUP, _FULL)

    def _carry(self) -> Steps:
        """Take a pallet, drive a round, give it; charge in between."""
        self.enter(State.IDLE)
        while True:
            if self._asked or self.get("charge") <= _LOW:
                self._asked = False
                yield from self._until(State.SETUP, _FULL)
            item = yield from self.take(self.inputs[0], _LINGER_S)
            self.put("loaded", 1.0)
            yield from self.work(2.0 * (self.config.width_m + self.config.depth_m) / self._pace())
            self.put("loaded", 0.0)
            self.put("orders", self.get("orders") + 1.0)
            if self.outputs:
                yield from self.give(self.outputs[0], item)

    def _pace(self) -> float:
        return self.config.pace * self.get("derate")

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add charging."""
        return super().handlers() | {"charge": self._charge}

    def _charge(self, command: Command) -> str:
        if self.state in DOWN:
            raise CommandRefused(f"interlock: the robot is in {STATES[self.state]}")
        if self.state is State.SETUP:
            raise CommandRefused("interlock: it is charging")
        if self.get("charge") > _FULL - 1.0:
            raise CommandRefused("interlock: the battery is full")
        self._asked = True
        return "charges after this round"

    def _until(self, state: State, level: float) -> Steps:
        """Stay in a state until the battery has reached a level, however its rate changes on the way."""
        yield from self.up()
        self.enter(state)
        sign = 1.0 if state is State.SETUP else -1.0
        while (left := (level - self.get("charge")) * sign) > 0.01:
            yield from self.work(min(left / abs(self._rate(state)), _LOOK_S))
            if self._asked and state is State.RUNNING:
                break
        self._asked = False

    def on_state(self, old: State, new: State) -> None:
        """Move, take current and charge."""
        driving = new is State.RUNNING
        pace = self._pace() if driving else 0.0
        self.put("speed", pace)
        self.ramp("odometer", pace)
        self.ramp("charge", self._rate(new))
        self.relax("warmth", 1.0 if new is State.SETUP else 0.5 if driving else 0.0)

    def on_effect(self, fault: str, size: float) -> None:
        """A dragging brake takes more current."""
        self.ramp("charge", self._rate(self.state))

    def _rate(self, state: State) -> float:
        """Return the change of the charge in % a second."""
        if state is State.SETUP:
            return (_FULL - _LOW) / _CHARGE_S
        if state is not State.RUNNING:
            return 0.0
        fade = 1.0 - _FADE * self.components["battery"].wear
        load = (0.3 + 0.7 * self.get("derate")) * (1.0 + self.get("fault.dragging_brake"))
        return -(_FULL - _LOW) * load / (self.config.hours * 3600.0 * fade)

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of a stream."""
        return _drive(view) if stream == "drive" else _battery(view)


def _drive(view: View) -> dict[str, Floats]:
    width, depth = view.param("width_m"), view.param("depth_m")
    rounds = view["odometer"] / (2.0 * (width + depth))
    way = np.mod(view["odometer"], 2.0 * (width + depth))
    warning = (view["charge"] < _LOW) | (view.fault("dragging_brake") > 0)
    return {
        "state": view["state"],
        "x": np.clip(way, 0.0, width) - np.clip(way - width - depth, 0.0, width),
        "y": np.clip(way - width, 0.0, depth) - np.clip(way - 2.0 * width - depth, 0.0, depth),
        "speed": view["speed"] * np.clip(1.0 + 0.25 * view.slow("aisle", 5.0), 0.0, 1.5),
        "odometer": view["odometer"],
        "order": np.where(view.param("carries") > 0, view["orders"], np.floor(rounds)),
        "last_node": 1.0 * (way >= width) + (way >= width + depth) + (way >= 2.0 * width + depth),
        "error": np.where(view.is_state(State.FAILED) > 0, 2.0, 1.0 * warning),
        "load": view["loaded"],
    }


def _battery(view: View) -> dict[str, Floats]:
    driving, charging = view.is_state(State.RUNNING), view.is_state(State.SETUP)
    wear = view.wear("battery")
    brake = 1.0 + view.fault("dragging_brake")
    current = 38.0 * charging - driving * 11.0 * brake * (1.0 + 0.15 * view.slow("load", 20.0)) - 0.6
    level = view["charge"] / 100.0
    rest = 46.0 + 5.5 * level - 1.5 * np.exp(-12.0 * level)
    return {
        "charge": np.clip(view["charge"], 0.0, 100.0),
        "voltage": rest + current * (0.02 + 0.03 * wear),
        "current": current,
        "temperature": 14.0 + 0.3 * view.env("temperature") + view["warmth"] * (9.0 + 9.0 * wear),
    }
