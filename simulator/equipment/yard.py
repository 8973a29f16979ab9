"""Container yard: a stacker puts containers away and fetches them; radio tags tell where the last one stands.

The real-time location system (RTLS) ranges to anchors; where anchors are missing, positions become uncertain. Slots
are ``bays`` x ``rows`` x ``tiers`` of 20-foot containers (6.1 m x 2.44 m, with gaps). Travel 2.2 m/s, a lift 60 s
(assumptions). Containers come at random and stay for some days; a full yard lets none in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

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
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

_BAY_M, _ROW_M, _TIER_M = 6.5, 2.9, 2.6
_TRAVEL = 2.2  # m/s
_LIFT_S = 60.0
_ANCHORS = 8.0
_START_FILL = 0.5

RTLS = Stream(
    "rtls",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured("x", "distance", "m", -50, 2000, Sensor(noise=0.15, resolution=0.01), ko="동쪽 위치", en="East"),
        measured("y", "distance", "m", -50, 2000, Sensor(noise=0.15, resolution=0.01), ko="북쪽 위치", en="North"),
        measured("tier", "count", "1", 0, 10, ko="적재 단", en="Tier of the last container"),
        measured("anchors", "count", "1", 0, 32, ko="수신 앵커", en="Anchors heard", group="health"),
    ),
    period=5 * NS,
)  # fmt: skip
STOCK = Stream(
    "stock",
    (
        measured("containers", "count", "1", 0, 10000, ko="보관 컨테이너", en="Containers in the yard"),
        measured("occupancy", "ratio", "%", 0, 100, Sensor(resolution=0.1), ko="점유율", en="Slots taken"),
        counted("moves", "count", ko="하역 횟수", en="Moves"),
        counted("turned_away", "count", ko="반입 거절", en="Turned away at the gate"),
        measured("hoist_pressure", "pressure", "bar", 0, 400, Sensor(gain=0.01, noise=1.0, resolution=0.5),
                 ko="호이스트 압력", en="Hoist pressure", group="health"),
        measured("oil_temp", "temperature", "Cel", -40, 150, Sensor(lag="60s", bias=0.5, noise=0.2, resolution=0.1),
                 ko="유압유 온도", en="Oil temperature", group="health"),
    ),
    period=10 * NS,
)  # fmt: skip


class YardConfig(EquipmentConfig):
    """A yard. ``dwell_h``: mean stay of a container."""

    kind: Literal["yard"] = "yard"
    bays: int = Field(default=12, ge=1, le=100)
    rows: int = Field(default=6, ge=1, le=30)
    tiers: int = Field(default=4, ge=1, le=8)
    arrivals_per_h: float = Field(default=1.5, gt=0, le=60)
    dwell_h: float = Field(default=72.0, gt=1, le=2000)
    hoist: BearingWear = BearingWear(life_h=120.0)

    label: ClassVar[Name] = Name("컨테이너 야드", "Container yard")

    @property
    def slots(self) -> int:
        """Places for containers."""
        return self.bays * self.rows * self.tiers

    def asset(self) -> type[Yard]:
        """Return the class of a yard."""
        return Yard

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (RTLS, STOCK)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"hoist": self.hoist}


class Yard(Asset):
    """One stacker that works off what comes in and what goes out."""

    columns: ClassVar[Mapping[str, Column]] = {
        "x": Ramp(),
        "y": Ramp(),
        "tier": Step(),
        "containers": Step(),
        "moves": Step(),
        "away": Step(),
        "heat": Relax(0.0, 1800.0),
    }
    commands = (
        *COMMON,
        DERATE,
        CommandSpec("relocate", {"bay": "1", "row": "1"}, Name("위치 이동", "Relocate")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "hoist_leak": WearFault("hoist", 40.0, Name("호이스트 누유", "Hoist leak")),
        "anchors_lost": Effect(5.0, label=Name("앵커 두절", "Lost anchors")),
    }
    config: YardConfig

    def run(self) -> Steps:
        """Wait for a container to come or go, and move it."""
        self._rate = (0.0, 0.0)
        self._place: tuple[int, int] | None = None
        self.put("containers", float(round(self.config.slots * _START_FILL)))
        self.enter(State.IDLE)
        draws, due = self.draws("yard"), self.now
        while True:
            come, go = self.config.arrivals_per_h, self.get("containers") / self.config.dwell_h
            due += round(3600.0 * NS * float(draws.exponential(1.0 / (come + go))))
            yield self.env.timeout(max(0, due - self.now))  # what has come meanwhile waits
            comes = bool(draws.uniform() * (come + go) < come)
            bay, row = int(draws.integers(self.config.bays)), int(draws.integers(self.config.rows))
            tier = float(draws.integers(self.config.tiers) + 1)
            if comes and self.get("containers") >= self.config.slots:
                self.put("away", self.get("away") + 1.0)
                continue
            yield from self._move(*(self._place or (bay, row)), tier)
            self.put("containers", self.get("containers") + (1.0 if comes else -1.0))

    def _move(self, bay: int, row: int, tier: float) -> Steps:
        self._place = None
        yield from self.up()
        x, y = bay * _BAY_M, row * _ROW_M
        away_x, away_y = x - self.get("x"), y - self.get("y")
        s = max((away_x * away_x + away_y * away_y) ** 0.5 / (_TRAVEL * self.get("derate")), 1.0)
        self._rate = (away_x / s, away_y / s)
        self.enter(State.RUNNING)
        self._travel()
        yield from self.work(s)
        self._rate = (0.0, 0.0)
        self._travel()
        self.put("tier", tier)
        yield from self.work(_LIFT_S * tier / self.get("derate"))
        self.put("moves", self.get("moves") + 1.0)
        yield from self.up()
        self.enter(State.IDLE)

    def _travel(self) -> None:
        east, north = self._rate if self.state is State.RUNNING else (0.0, 0.0)
        self.ramp("x", east)
        self.ramp("y", north)

    def on_state(self, old: State, new: State) -> None:
        """Stand still while not running; the oil warms with work."""
        self._travel()
        self.relax("heat", 1.0 if new is State.RUNNING else 0.0)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add where the next container goes."""
        return super().handlers() | {"relocate": self._relocate}

    def _relocate(self, command: Command) -> str:
        if self.state in (State.FAILED, State.MAINTENANCE, State.STOPPED):
            raise CommandRefused(f"interlock: the stacker is in {STATES[self.state]}")
        bay = int(self.number(command, "bay", 0, self.config.bays - 1))
        row = int(self.number(command, "row", 0, self.config.rows - 1))
        self._place = (bay, row)
        return f"next move at bay {bay}, row {row}"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of a stream; without anchors positions wander."""
        lost = view.fault("anchors_lost")
        if stream == "rtls":
            return {
                "state": view["state"],
                "x": view["x"] + 0.8 * lost * view.slow("x", 120.0),
                "y": view["y"] + 0.8 * lost * view.slow("y", 120.0),
                "tier": view["tier"],
                "anchors": _ANCHORS - lost,
            }
        wear, busy = view.wear("hoist"), view.is_state(State.RUNNING)
        return {
            "containers": view["containers"],
            "occupancy": 100.0 * view["containers"] / view.param("slots"),
            "moves": view["moves"],
            "turned_away": view["away"],
            "hoist_pressure": 12.0 + busy * (180.0 + 4.0 * view.slow("load", 60.0)) * (1.0 - 0.3 * wear * wear),
            "oil_temp": 12.0 + 0.6 * view.env("temperature") + view["heat"] * (25.0 + 18.0 * wear),
        }
