"""Refrigerated van: takes pallets from a flow, drives its stops in the districts, comes back.

It has two state changes a stop. Position is a straight line at the road's pace, which follows the traffic at
departure. The box is the sum of a few approaches (set-point, open door, unit switched off) and closed forms (defrost,
two-point control); see ``simulator.process.cold_chain``. Every hour the recorder notes the mean kinetic temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from core.clock import NS
from core.command import Command
from core.config import Duration
from core.errors import CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Steps, Work
from simulator.channels import Stream
from simulator.equipment.base import EquipmentConfig
from simulator.equipment.van_streams import BOX, COLD, DRIVE, RECORDER, UNIT_OFF, truth
from simulator.faults import Effect, FaultKind, WearFault
from simulator.process.cold_chain import KineticRecorder, capacity, defrost_heat, demand, excess
from simulator.process.districts import DISTRICTS, nearest, road_m
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

_HOUR_S = 3600.0
_PIECE_S = 600.0
_SETTLED_K = 0.02
_FREE_KMH = 38.0
_HOME = "songpa"
_LIMIT_CEL = 8.0
_WET_SLOWER = 0.15  # share of the pace that rain costs (assumption)
_AT_REST = 0.3  # wear of a unit that hardly runs, share of that at a third of its capacity (assumption)


class VanConfig(EquipmentConfig):
    """A van. Without an input it finds a full load at home.

    Attributes
    ----------
    route
        Districts it stops at, in order.
    capacity
        Pallets it holds.
    patience
        ns after the first pallet at which it departs, full or not.
    celsius
        Set-point of the box.
    fleet
        Vehicles of its carrier underway that it stands for: so many does it add to traffic.
    """

    kind: Literal["van"] = "van"
    route: tuple[str, ...] = Field(default=("gangnam", "seocho", "gwanak", "dongjak"), min_length=1)
    capacity: int = Field(default=6, ge=1, le=40)
    patience: Duration = Field(default=4 * 3600 * NS, ge=0)
    celsius: float = Field(default=4.0, ge=-25, le=15)
    fleet: float = Field(default=100.0, ge=0, le=10_000)
    unit: BearingWear = BearingWear(life_h=700.0, growth=2.5)

    label: ClassVar[Name] = Name("냉장 밴", "Refrigerated van")

    @field_validator("route")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        strange = [stop for stop in value if stop not in DISTRICTS]
        if strange:
            raise ValueError(f"unknown district {strange[0]!r}; known: {', '.join(DISTRICTS)}")
        return value

    def asset(self) -> type[Van]:
        """Return the class of a van."""
        return Van

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (COLD, RECORDER, DRIVE)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"compressor": self.unit}


class Van(Asset):
    """Loads, drives, unloads, returns. Its unit cools unless it has failed or is in maintenance."""

    columns: ClassVar[Mapping[str, Column]] = {
        "lat": Ramp(DISTRICTS[_HOME][0]),
        "lon": Ramp(DISTRICTS[_HOME][1]),
        "speed": Step(),  # km/h
        "odometer": Ramp(),  # km
        "load": Step(),
        "delivered": Step(),
        "door": Step(),
        "setpoint": Step(4.0),
        "target": Relax(4.0, 1500.0),  # what the control holds on its way to the set-point
        "door_heat": Relax(0.0, 720.0),  # K by the open door
        "idle_heat": Relax(0.0, 7200.0),  # K while the unit is off
        "mkt": Step(4.0),
    }
    commands = (
        *COMMON,
        CommandSpec("set_point", {"celsius": "Cel"}, Name("온도 설정", "Set-point")),
        CommandSpec("re_route", {"stops": "1"}, Name("경로 변경", "Re-route")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "refrigerant_leak": WearFault("compressor", 30.0, Name("냉매 누설", "Refrigerant leak")),
        "door_seal": Effect(0.6, label=Name("문 패킹 손상", "Damaged door seal")),
        "door_left_open": Effect(1.0, label=Name("문 열림 방치", "Door left open")),
    }
    working: ClassVar[frozenset[State]] = frozenset(State) - UNIT_OFF
    config: VanConfig

    def run(self) -> Steps:
        """Load, deliver, return."""
        self._recorder, self._noted = KineticRecorder(), self.now
        self._look()
        self._stops = list(self.config.route)
        self._pace = (0.0, 0.0, 0.0)
        self._zones: tuple[int, int] = (0, 0)
        self._underway = False
        self._home = DISTRICTS[_HOME]
        if self.spec.position is not None:
            self._home = (self.spec.position.lat, self.spec.position.lon)
        self._arrive(self._home)
        for column in ("setpoint", "target", "mkt"):
            self.put(column, self.config.celsius, self.config.celsius)
        self.env.process(self._record())
        while True:
            yield from self._fill()
            yield from self._deliver()
            yield from self._drive(self._home)
            self._stops = list(self.config.route)

    def _fill(self) -> Steps:
        """Take pallets until the van is full or has waited long enough."""
        self.enter(State.IDLE)
        if not self.inputs:
            yield self.seconds(self.config.patience / NS)
            yield from self._load(self.config.capacity)
            return
        flow = self.inputs[0]
        with flow.berth.request() as berth:
            yield berth
            yield from self.take(flow)
            self.enter(State.SETUP)
            count, deadline = 1, self.env.timeout(self.config.patience)
            while count < self.config.capacity:
                wait = flow.get()
                yield wait | deadline
                if not wait.triggered:
                    wait.cancel()
                    break
                count += 1
            yield from self._load(count)

    def _load(self, count: int) -> Steps:
        yield from self._dwell(60.0 * count, 0.25)  # behind the dock's curtain
        self.put("load", float(count))

    def _deliver(self) -> Steps:
        """Drive the stops, which a command may change on the way."""
        while self._stops:
            stop = self._stops.pop(0)
            yield from self._drive(DISTRICTS[stop])
            load = self.get("load")
            count = float(np.ceil(load / (len(self._stops) + 1)))
            yield from self._dwell(120.0 + 100.0 * count, 1.0)
            self.put("load", load - count)
            self.tell("delivery", f"stop={stop} pallets={count:.0f} left={load - count:.0f}")
            self.put("delivered", self.get("delivered") + count)

    def _drive(self, there: tuple[float, float]) -> Steps:
        here = (self.get("lat"), self.get("lon"))
        metres = road_m(here, there)
        pace = _FREE_KMH * (1.0 - 0.45 * self.host.weather.now("traffic", self.now))
        pace *= 1.0 - _WET_SLOWER * min(self.host.weather.now("rain", self.now), 1.0)
        pace = max(8.0, pace * float(1.0 + 0.12 * self.draws("road").standard_normal()))
        s = max(metres / (pace / 3.6), 1.0)
        yield from self.up()
        self._zones = _zones(here, there)
        self._pace = ((there[0] - here[0]) / s, (there[1] - here[1]) / s, pace)
        self.enter(State.RUNNING)
        self._move()
        yield from self.work(s)
        self._arrive(there)

    def _arrive(self, there: tuple[float, float]) -> None:
        self._pace = (0.0, 0.0, 0.0)
        self._move()
        self.put("lat", there[0])
        self.put("lon", there[1])

    def _move(self) -> None:
        north, east, pace = self._pace if self.state is State.RUNNING else (0.0, 0.0, 0.0)
        self.ramp("lat", north)
        self.ramp("lon", east)
        self.ramp("odometer", pace / 3600.0)
        self.put("speed", pace)
        self._join_traffic(pace > 0)

    def _join_traffic(self, underway: bool) -> None:
        """Count on the roads of both ends of the way while it moves."""
        if underway != self._underway:
            self._underway = underway
            self.host.weather.roads.change(self._zones, self.now, self.config.fleet * (1.0 if underway else -1.0))

    def _dwell(self, s: float, share: float) -> Steps:
        """Stand with the door open; ``share`` of the outside air comes in."""
        yield from self.up()
        self.enter(State.SETUP)
        self._door(share)
        yield from self.work(s)
        self._door(0.0)

    def stress(self, component: str) -> float:
        """Wear with the duty: a hot day costs the unit more of its life (1 at a third of its capacity)."""
        return _AT_REST + (1.0 - _AT_REST) * 3.0 * min(float(demand(self._lift(), self.get("fault.door_seal"))), 1.0)

    # --- the box ---------------------------------------------------------------------------------------------

    def on_state(self, old: State, new: State) -> None:
        """Stop moving when down; the unit is off after a failure and in maintenance."""
        self._move()
        if (old in UNIT_OFF) != (new in UNIT_OFF):
            self._note()
            self.relax("idle_heat", self._lift() if new in UNIT_OFF else 0.0)

    def on_effect(self, fault: str, size: float) -> None:
        """Open and close the door that is left open."""
        if fault == "door_left_open":
            self._door(0.0)

    def _door(self, share: float) -> None:
        share = max(share, min(self.get("fault.door_left_open"), 1.0))
        self._note()
        self.put("door", float(share > 0))
        self.relax("door_heat", 0.6 * share * self._lift())

    def _look(self) -> None:
        """Look at what changes slowly: once an hour is enough for events."""
        self._ambient = self.host.weather.now("temperature", self.now)
        self._left = capacity(self.components["compressor"].wear)
        self.adapt_wear()

    def _lift(self) -> float:
        return self._ambient - self.get("setpoint")

    def _record(self) -> Steps:
        """Note the mean kinetic temperature every hour."""
        while True:
            yield self.seconds(_HOUR_S)
            self._note()
            self._look()
            warm, before = self._recorder.close(), self.get("mkt")
            self.put("mkt", warm)
            if before <= _LIMIT_CEL < warm:
                self.tell("excursion", f"mean kinetic temperature of 24 h is {warm:.1f} Cel", "warning")

    def _note(self) -> None:
        """Give the recorder the temperatures since the last note."""
        span = self.now - self._noted
        if span <= 0:
            return
        pieces = int(np.ceil(span / NS / _PIECE_S))
        t = self._noted + (np.arange(pieces, dtype=np.int64) * 2 + 1) * span // (2 * pieces)
        steady = excess(demand(self._lift(), self.get("fault.door_seal")), self._left)
        cel = defrost_heat(t) + steady
        for name in BOX:
            settled = self._table.rate(self._row, name)
            if abs(self._table.get(self._row, name, self._noted) - settled) < _SETTLED_K:
                cel += settled
            else:
                cel += np.array([self._table.get(self._row, name, at) for at in t.tolist()])
        self._recorder.add(cel, span / NS)
        self._noted = self.now

    # --- commands --------------------------------------------------------------------------------------------

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the set-point and the route."""
        return super().handlers() | {"set_point": self._set_point, "re_route": self._re_route}

    def _set_point(self, command: Command) -> str:
        cel = self.number(command, "celsius", -25.0, 15.0)
        if self.state in UNIT_OFF:
            raise CommandRefused(f"interlock: the unit is off ({STATES[self.state]})")
        self._note()
        self.put("setpoint", cel)
        self.relax("target", cel)
        return f"set-point {cel:g} Cel"

    def _re_route(self, command: Command) -> str:
        stops = [stop.strip() for stop in str(command.args.get("stops", "")).split(",") if stop.strip()]
        strange = [stop for stop in stops if stop not in DISTRICTS]
        if strange or not stops:
            raise CommandRefused(f"unknown district {strange[0]}" if strange else "stops: give districts, by comma")
        self._stops = stops
        return f"next stops: {', '.join(stops)}"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of a stream."""
        return truth(stream, view)


def _zones(here: tuple[float, float], there: tuple[float, float]) -> tuple[int, int]:
    """Return the districts of both ends of a way."""
    found = nearest(np.array([here[0], there[0]]), np.array([here[1], there[1]]))
    return int(found[0]), int(found[1])
