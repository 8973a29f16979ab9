"""Time: the one place that reads the wall clock, and the run clock built on it.

Simulated time is an integer of nanoseconds since the run's start. Run time is UTC nanoseconds since the
epoch: ``start + simulated``. Only a run with ``start: now`` at speed 1 makes run time wall time.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from core.errors import TestbedError

NS = 1_000_000_000
MS = 1_000_000
#: end of a range of time (ns) that is open
FOREVER = 2**63 - 1
_UNITS = {"ns": 1, "us": 1_000, "ms": MS, "s": NS, "m": 60 * NS, "min": 60 * NS, "h": 3600 * NS, "d": 86_400 * NS}
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


def wall_ns() -> int:
    """Return the wall clock as UTC nanoseconds since the epoch."""
    return time.time_ns()


def mono_ns() -> int:
    """Return a monotonic clock in nanoseconds, for measuring spans."""
    return time.perf_counter_ns()


def cpu_ns() -> int:
    """Return the processor time of this process in nanoseconds: what work costs, whoever else is busy."""
    return time.process_time_ns()


#: s; what 64 bits of ns hold
_LONGEST_S = 9.2e9


def parse_duration(text: str | float) -> int:
    """Return nanoseconds of ``90s``, ``1h30m``, ``250ms``, ``30d`` or a number of seconds.

    Raises
    ------
    TestbedError
        If the text is not a duration.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        if not 0 <= text < _LONGEST_S:
            raise TestbedError(f"not a duration: {text!r} (write a number of seconds from 0 up)")
        return round(text * NS)
    rest, total = str(text), 0
    while rest:
        match = _DURATION.match(rest)
        if match is None or match[2] not in _UNITS:
            raise TestbedError(f"not a duration: {text!r} (write 90s, 250ms, 1h30m or 30d)")
        total += round(float(match[1]) * _UNITS[match[2]])
        rest = rest[match.end() :]
    if not str(text).strip():
        raise TestbedError("empty duration (write 90s, 250ms, 1h30m or 30d)")
    return total


@dataclass(frozen=True, slots=True)
class RunClock:
    """Map wall time to run time.

    Parameters
    ----------
    start
        Run time (ns UTC) at which the live run begins.
    anchor
        Wall time (ns UTC) of that moment.
    speed
        Simulated seconds a wall second; 0 means as fast as possible (``max``), where run time has no
        relation to the wall clock.
    """

    start: int
    anchor: int
    speed: float

    @property
    def is_wall(self) -> bool:
        """Tell whether run time is wall time (within 1 s), so foreign timestamps need no shift."""
        return self.speed == 1.0 and abs(self.start - self.anchor) < NS

    def now(self) -> int | None:
        """Return the present run time (ns UTC), or None at speed ``max``."""
        if self.speed == 0:
            return None
        return self.start + round((wall_ns() - self.anchor) * self.speed)
