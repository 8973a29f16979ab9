"""What the machines of a packaging line share: lots, rejects, minor stops, change-over, counters, PackML.

A machine takes packs from its input, works on them as a pace (not as events), and gives what is good to its output.
Finite flows couple the machines: a full one blocks, an empty one starves. How many packs go on at once is the
``grain`` of the first machine. Reels of film or labels end and are spliced, now and then a pack jams: minor stops of
30 to 120 s. A new product is set up at every machine when its first packs come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Duration
from core.errors import CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Steps, Work
from simulator.channels import Channel, Sensor, counted, enumerated, measured
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats
from simulator.process import packml
from simulator.process.flow import Item
from simulator.process.making import Maker, MakerConfig
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
_IDLE_SHARE = 0.3  # of the power at rated speed that does not go with the speed (assumption)
_SPLICE_SCRAP = 4  # packs that hold a splice
_BAD_SPLICE = 0.03  # share of splices that must be made again

SET_SPEED = CommandSpec("set_speed", {"speed": "/h"}, Name("속도 설정", "Set speed"))


@dataclass(frozen=True, slots=True)
class Packs:
    """Packs that go from machine to machine together; ``bad`` of them have a defect nobody has seen yet.

    ``last``: the lot of this product ends with them.
    """

    packs: int
    bad: int = 0
    product: int = 1
    last: bool = True


class PackagingConfig(MakerConfig):
    """A machine of the line.

    Attributes
    ----------
    speed
        Packs an hour.
    lot
        Packs of a lot; machines after the first take what comes.
    grain
        Packs that the first machine gives on at once: a number, or ``pack``, ``case``, ``pallet``, ``lot``. Finer
        is truer and takes more events: a lot of 2,400 in cases is 200 times as many as in one.
    case, pallet
        Packs of a case and of a pallet.
    products, campaign
        How many products the first machine makes in turn, and lots of one in a row.
    changeover
        Time that a machine takes to be set up for another product.
    reject
        Share of packs rejected when everything is well.
    escape
        Packs with a defect that the machine's own check does not see, relative to those it rejects.
    reel
        Packs that a reel of film or labels is good for; 0: no reels.
    jam
        Mean number of packs between jams; 0: none.
    variation
        Coefficient of variation of the time that a lot takes (1: exponential); 0: none.
    spread
        Standard deviation, relative, of what manufacturing made different between machines of a kind: speed,
        drive, temperatures, dosing.
    parts
        Wear of the parts that touch the packs.
    """

    kind: str
    speed: float = Field(default=6000.0, gt=0, le=20_000)
    lot: int = Field(default=2400, ge=1)
    grain: int | Literal["pack", "case", "pallet", "lot"] = "lot"
    case: int = Field(default=12, ge=1)
    pallet: int = Field(default=800, ge=1)
    products: int = Field(default=1, ge=1, le=99)
    campaign: int = Field(default=10, ge=1)
    changeover: Duration = 900 * NS
    reject: float = Field(default=0.004, ge=0, lt=0.5)
    escape: float = Field(default=0.25, ge=0, le=1)
    reel: int = Field(default=0, ge=0)
    jam: float = Field(default=0.0, ge=0)
    variation: float = Field(default=0.0, ge=0, le=2)
    spread: float = Field(default=0.0, ge=0, le=0.2)
    rated_kw: float = Field(default=6.0, gt=0)
    parts: BearingWear = BearingWear(life_h=1500.0, scatter=0.3, growth=2.0)

    wearing: ClassVar[str]  # name of the component

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {self.wearing: self.parts}

    def together(self) -> int:
        """Return how many packs go on at once."""
        sizes = {"pack": 1, "case": self.case, "pallet": self.pallet, "lot": self.lot}
        return max(1, min(self.lot, sizes[self.grain] if isinstance(self.grain, str) else self.grain))


class Packaging(Maker):
    """Takes lots, works on packs, gives lots."""

    columns: ClassVar[Mapping[str, Column]] = {
        **Maker.columns,
        "speed": Step(),  # packs an hour
        "reject_share": Step(),  # of the packs in work
        "reject_base": Step(),  # rejected = base + share * made
        "energy": Ramp(),  # kWh
        "heat": Relax(0.0, 400.0),  # 1 = at temperature
        "packml": Step(packml.START),
        "since": Ramp(0.0, 1.0),  # s since the state changed
    }
    commands = (*COMMON, DERATE, SET_SPEED)
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "guard_open": Effect(1.0, repaired=False, label=Name("안전문 열림", "Guard open"))
    }
    makes: ClassVar[str] = "lot"
    config: PackagingConfig
    taken = 0  # packs, with those in work
    rated = 0.0  # packs an hour, this machine's own
    given = 0  # packs
    _made = 0
    _rejected = 0
    _given = 0
    _jam_at = 0.0
    _set_to = 1.0  # speed set-point, of the rated speed
    _luck = 1.0  # of the packs in work: their time over the usual one
    _product = 1
    _in_lot = (0, 0)  # packs of the lot at hand so far: made, rejected
    _task = ""  # what an operator is doing at the stopped machine

    def begin(self) -> None:
        """Take this machine's own speed."""
        self.rated = self.config.speed * (1.0 + self.config.spread * self.trait("speed"))
        super().begin()

    def pace(self) -> float:
        """Return packs a second."""
        return self.rated * self._set_to * self.get("derate") / self._luck / 3600.0

    def spoilt(self) -> float:
        """Return the share of packs that present faults and settings spoil."""
        return 0.0

    def portions(self, packs: int) -> list[int]:
        """Return how packs taken at once are divided into what is given on."""
        return [packs]

    def run(self) -> Steps:
        """Take, set up, work, give."""
        self._jam_at = self._next_jam(0.0)
        while True:
            lot = yield from self._next()
            self.taken += lot.packs
            if lot.product != self._product:
                self._product = lot.product
                yield from self.set_up(self.config.changeover / NS, "changeover", lot.product)
            sizes = self.portions(lot.packs)
            left = lot.bad
            for number, size in enumerate(sizes, 1):
                bad = lot.bad * size // lot.packs if number < len(sizes) else left
                left -= bad
                last = lot.last and number == len(sizes)
                made = yield from self._work_on(Packs(size, bad, lot.product, last))
                if last:
                    self._end_lot(lot.product)
                if self.outputs and (made.packs or last):
                    yield from self.hand_on(made)

    def hand_on(self, made: Packs) -> Steps:
        """Give what is good to the output."""
        self._given += 1
        self.given += made.packs
        data = {
            "packs": float(made.packs), "bad": float(made.bad), "product": float(made.product), "last": float(made.last)
        }  # fmt: skip
        yield from self.give(self.outputs[0], Item(self.makes, self._given, self.spec.path, self.now, data))

    def _next(self) -> Any:
        """Return the packs that come next; without an input there is always material, while the shift is on."""
        if self.inputs:
            data = (yield from self.take(self.inputs[0])).data
            return Packs(
                int(data["packs"]), int(data.get("bad", 0)), int(data.get("product", 1)), bool(data.get("last", 1))
            )
        yield from self.on_duty()
        yield from self.up()
        self.enter(State.RUNNING)
        config = self.config
        size = min(config.together(), config.lot - self._in_lot[0])
        product = 1 + self.lots // config.campaign % config.products
        return Packs(size, 0, product, self._in_lot[0] + size >= config.lot)

    def _work_on(self, lot: Packs) -> Any:
        """Work on packs; return those that are good, or seem so."""
        stops = self._stops(self._made, self._made + lot.packs)
        spliced = sum(_SPLICE_SCRAP for _, _, cause in stops if cause == "splice")
        rejects, bad = self.judge(lot, spliced)
        self.put("reject_share", rejects / lot.packs if lot.packs else 0.0)
        self.put("reject_base", self._rejected - (self._made * (rejects / lot.packs) if lot.packs else 0.0))
        if self.config.variation:
            self._luck = self._draw_luck()
            self.on_state(self.state, self.state)
        done = 0.0
        for at, seconds, cause in stops:
            yield from self.make(at - self._made - done)
            done = at - self._made
            yield from self.pause(State.SETUP, seconds, cause)
        yield from self.make(lot.packs - done)
        self._made += lot.packs
        self._rejected += rejects
        self._in_lot = (self._in_lot[0] + lot.packs, self._in_lot[1] + rejects)
        return Packs(lot.packs - rejects, bad, lot.product, lot.last)

    def judge(self, lot: Packs, spliced: int) -> tuple[int, int]:
        """Return (packs rejected, bad packs among the rest); ``spliced`` hold a splice and go out."""
        wear = self.components[self.config.wearing].wear
        share = min(self.config.reject + 0.03 * wear * wear + self.spoilt(), 1.0)
        rejects = min(int(self.draws("reject").binomial(lot.packs, share)) + spliced, lot.packs)
        good = lot.packs - rejects
        unseen = int(self.draws("escape").binomial(good, min(share * self.config.escape, 1.0)))
        return rejects, min(lot.bad + unseen, good)

    def _end_lot(self, product: int) -> None:
        made, rejected = self._in_lot
        self._in_lot = (0, 0)
        self.tell_lot(product, made - rejected, rejected, self.rated)

    def _draw_luck(self) -> float:
        shape = 1.0 / (self.config.variation * self.config.variation)
        return max(float(self.draws("luck").gamma(shape, 1.0 / shape)), 1e-4)

    def _stops(self, first: int, last: int) -> list[tuple[float, float, str]]:
        """Return (pack number, s, cause) of the minor stops within packs ``first`` .. ``last``."""
        at: list[tuple[float, str]] = []
        if self.config.reel:
            ends = range((first // self.config.reel + 1) * self.config.reel, last + 1, self.config.reel)
            at += [(float(end), "splice") for end in ends]
        while self.config.jam and self._jam_at <= last:
            at.append((max(self._jam_at, float(first)), "jam"))
            self._jam_at = self._next_jam(self._jam_at)
        return [(pack, self._stop_s(cause), cause) for pack, cause in sorted(at)]

    def _stop_s(self, cause: str) -> float:
        """Return how long a minor stop takes, s; a splice that does not hold is made again."""
        again = cause == "splice" and self.draws("splice").random() < _BAD_SPLICE
        return float(self.draws("stop").uniform(30.0, 120.0)) * (2.0 if again else 1.0)

    def _next_jam(self, after: float) -> float:
        return after + self.draws("jam").exponential(self.config.jam or 1.0)

    def stress(self, component: str) -> float:
        """Parts that touch packs wear with the packs, and more where they hit harder."""
        return float((self._set_to * self.get("derate")) ** 1.5)

    def on_state(self, old: State, new: State) -> None:
        """Move while running; keep warm but in maintenance."""
        super().on_state(old, new)
        running = new is State.RUNNING
        share = self._set_to * self.get("derate")
        self.put("speed", self.rated * share if running else 0.0)
        power = _IDLE_SHARE + (1.0 - _IDLE_SHARE) * share if running else 0.2
        self.ramp("energy", self.config.rated_kw * self.heating() * power / 3600.0)
        if old is new:
            return
        if State.MAINTENANCE in (old, new) or old is State.IDLE:
            self.relax("heat", 0.0 if new is State.MAINTENANCE else 1.0)
        self.put("packml", packml.change(old, new))
        self.put("since", 0.0, 1.0)

    def heating(self) -> float:
        """Return the power of the machine as set, over that at its usual settings."""
        return 1.0

    def on_effect(self, fault: str, size: float) -> None:
        """An open guard stops the machine; it waits for a start when closed."""
        if fault == "guard_open" and size > 0 and self.state not in DOWN:
            self._resume = self.state
            self.enter(State.STOPPED, "guard")
            self.tell("interlock", "guard opened: machine stopped", "warning")

    def interlock(self) -> str:
        """Keep still while the guard is open or somebody is at work."""
        if self.get("fault.guard_open") > 0:
            return "guard is open"
        return f"{self._task} under way" if self._task else ""

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the speed."""
        return super().handlers() | {"set_speed": self._set_speed}

    def _set_speed(self, command: Command) -> str:
        low, high = 0.3 * self.rated, 1.1 * self.rated
        speed = self.number(command, "speed", low, high)
        self._set_to = speed / self.rated
        self.on_state(self.state, self.state)
        self.adapt_wear()
        return f"speed set to {speed:.0f} packs an hour"

    def set_point(self, command: Command, argument: str, column: str, low: float, high: float, unit: str) -> str:
        """Set a set-point that the operator may change; not while the machine is broken or open."""
        if self.state in (State.FAILED, State.MAINTENANCE):
            raise CommandRefused(f"interlock: equipment is in {STATES[self.state]}")
        value = self.number(command, argument, low, high)
        self.put(column, value)
        self.on_state(self.state, self.state)
        self.adapt_wear()
        return f"{argument} set to {value:g} {unit}"


def own(view: View, name: str, size: float = 1.0) -> Floats:
    """Return what manufacturing made different about each machine: ``size`` times its spread, float64[1, d]."""
    return np.asarray(size * view.param("spread") * view.trait(name), dtype=np.float64)


def line(view: View, wear: Floats) -> dict[str, NDArray[Any] | float]:
    """Return the true values of the channels in `LINE`."""
    made, speed = view["made"], view["speed"]
    rejected = view["reject_base"] + view["reject_share"] * made
    drag = 1.0 + 0.3 * wear + 0.04 * view.slow("load", 300.0)
    driven = np.where(speed > 0, _IDLE_SHARE + (1.0 - _IDLE_SHARE) * speed / view.param("speed"), 0.0)
    return {
        "state": view["state"],
        "packml": packml.code(view["packml"], view["since"]),
        "speed": speed,
        "good": np.floor(made - rejected + _COUNTED),
        "reject": np.floor(rejected + _COUNTED),
        "energy": view["energy"],
        "current": driven * view.param("rated_kw") * 1.9 * drag * (1.0 + own(view, "drive")) + 0.4,
    }


def heated(view: View, target: Floats | float) -> Floats:
    """Return the temperature of a heated part, Cel."""
    hall = view.env("temperature") * 0.3 + 16.0
    return np.asarray(hall + view["heat"] * (target - hall), dtype=np.float64)
