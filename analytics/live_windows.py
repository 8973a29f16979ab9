"""Open windows of the live stream: rows wait until their window is closed, then the history's code reduces them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.shafts import Shafts
from analytics.windows import SLOW_STATS, Windows, gather, reduce
from core.batch import Batch
from core.clock import NS
from core.command import Cause
from core.spec import StreamSpec

SpecOf = Callable[[int], StreamSpec]


@dataclass(slots=True)
class _Stream:
    """What is known of one stream: its period and its newest row."""

    layout: str
    period_ns: int
    fast: bool
    t: int
    sid: int
    seq: int


class LiveWindows:
    """Keeps rows of open windows and closes windows in order of time, the same front for all streams.

    The front is the time of the slowest stream less ``lateness_ns``; a stream that has been silent for
    ``silence_ns`` (against the newest row of all) no longer holds it back. So at most ``silence + lateness +
    grid`` of rows are held. Rows behind the front are counted in ``late`` and left out.

    Parameters
    ----------
    grid_ns
        Width of a window.
    spec_of
        Finds a stream's spec by its catalog index.

    ``shafts`` are what spectral features of waveforms need; the first that reads a layout serves it.
    """

    def __init__(
        self,
        grid_ns: int,
        spec_of: SpecOf,
        *,
        lateness_ns: int = 2 * NS,
        silence_ns: int = 60 * NS,
        stats: Collection[str] = SLOW_STATS,
    ) -> None:
        self.grid_ns = grid_ns
        self.front = 0
        self.newest = 0
        self.late = 0
        self.shafts: list[Shafts] = []
        self._spec_of = spec_of
        self._lateness_ns = lateness_ns
        self._silence_ns = silence_ns
        self._stats = stats
        self._streams: dict[int, _Stream] = {}
        self._open: dict[str, list[Batch]] = {}

    @property
    def held(self) -> int:
        """Rows in open windows."""
        return sum(len(b) for parts in self._open.values() for b in parts)

    @property
    def lag_ns(self) -> int:
        """Run time between the newest row and the front."""
        return self.newest - self.front if self.front else 0

    def feed(self, batches: Sequence[Batch]) -> list[Windows]:
        """Take in rows; return the windows they close (one :class:`Windows` a layout)."""
        for batch in batches:
            if len(batch):
                self._take(batch)
        return self._close(self._reach())

    def skip_to(self, t: int) -> None:
        """Leave out everything before ``t`` (ns), which the history has already shown."""
        self.front = max(self.front, t - t % self.grid_ns)

    def flush(self) -> list[Windows]:
        """Close every open window, complete or not."""
        return self._close(self.newest + self.grid_ns)

    def last_row(self, stream: int, path: str) -> Cause | None:
        """Return the newest row of a stream."""
        known = self._streams.get(stream)
        return None if known is None else Cause(path, known.sid, known.seq, known.t)

    def _take(self, batch: Batch) -> None:
        for index, rows in batch.by_stream():
            self._note(index, rows)
        in_time = batch.t >= self.front
        if not bool(in_time.all()):
            self.late += int((~in_time).sum())
            batch = batch.take(in_time)
        if len(batch):
            self._open.setdefault(batch.layout.name, []).append(batch)

    def _note(self, index: int, rows: Batch) -> None:
        at = int(np.argmax(rows.t))
        t = int(rows.t[at])
        self.newest = max(self.newest, t)
        known = self._streams.get(index)
        if known is None:
            spec = self._spec_of(index)
            known = self._streams[index] = _Stream(rows.layout.name, spec.period_ns, spec.fast, t, 0, 0)
        if t >= known.t:
            known.t, known.sid, known.seq = t, int(rows.sid[at]), int(rows.seq[at])

    def _reach(self) -> int:
        """Return the time up to which every stream that still talks has been heard."""
        heard = self.newest - self._silence_ns
        reach = [max(s.t + s.period_ns, heard) for s in self._streams.values() if s.period_ns]
        return min(reach, default=self.newest) - self._lateness_ns

    def _close(self, reach: int) -> list[Windows]:
        front = reach - reach % self.grid_ns
        if front <= self.front:
            return []
        self.front = front
        closed: list[Windows] = []
        for name in sorted(self._open, key=self._is_fast):  # what says the speed comes before the waveforms
            windows = self._close_layout(name)
            if windows is not None and len(windows):
                closed.append(windows)
                for shafts in self.shafts:
                    shafts.hear(windows)
        return closed

    def _is_fast(self, layout: str) -> bool:
        return any(self._streams[int(batch.stream[0])].fast for batch in self._open[layout][:1])

    def _close_layout(self, name: str) -> Windows | None:
        rows = gather(self._open.pop(name))
        done: NDArray[np.bool_] = rows.t < self.front
        if not bool(done.all()):
            self._open[name] = [rows.take(~done)]
        if not bool(done.any()):
            return None
        fast = self._streams[int(rows.stream[0])].fast
        shafts = next((s for s in self.shafts if s.reads(name)), None)
        return reduce(rows.take(done), self.grid_ns, fast=fast, stats=self._stats, shafts=shafts)
