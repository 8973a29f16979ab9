"""Latest rows and short memory of every stream, kept as columns so that taking in a batch stays cheap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.spec import LayoutSpec

DEPTH = 120
_FIRST = 16


class Board:
    """Latest row and a ring of recent points of the streams that share a layout.

    Arrays have one slot a stream, capacity doubles when full: ``t``, ``changed``, ``rows``: int64[s];
    ``x``: float64[s, k]; ``q``: uint8[s, k]; ``ring_t``: int64[s, depth]; ``ring_x``: float64[s, depth, k].
    ``changed`` is the state's version at the last change.
    """

    def __init__(self, layout: LayoutSpec, depth: int = DEPTH) -> None:
        self.layout = layout
        self.depth = depth
        self.streams: list[int] = []
        self.slot_of: NDArray[np.int32] = np.full(0, -1, dtype=np.int32)
        self._allocate(_FIRST)

    def _allocate(self, size: int) -> None:
        k, old = len(self.layout.channels), len(self.streams)

        def grown(name: str, shape: tuple[int, ...], kind: type, fill: float) -> None:
            fresh: NDArray[Any] = np.full((size, *shape), fill, dtype=kind)
            if old:
                fresh[:old] = getattr(self, name)[:old]
            setattr(self, name, fresh)

        self.t: NDArray[np.int64]
        self.changed: NDArray[np.int64]
        self.rows: NDArray[np.int64]
        self.x: NDArray[np.float64]
        self.q: NDArray[np.uint8]
        self.ring_t: NDArray[np.int64]
        self.ring_x: NDArray[np.float64]
        self.head: NDArray[np.int64]
        self._row: NDArray[np.int64]
        for name in ("t", "changed", "rows", "head", "_row"):
            grown(name, (), np.int64, 0)
        grown("x", (k,), np.float64, np.nan)
        grown("q", (k,), np.uint8, 0)
        grown("ring_t", (self.depth,), np.int64, 0)
        grown("ring_x", (self.depth, k), np.float64, np.nan)

    def slot(self, stream: int) -> int:
        """Return the slot of a stream, -1 where it has none."""
        return int(self.slot_of[stream]) if stream < len(self.slot_of) else -1

    def seat(self, streams: NDArray[np.int32], free: int) -> int:
        """Give slots to new streams, at most ``free`` of them; return how many were given."""
        top = int(streams.max()) + 1
        if top > len(self.slot_of):
            wider = np.full(max(top, 2 * len(self.slot_of)), -1, dtype=np.int32)
            wider[: len(self.slot_of)] = self.slot_of
            self.slot_of = wider
        new = np.unique(streams[self.slot_of[streams] < 0])[: max(free, 0)]
        for stream in new:
            if len(self.streams) == len(self.t):
                self._allocate(2 * len(self.t))
            self.slot_of[stream] = len(self.streams)
            self.streams.append(int(stream))
        return len(new)

    def take(self, batch: Batch, version: int, step: int) -> None:
        """Keep the newest row of each stream; every ``step`` ns of run time one joins the ring."""
        slots = self.slot_of[batch.stream]
        order = np.argsort(batch.t, kind="stable")
        seated = order[slots[order] >= 0]
        if not len(seated):
            return
        self._row[slots[seated]] = seated  # a repeated index keeps its last value: the newest row
        touched = np.unique(slots[seated])
        self.rows += np.bincount(slots[seated], minlength=len(self.rows))
        touched = touched[batch.t[self._row[touched]] >= self.t[touched]]
        row = self._row[touched]
        self.t[touched], self.x[touched], self.q[touched] = batch.t[row], batch.x[row], batch.q[row]
        self.changed[touched] = version
        newest = self.ring_t[touched, (self.head[touched] - 1) % self.depth]
        due = touched[self.t[touched] - newest >= step]
        at = self.head[due] % self.depth
        self.ring_t[due, at], self.ring_x[due, at] = self.t[due], self.x[due]
        self.head[due] += 1

    def recent(self, slot: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the remembered points of a slot, oldest first: (t int64[m], x float64[m, k])."""
        order = np.arange(self.head[slot] - min(int(self.head[slot]), self.depth), self.head[slot]) % self.depth
        return self.ring_t[slot, order], self.ring_x[slot, order]
