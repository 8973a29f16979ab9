"""Equipment that makes things at a pace: amounts instead of durations, so that a changed pace acts at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import simpy

from simulator.asset import Asset, Steps
from simulator.state import Column, Ramp
from simulator.states import State

_NOTHING = 1e-6


class Maker(Asset):
    """Makes units while it runs. ``made`` counts them, with fractions of the one in work."""

    columns: ClassVar[Mapping[str, Column]] = {"made": Ramp()}
    _waiting: simpy.Process | None = None

    def pace(self) -> float:
        """Return units a second while running."""
        raise NotImplementedError

    def on_state(self, old: State, new: State) -> None:
        """Count while running; called with old == new when the pace changes."""
        self.ramp("made", self.pace() if new is State.RUNNING else 0.0)
        if old is new and self._waiting is not None:
            self._waiting.interrupt()

    def make(self, amount: float) -> Steps:
        """Make an amount; stands still while the equipment is down."""
        goal = self.get("made") + amount
        while True:
            yield from self.up()
            left = goal - self.get("made")
            if left < _NOTHING:
                break
            self._waiting = self.env.active_process
            try:
                yield self.seconds(left / self.pace())
            except simpy.Interrupt:
                continue  # the pace has changed
            finally:
                self._waiting = None
        self.put("made", goal, self.pace() if self.state is State.RUNNING else 0.0)

    def pause(self, state: State, seconds: float) -> Steps:
        """Stand in a state for some time of not being down, then run."""
        yield from self.up()
        self.enter(state)
        yield from self.work(seconds)
        self.enter(State.RUNNING)
