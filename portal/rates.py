"""Rates of counters that roles report about once a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from core.clock import NS

SPAN_NS = 5 * NS


class RateMeter:
    """Turn growing counters into rates a second over the last five seconds of wall time."""

    def __init__(self) -> None:
        self._seen: deque[tuple[int, dict[str, float]]] = deque(maxlen=64)

    def add(self, mono: int, counters: Mapping[str, float]) -> None:
        """Note the counters at a monotonic time in ns."""
        self._seen.append((mono, dict(counters)))
        while len(self._seen) > 2 and mono - self._seen[1][0] > SPAN_NS:
            self._seen.popleft()

    def rate(self, name: str) -> float | None:
        """Return the counter's growth a second, None before two reports."""
        if len(self._seen) < 2:
            return None
        (t0, first), (t1, last) = self._seen[0], self._seen[-1]
        if name not in first or name not in last or t1 - t0 < NS // 2:
            return None
        return max(0.0, (last[name] - first[name]) * NS / (t1 - t0))
