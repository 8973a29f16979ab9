"""The gateway's judgement of rows: time, values, repetition, holes. Everything it turns away is counted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, RunClock, wall_ns
from core.command import Event, Severity
from core.config import Config, Duration
from core.metrics import Metrics
from core.quality import BAD, BAD_SENSOR, GOOD, MAJOR, UNCERTAIN_RANGE
from core.spec import LayoutSpec
from gateway.dedup import NAMES, REJECTED, Dedup
from gateway.gaps import Ask, GapBook, GapConfig, Loss, loss_text

#: topic or address, reason, payload
Letter = tuple[str, str, bytes]


class ValidateConfig(Config):
    """Limits of the validation. ``future``: how far (wall time) a row may lie ahead of the run clock."""

    future: Duration = 5 * NS
    gaps: GapConfig = GapConfig()


@dataclass(slots=True)
class Remarks:
    """What validation has to say beside the rows it lets through."""

    letters: list[Letter] = field(default_factory=list)
    notes: list[Event] = field(default_factory=list)


class Validator:
    """Judges batches; keeps what must survive a restart in :meth:`dump`.

    Timestamps of third-party devices are wall time. Where the run clock is not, they are shifted onto it,
    ``run = start + (t - anchor) * speed``; the rule, which gives the original back, is told once a device as
    an event ``time-shifted``. At speed ``max`` there is no clock: nothing is shifted or judged.
    """

    def __init__(self, config: ValidateConfig, catalog: Catalog, clock: RunClock, metrics: Metrics) -> None:
        self.config, self.catalog, self.clock, self.metrics = config, catalog, clock, metrics
        self.gaps = GapBook(config.gaps, self._replays, self._heard)
        self.dedup = Dedup(self.gaps)
        self._limits: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]] | None] = {}
        self._shifts = clock.speed != 0 and not clock.is_wall
        self._foreign: dict[int, bool] = {}
        self._told: set[str] = set()
        self.unpromised: dict[str, int] = {}  # rows from before the first contact that will not come, by stream path

    def check(self, batch: Batch, now: int, remarks: Remarks) -> Batch:
        """Return the rows to keep, with judged quality; ``now`` is monotonic ns."""
        if self._shifts:
            batch = self._shifted(batch, remarks)
        run = self.clock.now()
        if run is not None:
            limit = run + round(self.config.future * max(1.0, self.clock.speed))
            if int(batch.t.max()) > limit:
                batch = self._without_future(batch, limit, run, remarks)
        if len(batch):
            restarts = len(self.dedup.restarts)
            received = len(batch)
            batch = self.dedup.fresh(batch, now)
            self.metrics.counts["duplicated"] += received - len(batch)
            for stream in self.dedup.restarts[restarts:]:
                text = f"{self.catalog.streams[stream].path} counts anew under its old start number"
                remarks.notes.append(self._event(stream, "restart", text))
        if len(batch):
            self.metrics.counts["received"] += len(batch)
            batch = self._judged(batch)
        return batch

    def due(self, now: int) -> tuple[list[Ask], list[Event]]:
        """Return what to ask devices for again, and events for what is lost."""
        asks, losses = self.gaps.due(now)
        return asks, [self._reported(loss) for loss in losses]

    def rejected(self, stream_path: str) -> None:
        """Count a row of a known stream that was turned away elsewhere."""
        entry = self.catalog.find(stream_path)
        if entry is not None:
            self.dedup.counts.setdefault(entry.index, [0] * len(NAMES))[REJECTED] += 1

    def accounting(self) -> dict[str, dict[str, int]]:
        """Return the counts of every stream by path."""
        streams = self.catalog.streams
        return {streams[i].path: dict(zip(NAMES, c, strict=True)) for i, c in self.dedup.counts.items()}

    def totals(self) -> dict[str, int]:
        """Return the counts of all streams together; they survive a restart."""
        columns = zip(*self.dedup.counts.values(), strict=True) if self.dedup.counts else [()] * len(NAMES)
        return {name: sum(column) for name, column in zip(NAMES, columns, strict=True)}

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON-ready values."""
        return {**self.dedup.dump(), "told": sorted(self._told), "unpromised": self.unpromised}

    def load(self, state: dict[str, Any], now: int) -> None:
        """Take over the state of :meth:`dump`."""
        self.dedup.load(state, now)
        self._told = set(state["told"])
        self.unpromised = dict(state.get("unpromised", {}))

    def _replays(self, stream: int) -> bool:
        device = self.catalog.devices[self.catalog.streams[stream].device]
        return any(c.name == "replay" for c in device.commands)

    def _heard(self, stream: int) -> int:
        device = self.catalog.devices[self.catalog.streams[stream].device]
        paths = (device.stream_path(s.name) for s in device.streams)
        return sum(self.dedup.last_seen(self.catalog.index(path)) for path in paths)

    def _reported(self, loss: Loss) -> Event:
        entry = self.catalog.streams[loss.stream]
        if loss.head:
            self.unpromised[entry.path] = self.unpromised.get(entry.path, 0) + loss.rows
            if not self._replays(loss.stream):  # nobody promised these rows: a remark, no warning
                return self._event(loss.stream, "gap", loss_text(entry.path, loss), "info")
        if not loss.head:
            self.metrics.count("lost", loss.rows)
            self.dedup.counts[loss.stream][NAMES.index("lost")] += loss.rows
        return self._event(loss.stream, "gap", loss_text(entry.path, loss))

    def _event(self, stream: int, name: str, text: str, severity: Severity = "warning") -> Event:
        return Event(self.catalog.streams[stream].device, name, text, self.clock.now() or wall_ns(), severity)

    def _judged(self, batch: Batch) -> Batch:
        """Return the batch with missing values BAD and values outside the instrument's range uncertain."""
        x, q = batch.x, batch.q
        finite = np.isfinite(x)
        limits = self._limits_of(batch.layout)
        wrong = ~finite & ((q & MAJOR) != BAD)
        beyond = None if limits is None else ((x < limits[0]) | (x > limits[1])) & (q == GOOD)
        infinite = ~finite & ~np.isnan(x)
        some = beyond is not None and bool(beyond.any())
        if not some and not wrong.any() and not infinite.any():
            return batch
        q = q.copy()
        if beyond is not None:
            q[beyond] = UNCERTAIN_RANGE
            self.metrics.count("out_of_range", int(beyond.sum()))
        q[wrong] = BAD_SENSOR
        x = np.where(infinite, np.nan, x)
        return Batch(batch.layout, batch.stream, batch.sid, batch.seq, batch.t, x, q)

    def _limits_of(self, layout: LayoutSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        key = layout.name
        if key not in self._limits:
            low = np.array([-np.inf if c.low is None else c.low for c in layout.channels])
            high = np.array([np.inf if c.high is None else c.high for c in layout.channels])
            none = bool(np.isinf(low).all() and np.isinf(high).all())
            self._limits[key] = None if none else (low, high)
        return self._limits[key]

    def _without_future(self, batch: Batch, limit: int, run: int, remarks: Remarks) -> Batch:
        late = batch.t > limit
        for row in np.flatnonzero(late).tolist():
            path = self.catalog.streams[int(batch.stream[row])].path
            ahead = (int(batch.t[row]) - run) / NS
            remarks.letters.append((path, "future", _row_text(batch, row, ahead)))
            self.rejected(path)
        self.metrics.count("rejected", int(late.sum()))
        return batch.take(~late)

    def _shifted(self, batch: Batch, remarks: Remarks) -> Batch:
        foreign = np.array([self._is_foreign(s, remarks) for s in batch.stream.tolist()], dtype=np.bool_)
        if not foreign.any():
            return batch
        clock = self.clock
        span = (batch.t - clock.anchor).astype(np.float64) * clock.speed  # exact to 1 ns for 100 days
        t = np.where(foreign, clock.start + np.rint(span).astype(np.int64), batch.t)
        return Batch(batch.layout, batch.stream, batch.sid, batch.seq, t, batch.x, batch.q)

    def _is_foreign(self, stream: int, remarks: Remarks) -> bool:
        known = self._foreign.get(stream)
        if known is None:
            path = self.catalog.streams[stream].device
            known = self._foreign[stream] = self.catalog.devices[path].domain == "third_party"
            if known and path not in self._told:
                self._told.add(path)
                c = self.clock
                text = f"run time = {c.start} + (t - {c.anchor}) * {c.speed:g} ns"
                remarks.notes.append(self._event(stream, "time-shifted", text))
        return known


def _row_text(batch: Batch, row: int, ahead_s: float) -> bytes:
    values = [None if v != v else v for v in batch.x[row].tolist()]
    fields = {
        "t": int(batch.t[row]),
        "ahead_s": round(ahead_s, 3),
        "sid": int(batch.sid[row]),
        "seq": int(batch.seq[row]),
    }
    return json.dumps({**fields, "v": dict(zip(batch.layout.columns, values, strict=True))}).encode()
