"""Rows from nodes that change one by one: the value of every channel at each point of a grid of time.

A foreign server reports changes. Between two changes a value holds, so what a channel was at a point of the grid is its
last change before it. That is the same whether the changes came over a subscription or later from the server's history,
so a repaired row equals the row that was missed.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np

from core.batch import NO_SEQ, Batch
from core.catalog import StreamEntry
from core.quality import BAD_COMM

#: rows made at once; what is left comes with the next look
MOST = 2_000


@dataclass(slots=True)
class Held:
    """A stream: what each channel holds, what has changed since, and the next point of the grid (ns UTC)."""

    entry: StreamEntry
    every: int
    next: int
    x: list[float] = field(default_factory=list)
    q: list[int] = field(default_factory=list)
    since: list[int] = field(default_factory=list)  # when each channel last changed, 0: never heard
    ahead: list[tuple[int, int, int, float, int]] = field(default_factory=list)  # heap of (t, order, column, x, q)
    late: int = 0
    _order: int = 0

    def __post_init__(self) -> None:
        k = len(self.entry.spec.layout.channels)
        self.x, self.q, self.since = [float("nan")] * k, [BAD_COMM] * k, [0] * k

    @property
    def last(self) -> int:
        """Return the last point that became a row (or would have)."""
        return self.next - self.every

    def put(self, column: int, t: int, x: float, q: int) -> None:
        """Take a change; one that is older than the last row changes what holds, and is counted as late."""
        if t > self.last:
            self._order += 1
            heapq.heappush(self.ahead, (t, self._order, column, x, q))
        elif t >= self.since[column]:
            self.late += t > self.since[column] > 0
            self._hold(t, column, x, q)

    def lose(self) -> None:
        """Forget what the channels held: what they were meanwhile, nobody knows."""
        k = len(self.x)
        self.x, self.q = [float("nan")] * k, [BAD_COMM] * k

    def skip(self, now: int) -> None:
        """Go on at the first point of the grid after ``now``; changes up to there are taken in."""
        self.next = now - now % self.every + self.every
        self._advance(self.last)

    def rows(self, until: int) -> Batch | None:
        """Return the rows of the points up to ``until``, None where there are none."""
        n = min((until - self.next) // self.every + 1, MOST)
        if n <= 0:
            return None
        times = self.next + self.every * np.arange(n, dtype=np.int64)
        k = len(self.x)
        x, q = np.empty((n, k)), np.empty((n, k), np.uint8)
        for i, t in enumerate(times.tolist()):
            self._advance(t)
            x[i], q[i] = self.x, self.q
        self.next = int(times[-1]) + self.every
        stream = np.full(n, self.entry.index, np.int32)
        return Batch(self.entry.spec.layout, stream, np.zeros(n, np.int64), np.full(n, NO_SEQ), times, x, q)

    def _advance(self, t: int) -> None:
        while self.ahead and self.ahead[0][0] <= t:
            moment, _, column, x, q = heapq.heappop(self.ahead)
            self._hold(moment, column, x, q)

    def _hold(self, t: int, column: int, x: float, q: int) -> None:
        self.x[column], self.q[column], self.since[column] = x, q, t
