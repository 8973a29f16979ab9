"""What every device has: its state and columns in the fleet's table, its time, the flows it takes from and gives to."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import cache
from typing import Any, ClassVar

import numpy as np
import simpy

from core import eventlog, seed
from core.clock import NS
from core.command import Event, Severity
from core.spec import DeviceSpec
from simulator.host import Host
from simulator.process import packml
from simulator.process.flow import Flow
from simulator.state import StateTable
from simulator.states import DOWN, State

#: why a state is entered, where nothing more is said
_CAUSE = {
    State.BLOCKED: "blocked",
    State.STARVED: "starved",
    State.FAILED: "failure",
    State.MAINTENANCE: "maintenance",
    State.SETUP: "setup",
    State.STOPPED: "command",
}
Steps = Generator[simpy.Event, Any, None]


@cache
def _told(state: State, old: State, cause: str) -> str:
    why = cause or _CAUSE.get(state, "")
    return eventlog.compose(state=packml.name(state), was=packml.name(old), cause=why)


class Body:
    """A device in simulated time, without commands, wear and faults.

    Parameters
    ----------
    spec
        Its identity.
    table, row
        Where its state lives.
    host
        The world.
    """

    #: whether changes of state are told in the event log
    logs: ClassVar[bool] = False

    def __init__(
        self,
        spec: DeviceSpec,
        table: StateTable,
        row: int,
        host: Host,
    ) -> None:
        self.spec = spec
        self.host = host
        self.env = host.env
        self.state = State.IDLE
        self.changed = host.env.event()
        self.in_hand: Any = None  # what came while the equipment was down and waits at its entry
        self._table = table
        self._row = row
        self._draws: dict[str, np.random.Generator] = {}
        self._idle_watch = False
        self._idle_wait: simpy.Event = self.changed
        self._idle_since = 0
        self._up = 0
        self._up_since = int(host.env.now)

    def on_state(self, old: State, new: State) -> None:
        """Adapt speeds, targets and so on to a new state."""

    def adapt_wear(self) -> None:
        """Adapt wear to the present state and load."""

    @property
    def now(self) -> int:
        """Simulated ns."""
        return self.env.now  # type: ignore[return-value]  # our clock holds integers only

    def get(self, name: str) -> float:
        """Return a state column's present value."""
        return self._table.get(self._row, name, self.env.now)  # type: ignore[arg-type]

    def put(self, name: str, value: float, rate: float = 0.0) -> None:
        """Set a state column: ``rate`` is a Ramp's rate a second."""
        self._table.put(self._row, name, self.env.now, value, rate)  # type: ignore[arg-type]

    def relax(self, name: str, target: float) -> None:
        """Let a Relax column approach a new target from where it is."""
        self._table.turn(self._row, name, self.now, target)

    def ramp(self, name: str, rate: float) -> None:
        """Let a Ramp column go on from where it is at a new rate a second."""
        self._table.turn(self._row, name, self.now, rate)

    def seconds(self, s: float) -> simpy.Event:
        """Return the event that many simulated seconds ahead."""
        return self.env.timeout(max(0, round(s * NS)))

    def work(self, s: float) -> Steps:
        """Take that many seconds of working time: the clock stands while the equipment is down."""
        yield from self.up()
        left = max(0, round(s * NS))
        goal = self._up_ns() + left
        while left > 0:
            yield self.env.timeout(left)
            yield from self.up()
            left = goal - self._up_ns()

    def up(self) -> Steps:
        """Wait until the equipment is not down."""
        while self.state in DOWN:
            yield self.changed

    def take(self, flow: Flow, linger_s: float = 0.0) -> Generator[simpy.Event, Any, Any]:
        """Return the next item of a flow; waits on while the equipment is down.

        While there is none the equipment runs on for ``linger_s`` and then is starved.
        """
        wait = flow.get()
        if not wait.triggered:
            self._starve(wait, round(linger_s * NS))
            yield wait
        if self.state in DOWN:
            self.in_hand = wait.value
            yield from self.up()
            self.in_hand = None
        self.enter(State.RUNNING)
        return wait.value

    def _starve(self, wait: simpy.Event, linger: int) -> None:
        """Become starved if an event has not come after ``linger`` ns; equipment that is down is asked again later.

        One timeout serves all short waits in its span, so lingering costs few events.
        """
        if linger <= 0:
            if self.state not in DOWN:
                self.enter(State.STARVED)
            return
        self._idle_wait, self._idle_since = wait, self.now
        if self._idle_watch:
            return
        self._idle_watch = True

        def due(_: simpy.Event) -> None:
            left = self._idle_since + linger - self.now
            if self._idle_wait.triggered:
                self._idle_watch = False
            elif left > 0 or self.state in DOWN:
                self._later(left if left > 0 else linger, due)
            else:
                self._idle_watch = False
                self.enter(State.STARVED)

        self._later(linger, due)

    def _later(self, ns: int, call: Callable[[simpy.Event], None]) -> None:
        pause = self.env.timeout(ns)
        assert pause.callbacks is not None
        pause.callbacks.append(call)

    def give(self, flow: Flow, item: Any) -> Steps:
        """Put an item into a flow, blocked while it is full."""
        wait = flow.put(item)
        if not wait.triggered:
            if self.state not in DOWN:
                self.enter(State.BLOCKED)
            yield wait
        if self.state in DOWN:
            yield from self.up()
        self.enter(State.RUNNING)

    def enter(self, state: State, cause: str = "") -> None:
        """Change the common state: tells ``on_state``, adapts wear, wakes what waits for ``changed``.

        ``cause`` is for the event log (`core.eventlog.CAUSES`).
        """
        old = self.state
        if state == old:
            return
        if self.logs:
            self.tell(eventlog.STATE, _told(state, old, cause))
        self._up = self._up_ns()
        self._up_since = self.now
        self.state = state
        self.put("state", float(state))
        self.on_state(old, state)
        self.adapt_wear()
        changed, self.changed = self.changed, self.env.event()
        if changed.callbacks:
            changed.succeed()

    def tell(self, name: str, text: str, severity: Severity = "info") -> None:
        """Emit an event."""
        self.host.emit(Event(self.spec.path, name, text, self.host.start + self.now, severity))

    def _up_ns(self) -> int:
        """Return how long the equipment has not been down, in ns."""
        return self._up + (0 if self.state in DOWN else self.now - self._up_since)

    def trait(self, name: str) -> float:
        """Return the device's own fixed standard normal; the same as ``view.trait(name)``."""
        key = np.array([seed.key(self.host.root, self.spec.path, "trait", name)], dtype=np.int64)
        return float(seed.normal(key, np.zeros(1, dtype=np.int64))[0])

    def draws(self, name: str) -> np.random.Generator:
        """Return the device's own generator of a name, for events."""
        if name not in self._draws:
            self._draws[name] = seed.generator(self.host.root, self.spec.path, "draws", name)
        return self._draws[name]
