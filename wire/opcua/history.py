"""Rings of recent rows, so that a client that was away can read what it missed."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from core.clock import NS
from core.quality import BAD, MAJOR, to_opcua
from core.spec import StreamSpec
from wire.opcua.packing import pack_scalars

_START = 64
_MOST = 20_000
_ON_CHANGE = 2_000
# the major quality 0x80 does not exist; whoever sends it means nothing good
_STATUS = np.array([to_opcua(code if code & MAJOR != 0x80 else BAD) for code in range(256)], dtype=np.uint32)


def status_of(q: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return the OPC UA status codes of quality codes (any shape)."""
    return _STATUS[q]


class RowRing:
    """The last rows of a slow stream; memory grows with use up to ``span_ns`` of rows, at most 20,000."""

    def __init__(self, spec: StreamSpec, integer: NDArray[np.bool_], span_ns: int) -> None:
        rows = span_ns // spec.period_ns + 1 if spec.period_ns else _ON_CHANGE * bool(span_ns)
        self._most = int(min(max(rows, 1), _MOST))
        self._integer = integer
        self._n = 0  # rows ever written
        self._make(min(_START, self._most), len(spec.layout.channels))

    def _make(self, rows: int, k: int) -> None:
        self._t = np.zeros(rows, np.int64)
        self._server = np.zeros(rows, np.int64)
        self._x = np.zeros((rows, k), np.float64)
        self._q = np.zeros((rows, k), np.uint8)

    def add(self, t: int, x: NDArray[np.float64], q: NDArray[np.uint8], server: int) -> None:
        """Append a row; the oldest goes when the ring is full."""
        if self._n == len(self._t) < self._most:
            self._grow()
        at = self._n % len(self._t)
        self._t[at], self._server[at], self._x[at], self._q[at] = t, server, x, q
        self._n += 1

    def _grow(self) -> None:
        n, t, server, x, q = self._n, self._t, self._server, self._x, self._q
        self._make(min(2 * n, self._most), x.shape[1])
        self._t[:n], self._server[:n], self._x[:n], self._q[:n] = t, server, x, q

    def read(self, column: int, start: int, end: int, most: int) -> tuple[list[bytes], int]:
        """Return a channel's encoded values with start <= t < end, and the time to go on from (0: done)."""
        size = min(self._n, len(self._t))
        order = np.arange(self._n - size, self._n) % len(self._t)
        t = self._t[order]
        rows = order[(t >= start) & (t < end)]
        more = int(self._t[rows[most]]) if len(rows) > most else 0
        rows = rows[:most]
        whole = np.full(len(rows), self._integer[column])
        status = status_of(self._q[rows, column])
        return pack_scalars(self._t[rows], self._x[rows, column], status, whole, self._server[rows]), more

    def last(self, column: int) -> tuple[bytes, int, int, int] | None:
        """Return a channel's newest value encoded, with time, status and server time."""
        if not self._n:
            return None
        at = (self._n - 1) % len(self._t)
        t, status = self._t[at : at + 1], status_of(self._q[at : at + 1, column])
        whole = np.full(1, self._integer[column])
        (raw,) = pack_scalars(t, self._x[at : at + 1, column], status, whole, self._server[at : at + 1])
        return raw, int(t[0]), int(status[0]), int(self._server[at])


class BlockPool:
    """Blocks of all fast streams of a server, bounded by bytes and by age."""

    def __init__(self, most_bytes: int, span_ns: int) -> None:
        self._most = most_bytes
        self._span = span_ns
        self._used = 0
        self._age: deque[tuple[BlockRing, int]] = deque()

    def note(self, ring: BlockRing, size: int) -> None:
        """Count a block just added to ``ring`` and let the oldest of all rings go where there is no room."""
        self._age.append((ring, size))
        self._used += size
        while self._age and (self._used > self._most or self._stale(ring)):
            old, gone = self._age.popleft()
            old.blocks.popleft()
            self._used -= gone

    def _stale(self, newest: BlockRing) -> bool:
        oldest = self._age[0][0].blocks[0][0]
        return newest.blocks[-1][0] - oldest > max(self._span, NS)


class BlockRing:
    """The last blocks of a fast stream, encoded: (t, one DataValue a node)."""

    def __init__(self, pool: BlockPool) -> None:
        self.blocks: deque[tuple[int, list[bytes]]] = deque()
        self._pool = pool

    def add(self, t: int, values: list[bytes]) -> None:
        """Append a block."""
        self.blocks.append((t, values))
        self._pool.note(self, sum(map(len, values)))

    def read(self, column: int, start: int, end: int, most: int) -> tuple[list[bytes], int]:
        """Return a node's encoded values with start <= t < end, and the time to go on from (0: done)."""
        found = [(t, values[column]) for t, values in self.blocks if start <= t < end]
        more = found[most][0] if len(found) > most else 0
        return [value for _, value in found[:most]], more

    def last(self, column: int) -> tuple[bytes, int, int, int] | None:
        """Return a node's newest value encoded, with its time."""
        if not self.blocks:
            return None
        t, values = self.blocks[-1]
        return values[column], t, 0, 0
