"""Equipment that makes things at a pace: amounts instead of durations, so that a changed pace acts at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import simpy

from core import eventlog
from core.clock import NS
from simulator.asset import Asset, Steps
from simulator.equipment.base import EquipmentConfig
from simulator.process.shifts import ShiftConfig
from simulator.state import Column, Ramp
from simulator.states import DOWN, State

_NOTHING = 1e-6


class MakerConfig(EquipmentConfig):
    """Equipment that makes things.

    Attributes
    ----------
    shift
        When it is planned to be busy; default around the clock.
    """

    kind: str
    shift: ShiftConfig | None = None


class Maker(Asset):
    """Makes units while it runs. ``made`` counts them, with fractions of the one in work."""

    columns: ClassVar[Mapping[str, Column]] = {"made": Ramp()}
    logs: ClassVar[bool] = True
    config: MakerConfig
    lots = 0  # that are over
    _waiting: simpy.Process | None = None

    def pace(self) -> float:
        """Return units a second while running."""
        raise NotImplementedError

    def begin(self) -> None:
        """Begin, and tell shifts."""
        super().begin()
        if self.config.shift is not None:
            self.env.process(self._tell_shifts(self.config.shift))

    def _tell_shifts(self, shift: ShiftConfig) -> Steps:
        while True:
            begin, end = shift.span(self.host.start + self.now)
            yield self.env.timeout(max(0, begin - self.host.start - self.now))
            self.tell(eventlog.SHIFT_BEGIN, eventlog.compose(hours=(end - begin) / (3600 * NS)))
            yield self.env.timeout(max(0, end - self.host.start - self.now))
            self.tell(eventlog.SHIFT_END, "planned busy time is over")

    def on_duty(self) -> Steps:
        """Wait until the shift is on; idle meanwhile."""
        if self.config.shift is None:
            return
        while True:
            yield from self.up()
            begin, _ = self.config.shift.span(self.host.start + self.now)
            left = begin - self.host.start - self.now
            if left <= 0:
                break
            self.enter(State.IDLE, "shift")
            yield self.env.timeout(left)

    def on_state(self, old: State, new: State) -> None:
        """Count while running; called with old == new when the pace changes."""
        self.ramp("made", self.pace() if new is State.RUNNING else 0.0)
        if old is new and self._waiting is not None:
            self._waiting.interrupt()

    def make(self, amount: float) -> Steps:
        """Make an amount; stands still while the equipment is down."""
        goal = self.get("made") + amount
        while True:
            if self.state in DOWN:
                yield from self.up()
            left = goal - self.get("made")
            if left < _NOTHING:
                break
            self._waiting = self.env.active_process
            try:
                yield self.env.timeout(max(1, round(left / self.pace() * NS)))
            except simpy.Interrupt:
                continue  # the pace has changed
            finally:
                self._waiting = None
        self.put("made", goal, self.pace() if self.state is State.RUNNING else 0.0)

    def pause(self, state: State, seconds: float, cause: str = "") -> Steps:
        """Stand in a state for some time of not being down, then run."""
        yield from self.up()
        self.enter(state, cause)
        yield from self.work(seconds)
        self.enter(State.RUNNING)

    def set_up(self, seconds: float, setup: str, product: str | float) -> Steps:
        """Prepare for another product, told in the event log."""
        text = eventlog.compose(setup=setup, product=product)
        yield from self.up()
        self.tell(eventlog.SETUP_BEGIN, text)
        yield from self.pause(State.SETUP, seconds, setup)
        self.tell(eventlog.SETUP_END, text)

    def tell_lot(self, product: str | float, good: int, scrap: int, rate: float) -> None:
        """Tell that a lot is over; ``rate`` is units an hour by design."""
        self.lots += 1
        counts = f"made={good + scrap} good={good} scrap={scrap} rate={rate:.6g}"
        self.tell(eventlog.LOT, f"lot={self.lots} product={product} {counts}")
