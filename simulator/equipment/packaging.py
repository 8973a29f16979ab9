"""What the machines of a packaging line share: lots, rejects, minor stops, counters, PackML.

A machine takes a lot of packs from its input, works on it pack by pack (as a pace, not as events), and gives what is
good to its output. Finite flows couple the machines: a full one blocks, an empty one starves. Reels of film or labels
end and are spliced, now and then a pack jams: minor stops of 30 to 120 s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.command import Command
from core.errors import CommandRefused
from core.spec import Name
from simulator.asset import Steps, Work
from simulator.channels import Channel, Sensor, counted, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats
from simulator.process import packml
from simulator.process.flow import Item
from simulator.process.making import Maker
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, DOWN, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

LINE: tuple[Channel, ...] = (
    enumerated("state", STATES, ko="상태", en="State"),
    enumerated("packml", packml.PACKML, ko="PackML 상태", en="PackML state"),
    measured(
        "speed", "rate", "/h", 0, 20_000, Sensor(noise=4, resolution=1), ko="생산 속도", en="Speed",
    ),
    counted("good", "count", ko="양품 수", en="Good packs"),
    counted("reject", "count", ko="불량 수", en="Rejected packs"),
    counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
    measured(
        "current", "electric-current", "A", 0, 60,
        Sensor(lag="500ms", gain=0.005, noise=0.05, resolution=0.01), ko="전류", en="Drive current", group="health",
    ),
)  # fmt: skip
_COUNTED = 1e-6  # counts are whole numbers but for rounding


class PackagingConfig(EquipmentConfig):
    """A machine of the line.

    Attributes
    ----------
    speed
        Packs an hour.
    lot
        Packs of a lot; machines after the first take what comes.
    reject
        Share of packs rejected when everything is well.
    reel
        Packs that a reel of film or labels is good for; 0: no reels.
    jam
        Mean number of packs between jams; 0: none.
    parts
        Wear of the parts that touch the packs.
    """

    kind: str
    speed: float = Field(default=6000.0, gt=0, le=20_000)
    lot: int = Field(default=2400, ge=1)
    reject: float = Field(default=0.004, ge=0, lt=0.5)
    reel: int = Field(default=0, ge=0)
    jam: float = Field(default=0.0, ge=0)
    rated_kw: float = Field(default=6.0, gt=0)
    parts: BearingWear = BearingWear(life_h=1500.0, scatter=0.3, growth=2.0)

    wearing: ClassVar[str]  # name of the component

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {self.wearing: self.parts}


class Packaging(Maker):
    """Takes lots, works on packs, gives lots."""

    columns: ClassVar[Mapping[str, Column]] = {
        **Maker.columns,
        "speed": Step(),  # packs an hour
        "reject_share": Step(),  # of the lot in work
        "reject_base": Step(),  # rejected = base + share * made
        "energy": Ramp(),  # kWh
        "heat": Relax(0.0, 400.0),  # 1 = at temperature
        "packml": Step(packml.START),
        "since": Ramp(0.0, 1.0),  # s since the state changed
    }
    commands = (*COMMON, DERATE)
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "guard_open": Effect(1.0, repaired=False, label=Name("안전문 열림", "Guard open"))
    }
    makes: ClassVar[str] = "lot"
    config: PackagingConfig
    taken = 0  # packs, with those in work
    _made = 0
    _rejected = 0
    _given = 0
    _jam_at = 0.0

    def pace(self) -> float:
        """Return packs a second."""
        return self.config.speed * self.get("derate") / 3600.0

    def spoilt(self) -> float:
        """Return the share of packs that present faults spoil."""
        return 0.0

    def portions(self, packs: int) -> list[int]:
        """Return how a lot is divided into what is given on."""
        return [packs]

    def run(self) -> Steps:
        """Take, work, give."""
        self._jam_at = self._next_jam(0.0)
        while True:
            packs = yield from self._next()
            self.taken += packs
            for portion in self.portions(packs):
                good = yield from self._work_on(portion)
                if self.outputs and good:
                    self._given += 1
                    item = Item(self.makes, self._given, self.spec.path, self.now, {"packs": float(good)})
                    yield from self.give(self.outputs[0], item)

    def _next(self) -> Any:
        """Return the number of packs in the next lot; without an input there is always material."""
        if self.inputs:
            item = yield from self.take(self.inputs[0])
            return int(item.data["packs"])
        yield from self.up()
        self.enter(State.RUNNING)
        return self.config.lot

    def _work_on(self, packs: int) -> Any:
        """Work on packs; return how many are good."""
        wear = self.components[self.config.wearing].wear
        share = min(self.config.reject + 0.03 * wear * wear + self.spoilt(), 1.0)
        rejects = int(self.draws("reject").binomial(packs, share))
        self.put("reject_share", rejects / packs)
        self.put("reject_base", self._rejected - self._made * (rejects / packs))
        done = 0.0
        for at, seconds in self._stops(self._made, self._made + packs):
            yield from self.make(at - self._made - done)
            done = at - self._made
            yield from self.pause(State.SETUP, seconds)
        yield from self.make(packs - done)
        self._made += packs
        self._rejected += rejects
        return packs - rejects

    def _stops(self, first: int, last: int) -> list[tuple[float, float]]:
        """Return (pack number, s) of the minor stops within packs ``first`` .. ``last``."""
        at: list[float] = []
        if self.config.reel:
            ends = range((first // self.config.reel + 1) * self.config.reel, last + 1, self.config.reel)
            at += map(float, ends)
        while self.config.jam and self._jam_at <= last:
            at.append(max(self._jam_at, float(first)))
            self._jam_at = self._next_jam(self._jam_at)
        return [(pack, self.draws("stop").uniform(30.0, 120.0)) for pack in sorted(at)]

    def _next_jam(self, after: float) -> float:
        return after + self.draws("jam").exponential(self.config.jam or 1.0)

    def on_state(self, old: State, new: State) -> None:
        """Move while running; keep warm but in maintenance."""
        super().on_state(old, new)
        running = new is State.RUNNING
        self.put("speed", self.config.speed * self.get("derate") if running else 0.0)
        self.ramp("energy", self.config.rated_kw * (1.0 if running else 0.2) / 3600.0)
        if old is new:
            return
        if State.MAINTENANCE in (old, new) or old is State.IDLE:
            self.relax("heat", 0.0 if new is State.MAINTENANCE else 1.0)
        self.put("packml", packml.change(old, new))
        self.put("since", 0.0, 1.0)

    def on_effect(self, fault: str, size: float) -> None:
        """An open guard stops the machine; it waits for a start when closed."""
        if fault == "guard_open" and size > 0 and self.state not in DOWN:
            self._resume = self.state
            self.enter(State.STOPPED)
            self.tell("interlock", "guard opened: machine stopped", "warning")

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the guard's interlock."""
        return super().handlers() | {"start": self._start_guarded}

    def _start_guarded(self, command: Command) -> str:
        if self.get("fault.guard_open") > 0:
            raise CommandRefused("interlock: guard is open")
        return self._start(command)


def line(view: View, wear: Floats) -> dict[str, NDArray[Any] | float]:
    """Return the true values of the channels in `LINE`."""
    made, speed = view["made"], view["speed"]
    rejected = view["reject_base"] + view["reject_share"] * made
    running = speed > 0
    drag = 1.0 + 0.3 * wear + 0.04 * view.slow("load", 300.0)
    return {
        "state": view["state"],
        "packml": packml.code(view["packml"], view["since"]),
        "speed": speed,
        "good": np.floor(made - rejected + _COUNTED),
        "reject": np.floor(rejected + _COUNTED),
        "energy": view["energy"],
        "current": running * view.param("rated_kw") * 1.9 * drag + 0.4,
    }


def heated(view: View, target: Floats | float) -> Floats:
    """Return the temperature of a heated part, Cel."""
    hall = view.env("temperature") * 0.3 + 16.0
    return np.asarray(hall + view["heat"] * (target - hall), dtype=np.float64)
