"""Lives of assets, from what can be observed: events and the state that equipment reports. Never from truth.

A life begins when the asset is first seen or comes back from a repair or a maintenance; it ends with a failure,
with planned maintenance (censored: it would have lived on) or is still open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.command import Event

What = Literal["failure", "maintenance", "up"]
End = Literal["failure", "maintenance", "open"]

#: codes of the phase arrays: unknown, up, failed, in maintenance
UNKNOWN, UP, FAILED, MAINTENANCE = -1, 0, 1, 2
_WHAT: Mapping[int, What] = {UP: "up", FAILED: "failure", MAINTENANCE: "maintenance"}

EVENTS: Mapping[str, What] = {
    "failure": "failure",
    "repaired": "up",
    "maintenance": "maintenance",
    "maintained": "up",
}
STATES: Mapping[str, int] = {
    "failed": FAILED,
    "failure": FAILED,
    "fault": FAILED,
    "broken": FAILED,
    "maintenance": MAINTENANCE,
    "repair": MAINTENANCE,
}


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that bears on the life of a device, at a time in ns UTC."""

    t: int
    what: What


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a device: ``[t0, t1)`` in ns UTC."""

    device: str
    number: int
    t0: int
    t1: int
    end: End


@dataclass(slots=True)
class LifeState:
    """Where one device stands; moved on by marks in order of time."""

    since: int
    number: int = 0
    phase: int = UP
    closed: list[tuple[int, int, End]] = field(default_factory=list)

    def move(self, mark: Mark) -> bool:
        """Apply a mark; tell whether a new life began."""
        if mark.what == "up":
            if self.phase == UP:
                return False
            self.phase, self.since, self.number = UP, mark.t, self.number + 1
            return True
        if self.phase == UP:
            self.closed.append((self.since, mark.t, mark.what))
            self.phase = FAILED if mark.what == "failure" else MAINTENANCE
        elif mark.what == "failure":
            self.phase = FAILED
        return False


def phase_of(states: Mapping[int, str]) -> dict[int, int]:
    """Return the phase of every code of a state channel."""
    return {code: STATES.get(name.lower(), UP) for code, name in states.items()}


def marks_of_events(events: Iterable[Event]) -> dict[str, list[Mark]]:
    """Return the marks that events give, by device."""
    marks: dict[str, list[Mark]] = defaultdict(list)
    for event in events:
        what = EVENTS.get(event.name)
        if what is not None:
            marks[event.device].append(Mark(event.t, what))
    return marks


def marks_of_phases(g: NDArray[np.int64], phase: NDArray[np.int8], grid_ns: int) -> list[Mark]:
    """Return the marks of one device's phases by window: a change counts from the end of its window."""
    known = np.flatnonzero(phase != UNKNOWN)
    seen = phase[known]
    changed = np.flatnonzero(np.diff(seen)) + 1
    first = [0] if len(seen) and seen[0] != UP else []
    return [Mark(int(g[known[i]]) + grid_ns, _WHAT[int(seen[i])]) for i in (*first, *changed)]


def lives_of(device: str, marks: Sequence[Mark], start: int, end: int) -> list[Life]:
    """Return the lives of a device observed over ``[start, end)`` (ns UTC)."""
    state = LifeState(start)
    for mark in sorted(marks, key=lambda m: m.t):
        if start <= mark.t <= end:
            state.move(mark)
    lives = [Life(device, k, t0, t1, how) for k, (t0, t1, how) in enumerate(state.closed)]
    if state.phase == UP:
        lives.append(Life(device, len(lives), state.since, end, "open"))
    return lives
