"""Signalised crossing: the worked example of a machine whose cycle costs no events.

The number of a cycle follows from time; who crosses in it is drawn by hashed noise from that number, so any sample can
be made without those before it. Only an extension of the green is state. Pedestrian green t = 7 s + L / v with
v = 1.0 m/s, in protection zones 0.7 m/s (Seoul 2024). Walking speeds: general mean 1.29, 15th percentile 1.01;
elderly 1.13 / 0.85; with cane or wheelchair 15th percentile 0.73 m/s (field study of 2020). Vehicles queue at the
demand and leave at the saturation flow of 1,800 an hour and lane (assumption).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core.clock import MS, NS
from core.command import Command
from core.errors import CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Work
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats, Ints
from simulator.state import Column, Step
from simulator.states import COMMON, STATES, State
from simulator.view import View

ENTRY_S = 7.0
CLEAR_S = 2.0
AMBER_S = 3.0
_PLACES = 24  # people that a cycle can have
_MEAN_PEOPLE = 14.0  # most, on average: more than _PLACES then come once in 200 cycles
_SATURATION = 1800.0 / 3600.0  # vehicles a second and lane

PHASES = {0: "flashing", 1: "walk", 2: "walk_ending", 3: "clearing", 4: "vehicles", 5: "amber"}

SIGNAL = Stream(
    "signal",
    (
        enumerated("phase", PHASES, ko="신호", en="Phase"),
        measured("green_left", "duration", "s", 0, 120, Sensor(resolution=0.1), ko="남은 보행 시간", en="Green left"),
        measured("waiting", "count", "1", 0, 200, ko="대기 보행자", en="Pedestrians waiting"),
        measured("on_crossing", "count", "1", 0, 200, ko="횡단 보행자", en="Pedestrians on the crossing"),
        measured(
            "ped_deficit", "duration", "s", -120, 120,
            Sensor(resolution=0.1), ko="보행 시간 부족", en="Time that the slowest pedestrian lacks",
        ),
        measured("stranded", "count", "1", 0, 200, ko="적색 횡단 보행자", en="Pedestrians on the crossing at red"),
    ),
    period=100 * MS,
)  # fmt: skip
TRAFFIC = Stream(
    "traffic",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured("vehicle_flow", "flow", "/h", 0, 8000, Sensor(gain=0.02, noise=15, resolution=1),
                 ko="교통량", en="Vehicle flow"),
        measured("vehicle_queue", "count", "1", 0, 300, ko="대기 차량", en="Vehicles queued"),
        measured("vehicle_speed", "speed", "km/h", 0, 120, Sensor(noise=0.8, resolution=0.1),
                 ko="차량 속도", en="Vehicle speed"),
        counted("extensions", "count", ko="녹색 연장 횟수", en="Extensions of the green"),
    ),
)  # fmt: skip


def pedestrian_green(length_m: float, walk_speed: float) -> float:
    """Return the pedestrian green of a crossing in s."""
    return ENTRY_S + length_m / walk_speed


class CrossingConfig(EquipmentConfig):
    """A crossing. People and vehicles are those of the busiest hour.

    Attributes
    ----------
    walk_speed
        m/s that the green is laid out for.
    cycle_s, offset_s
        Length of a cycle, and when the first one begins after simulated time 0.
    night_share
        Least demand of people, as share of the busiest hour.
    elderly, slow
        Shares of people who walk at the pace of the elderly, and with a cane or wheelchair.
    extend_max_s
        Longest extension that the controller accepts.
    """

    kind: Literal["crossing"] = "crossing"
    length_m: float = Field(default=16.0, gt=0, le=60)
    walk_speed: float = Field(default=1.0, ge=0.5, le=1.5)
    cycle_s: float = Field(default=70.0, ge=30, le=300)
    offset_s: float = Field(default=0.0, ge=0, le=300)
    people_per_h: float = Field(default=350.0, gt=0)
    night_share: float = Field(default=0.3, gt=0, le=1)
    elderly: float = Field(default=0.25, ge=0, le=1)
    slow: float = Field(default=0.08, ge=0, le=1)
    vehicles_per_h: float = Field(default=700.0, ge=0)
    lanes: int = Field(default=2, ge=1, le=10)
    extend_max_s: float = Field(default=10.0, gt=0, le=30)

    label: ClassVar[Name] = Name("스마트 횡단보도", "Smart crossing")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        needed = self.green_s + self.extend_max_s + CLEAR_S + AMBER_S + 7.0
        if needed > self.cycle_s:
            raise ValueError(
                f"cycle_s {self.cycle_s:g} is too short: green, extension and vehicles take {needed:.0f} s"
            )
        if self.elderly + self.slow > 1.0:
            raise ValueError("elderly and slow are shares: together at most 1")
        if self.people_per_h * self.cycle_s > _MEAN_PEOPLE * 3600.0:
            raise ValueError(f"people_per_h is above {_MEAN_PEOPLE:g} a cycle")
        return self

    @property
    def green_s(self) -> float:
        """Pedestrian green in s."""
        return pedestrian_green(self.length_m, self.walk_speed)

    @property
    def cycle_ns(self) -> int:
        """Length of a cycle in ns."""
        return round(self.cycle_s * NS)

    @property
    def offset_ns(self) -> int:
        """Beginning of cycle 0 in simulated ns."""
        return round(self.offset_s * NS)

    def asset(self) -> type[Crossing]:
        """Return the class of a crossing."""
        return Crossing

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (SIGNAL, TRAFFIC)


class Crossing(Asset):
    """Runs its cycle all the time; an extension lengthens the pedestrian green of the cycle it falls in."""

    columns: ClassVar[Mapping[str, Column]] = {
        "extended_s": Step(),
        "extended_cycle": Step(-1e15),  # number of the cycle that extended_s belongs to
        "extensions": Step(),
    }
    commands = (*COMMON, CommandSpec("extend_green", {"seconds": "s"}, Name("녹색 연장", "Extend green")))
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "detector_blind": Effect(0.7, label=Name("검지기 가림", "Blind detector")),
        "controller_fault": Effect(1.0, label=Name("제어기 고장", "Controller fault")),
    }
    config: CrossingConfig

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the extension."""
        return super().handlers() | {"extend_green": self._extend}

    def _extend(self, command: Command) -> str:
        seconds = self.number(command, "seconds", 0.5, self.config.extend_max_s)
        if self.state is not State.RUNNING or self.get("fault.controller_fault") > 0:
            raise CommandRefused("interlock: the signal is flashing")
        cycle, since = divmod(self.now - self.config.offset_ns, self.config.cycle_ns)
        if self.get("extended_cycle") == cycle:
            raise CommandRefused("interlock: the green was extended in this cycle already")
        left = self.config.green_s - since / NS
        if left <= 0:
            raise CommandRefused("interlock: pedestrians have no green")
        self.put("extended_s", seconds)
        self.put("extended_cycle", float(cycle))
        self.put("extensions", self.get("extensions") + 1.0)
        return f"green extended by {seconds:g} s, {left + seconds:.1f} s left"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of a stream."""
        return _signal(view) if stream == "signal" else _traffic(view)


@dataclass(frozen=True, slots=True, eq=False)
class _Cycle:
    """The cycle of each sample, [n, d]: its number, s since its beginning, its green (s), 1.0 where it is on."""

    number: Ints
    since: Floats
    length: Floats
    green: Floats
    on: Floats
    begin: Ints


def _cycle(view: View) -> _Cycle:
    length = view.param("cycle_ns").astype(np.int64)
    offset = view.param("offset_ns").astype(np.int64)
    number = (view.t - offset) // length
    begin = number * length + offset
    extended = np.where(view["extended_cycle"] == number, view["extended_s"], 0.0)
    on = view.is_state(State.RUNNING) * (view.fault("controller_fault") == 0)
    green = view.param("green_s") + extended
    return _Cycle(number, (view.t - begin) / float(NS), length / float(NS), green, on, begin)


@dataclass(frozen=True, slots=True, eq=False)
class _People:
    """Who crosses in a cycle, [n, d, places]: s of their coming, setting off and arrival, and whether they exist."""

    comes: Floats
    leaves: Floats
    arrives: Floats
    there: NDArray[np.bool_]


def _people(view: View, cycle: _Cycle, ahead: int) -> _People:
    """Return the people of the present cycle, or of one ``ahead``; times count from that cycle's beginning.

    They come in a Poisson process from the end of the last cycle's entry time to the end of this one's.
    """
    length = cycle.length[..., None]
    end = cycle.begin + np.rint(cycle.length * ((1 + ahead) * NS)).astype(np.int64)
    demand = np.maximum(view.weather.at("traffic", end), view.param("night_share"))
    rate = (view.param("people_per_h") * demand / 3600.0)[..., None]
    index = (cycle.number + ahead)[..., None] * _PLACES + np.arange(_PLACES, dtype=np.int64)
    gaps = np.log(1.0 - view.hashed("gap", index)) / -rate
    after = np.cumsum(gaps, axis=-1)  # over the places of one sample: the same however time is cut
    comes = after + (ENTRY_S - length)
    leaves = np.clip(comes + 0.3, 0.5 + 2.5 * view.hashed("reaction", index), ENTRY_S)
    seen = view.hashed("seen", index) >= view.fault("detector_blind")[..., None]
    return _People(comes, leaves, leaves + _walk(view, index), (after < length) & seen)


def _walk(view: View, index: Ints) -> Floats:
    """Return how long each person walks, s."""
    who, pace = view.hashed("who", index), view.hashed_normal("pace", index)
    slow = view.param("slow")[..., None]
    elderly = slow + view.param("elderly")[..., None]
    speed = np.where(who < slow, 0.82 + 0.09 * pace, np.where(who < elderly, 1.13 + 0.27 * pace, 1.29 + 0.27 * pace))
    return np.asarray(view.param("length_m")[..., None] / np.clip(speed, 0.5, 2.2), dtype=np.float64)


def _signal(view: View) -> dict[str, NDArray[Any]]:
    c = _cycle(view)
    now, later = _people(view, c, 0), _people(view, c, 1)
    since = c.since[..., None]
    walking = now.there & (since >= now.leaves) & (since < now.arrives)
    waiting = now.there & (since >= now.comes) & (since < now.leaves)
    coming = later.there & (since >= later.comes + c.length[..., None])
    needs = np.where(walking, now.arrives - since, 0.0).max(axis=-1)
    left = np.maximum(c.green - c.since, 0.0) * c.on
    green = left > 0
    count = walking.sum(axis=-1)
    return {
        "phase": _phase(c),
        "green_left": left,
        "waiting": waiting.sum(axis=-1) + coming.sum(axis=-1),
        "on_crossing": count,
        "ped_deficit": np.where(green, needs - left, 0.0),
        "stranded": np.where(green, 0, count),
    }


def _phase(c: _Cycle) -> Floats:
    clear, amber = c.green + CLEAR_S, c.length - AMBER_S
    phase = np.where(c.since < c.green, 2.0, np.where(c.since < clear, 3.0, np.where(c.since < amber, 4.0, 5.0)))
    return np.where(c.since < ENTRY_S, 1.0, phase) * c.on


def _traffic(view: View) -> dict[str, NDArray[Any]]:
    c = _cycle(view)
    demand = view.traffic(c.begin)  # known as the cycle begins: our own vehicles are state
    swing = 1.0 + 0.2 * view.hashed_normal("vehicles", c.number)
    arrive = np.maximum(view.param("vehicles_per_h") * demand * swing, 0.0) / 3600.0
    leave = _SATURATION * view.param("lanes")
    red = c.green + CLEAR_S
    queue = arrive * c.since - leave * np.clip(c.since - red, 0.0, None)
    queue = np.floor(np.maximum(queue, 0.0)) * c.on
    free = 42.0 * (1.0 - 0.3 * demand) + 2.0 * view.slow("speed", 300.0)
    moving = np.where(queue > 0, 0.5, 1.0) * np.where((c.since < red) & (queue > 0) & (c.on > 0), 0.0, 1.0)
    return {
        "state": view["state"],
        "vehicle_flow": arrive * 3600.0,
        "vehicle_queue": queue,
        "vehicle_speed": np.maximum(free, 5.0) * moving,
        "extensions": view["extensions"],
    }
