"""Rows out of the metrics of a message, as a host reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import NO_SEQ, Batch
from core.catalog import StreamEntry
from core.clock import MS
from core.errors import RejectedError
from core.quality import BAD_COMM, GOOD
from core.spec import LayoutSpec
from wire.sparkplug.births import Slot
from wire.sparkplug.payload import Metric
from wire.sparkplug.quality import from_properties

_LATEST_MS = 1 << 43  # in the year 2248: nanoseconds then still fit an int64


@dataclass(slots=True, eq=False)
class _Row:
    """A row, or a block of a fast stream (``t``, values and ``q`` are then arrays)."""

    sid: int
    seq: int
    t: int
    x: list[float]
    q: list[int]
    empty: bool = True
    times: NDArray[np.int64] | None = None
    columns: dict[int, NDArray[np.float64]] = field(default_factory=dict)
    codes: NDArray[np.uint8] | None = None


class Rows:
    """Rows of many messages, gathered as columns by layout."""

    def __init__(self) -> None:
        self._plain: dict[str, tuple[LayoutSpec, list[int], list[_Row]]] = {}
        self._blocks: list[Batch] = []

    def batches(self) -> list[Batch]:
        """Return what was gathered, the rows of each layout in order."""
        out = self._blocks
        for layout, streams, rows in self._plain.values():
            out.append(
                Batch(
                    layout,
                    np.array(streams, np.int32),
                    np.array([row.sid for row in rows], np.int64),
                    np.array([row.seq for row in rows], np.int64),
                    np.array([row.t for row in rows], np.int64),
                    np.array([row.x for row in rows], np.float64).reshape(len(rows), -1),
                    np.array([row.q for row in rows], np.uint8).reshape(len(rows), -1),
                )
            )
        return out

    def add(self, entry: StreamEntry, row: _Row) -> None:
        """Take a row, or a block."""
        layout = entry.spec.layout
        if row.times is not None or row.columns:
            self._blocks.append(_block(entry, row))
            return
        _, streams, rows = self._plain.setdefault(layout.name, (layout, [], []))
        streams.append(entry.index)
        rows.append(row)


class RowReader:
    """Reads the rows of one message of one device.

    ``entries`` are the device's streams by name, ``sid`` its start number. ``marks`` holds row numbers that came
    without values: so many rows were sent. In a ``birth`` null says that there is no value yet.
    """

    def __init__(self, entries: Mapping[str, StreamEntry], sid: int, birth: bool = False) -> None:
        self.marks: dict[str, int] = {}
        self._entries, self._sid, self._birth = entries, sid, birth
        self._open: dict[str, _Row] = {}
        self._done: list[tuple[StreamEntry, _Row]] = []

    def take(self, slot: Slot, metric: Metric, value: Any, t_ms: int) -> None:
        """Take a metric with its value and time; raises RejectedError ``bad-time``, ``bad-row`` or ``bad-type``."""
        if not 0 <= t_ms < _LATEST_MS:
            raise RejectedError("bad-time", f"{slot.name}: {t_ms} ms")
        if slot.role == "row":
            if value is not None:
                self._begin(slot, metric, value, t_ms)
        elif slot.role == "time":
            if value is not None:
                self._row(slot, t_ms).times = np.asarray(value, np.int64)
        elif slot.role == "quality":
            if value is not None:
                self._row(slot, t_ms).codes = np.asarray(value, np.uint8)
        elif isinstance(value, np.ndarray):
            row = self._row(slot, t_ms)
            row.columns[slot.column], row.empty = value.astype(np.float64), False
        else:
            self._scalar(slot, metric, value, t_ms)

    def finish(self, rows: Rows) -> None:
        """Hand over the rows; raises RejectedError ``bad-block`` for a block whose parts do not fit."""
        for name, row in self._open.items():
            self._close(name, row)
        self._open.clear()
        for entry, row in self._done:
            rows.add(entry, row)
        self._done.clear()

    def _scalar(self, slot: Slot, metric: Metric, value: Any, t_ms: int) -> None:
        if value is None:
            numbered = slot.stream in self._open and self._open[slot.stream].seq != NO_SEQ
            if self._entries[slot.stream].spec.fast or (self._birth and not numbered):
                return
        if not isinstance(value, (int, float)) and value is not None:
            raise RejectedError("bad-type", f"{slot.name} is not a number")
        row = self._row(slot, t_ms)
        row.empty = False
        row.x[slot.column] = float("nan") if value is None else float(value)
        row.q[slot.column] = from_properties(metric.properties, value is None)

    def _begin(self, slot: Slot, metric: Metric, value: Any, t_ms: int) -> None:
        said = metric.properties
        ns, sid = said.get("ns", 0), said.get("sid", self._sid)
        if not (isinstance(value, int) and isinstance(ns, int) and isinstance(sid, int) and 0 <= ns < MS):
            raise RejectedError("bad-row", f"{slot.name}: number {value!r:.40}, ns {ns!r:.40}, sid {sid!r:.40}")
        if value < 0 or sid < 0:
            raise RejectedError("bad-row", f"{slot.name}: row {value} of start {sid}")
        old = self._open.pop(slot.stream, None)
        if old is not None:
            self._close(slot.stream, old)
        self._open[slot.stream] = self._new(slot.stream, sid, value, t_ms * MS + ns)

    def _row(self, slot: Slot, t_ms: int) -> _Row:
        """Return the row that is being read: begun by its number, or known by its time alone."""
        row = self._open.get(slot.stream)
        if row is not None and row.seq == NO_SEQ and row.t != t_ms * MS:
            self._close(slot.stream, row)
            row = None
        if row is None:
            row = self._open[slot.stream] = self._new(slot.stream, 0, NO_SEQ, t_ms * MS)
        return row

    def _new(self, stream: str, sid: int, seq: int, t: int) -> _Row:
        k = len(self._entries[stream].spec.layout.channels)
        return _Row(sid, seq, t, [float("nan")] * k, [BAD_COMM] * k)

    def _close(self, stream: str, row: _Row) -> None:
        """Keep a row; a number without any value is a mark."""
        if row.seq != NO_SEQ and row.times is None and row.empty:
            self.marks[self._entries[stream].path] = row.seq
        else:
            self._done.append((self._entries[stream], row))


def _block(entry: StreamEntry, row: _Row) -> Batch:
    layout = entry.spec.layout
    times, k = row.times, len(layout.channels)
    n = 0 if times is None else len(times)
    if times is None or not n or set(row.columns) != set(range(k)) or any(len(c) != n for c in row.columns.values()):
        raise RejectedError("bad-block", f"{entry.path}: times and channels of a block differ in length")
    if row.codes is not None and len(row.codes) != n * k:
        raise RejectedError("bad-block", f"{entry.path}: {len(row.codes)} quality codes for {n} rows of {k}")
    x = np.stack([row.columns[j] for j in range(k)], axis=1)
    q = np.full((n, k), GOOD, np.uint8) if row.codes is None else row.codes.reshape(n, k)
    seq = np.full(n, NO_SEQ) if row.seq == NO_SEQ else row.seq + np.arange(n, dtype=np.int64)
    return Batch(layout, np.full(n, entry.index, np.int32), np.full(n, row.sid), seq, times.astype(np.int64), x, q)
