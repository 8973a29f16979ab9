"""Collects what arrives during a test: births, rows without doubles, and what was lost on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from chamber.plan import TestPlan
from chamber.recording import Recording, RecordingError, RunFacts, Transport, stream_of
from core.batch import NO_SEQ, Batch, concat
from core.catalog import Catalog
from core.spec import ChannelSpec, DeviceSpec
from core.tables import schema, to_table


class Recorder:
    """Takes in births and batches of the plan's devices and turns them into a recording."""

    def __init__(self, plan: TestPlan) -> None:
        self.plan = plan
        self.catalog = Catalog()
        self.rejected = 0
        self.begun = False
        self._batches: dict[str, list[Batch]] = {}
        self._last: dict[tuple[str, int], int] = {}
        self._counts: dict[str, int] = {}
        self._newest: dict[tuple[str, int], int] = {}
        self._wanted = _streams(plan)

    @property
    def devices(self) -> tuple[str, ...]:
        """Paths of the plan's devices."""
        return tuple(self._wanted)

    def birth(self, device: DeviceSpec) -> None:
        """Take in a device; others than the plan's are ignored.

        Once the test has ``begun`` a device may restart, but not become another: raises RecordingError.
        """
        if device.path not in self._wanted:
            return
        known = self.catalog.devices.get(device.path)
        if self.begun and known is not None:
            if device.identity != known.identity:
                raise RecordingError(f"{device.path} became another device during the test: {device.identity.serial}")
            if _channels(device) != _channels(known):
                raise RecordingError(f"{device.path} changed its channels during the test")
        self.catalog.add(device)

    def missing(self, devices: Iterable[str] = ()) -> list[str]:
        """Return the devices (default: all of the plan) that have not been born with their stream."""
        return [d for d in (devices or self._wanted) if self.catalog.find(self._wanted[d]) is None]

    def rows(self, stream: str, batch: Batch) -> None:
        """Take in rows of one stream, by its path."""
        if stream in self._wanted.values():
            self._batches.setdefault(stream, []).append(batch)
            self._counts[stream] = self._counts.get(stream, 0) + len(batch)
            if len(batch):
                start = stream, int(batch.sid[-1])
                self._newest[start] = max(self._newest.get(start, NO_SEQ), int(batch.seq.max()))

    def last(self, stream: str, sid: int, seq: int) -> None:
        """Take in the last row number that a device says it sent since its start ``sid``."""
        self._last[stream, sid] = seq

    @property
    def caught_up(self) -> bool:
        """Tell whether the last row that a device spoke of has arrived; brokers may deliver it after the goodbye."""
        return all(self._newest.get(start, NO_SEQ) >= seq for start, seq in self._last.items())

    def reject(self, count: int = 1) -> None:
        """Count messages that could not be read."""
        self.rejected += count

    def count(self, device: str) -> int:
        """Return how many rows of a device have arrived, doubles included."""
        return self._counts.get(self._wanted[device], 0)

    def recording(self, facts: RunFacts) -> Recording:
        """Return the recording; ``facts.transport`` and ``facts.rejected`` are filled in here.

        Raises
        ------
        RecordingError
            If a device was never born, or its stream lacks the judged channel.
        """
        if missing := self.missing():
            raise RecordingError(f"no birth from {', '.join(missing)}")
        self._require_channels()
        window = (facts.start, facts.start + self.plan.duration)
        tables: dict[str, pa.Table] = {}
        transport: dict[str, Transport] = {}
        for device, stream in self._wanted.items():
            tables[device], transport[device] = self._settle(stream, window)
        filled = replace(facts, transport=transport, rejected=self.rejected)
        units = {unit: tables[unit] for unit in self.plan.device_under_test.units}
        reference, environment = tables[self.plan.reference.device], tables[self.plan.environment.device]
        return Recording(self.plan, filled, self.catalog, units, reference, environment)

    def _require_channels(self) -> None:
        channel, wanted = self.plan.device_under_test.channel, ""
        for device in (self.plan.reference.device, *self.plan.device_under_test.units):
            entry = self.catalog.find(self._wanted[device])
            if entry is None or channel not in entry.spec.layout.columns:
                raise RecordingError(f"{device} announced no channel {channel} in stream {self._wanted[device]}")
            unit = entry.spec.layout.channels[entry.spec.layout.column(channel)].unit
            wanted = wanted or unit
            if unit != wanted:
                raise RecordingError(f"{device} measures {channel} in {unit}, the reference in {wanted}")

    def _settle(self, stream: str, window: tuple[int, int]) -> tuple[pa.Table, Transport]:
        """Return a stream's rows in order of time, without doubles, inside the window."""
        entry = self.catalog.streams[self.catalog.index(stream)]
        layout = entry.spec.layout
        same = [b for b in self._batches.get(stream, ()) if b.layout.columns == layout.columns]
        if not same:
            return schema(layout).empty_table(), Transport(0, self._said(stream), 0)
        rows = concat([Batch(layout, b.stream, b.sid, b.seq, b.t, b.x, b.q) for b in same])
        inside = rows.take((rows.t >= window[0]) & (rows.t < window[1]))
        kept = inside.take(_first_of_each(inside))
        index = np.full(len(kept), entry.index, dtype=np.int32)
        final = Batch(layout, index, kept.sid, kept.seq, kept.t, kept.x, kept.q)
        return to_table(final), Transport(len(kept), self._lost(stream, kept), len(inside) - len(kept))

    def _lost(self, stream: str, rows: Batch) -> int:
        """Return how many row numbers are missing between the first of every start and its last, as far as known."""
        lost = 0
        for sid in np.unique(rows.sid).tolist():
            seq = rows.seq[(rows.sid == sid) & (rows.seq != NO_SEQ)]
            if len(seq):
                last = max(int(seq.max()), self._last.get((stream, sid), -1))
                lost += last - int(seq.min()) + 1 - len(seq)
        return lost

    def _said(self, stream: str) -> int:
        """Return how many rows a device says it sent, where none arrived."""
        return sum(seq + 1 for (name, _), seq in self._last.items() if name == stream)


def _streams(plan: TestPlan) -> Mapping[str, str]:
    """Return the recorded stream path of every device of a plan."""
    units = {unit: stream_of(plan, "unit", unit) for unit in plan.device_under_test.units}
    return units | {
        plan.reference.device: stream_of(plan, "reference", plan.reference.device),
        plan.environment.device: stream_of(plan, "environment", plan.environment.device),
    }


def _channels(device: DeviceSpec) -> list[tuple[str, tuple[ChannelSpec, ...]]]:
    return [(stream.name, stream.layout.channels) for stream in device.streams]


def _first_of_each(rows: Batch) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the row numbers of the first arrival of every row, in order of time.

    A row is (sid, seq), or its time where the protocol gives no seq.
    """
    name = np.where(rows.seq == NO_SEQ, rows.t, rows.seq)
    order = np.lexsort((np.arange(len(rows)), name, rows.sid))
    fresh = np.ones(len(rows), dtype=np.bool_)
    same = (np.diff(name[order]) == 0) & (np.diff(rows.sid[order]) == 0)
    fresh[1:] = ~same
    kept = order[fresh]
    return kept[np.argsort(rows.t[kept], kind="stable")]


def record_offline(
    plan: TestPlan, births: Sequence[DeviceSpec], batches: Iterable[Batch], facts: RunFacts
) -> Recording:
    """Return a recording of rows that never crossed a network; batch index = position in ``births``."""
    recorder = Recorder(plan)
    for device in births:
        recorder.birth(device)
    for batch in batches:
        device = births[int(batch.stream[0])]
        recorder.rows(device.stream_path(device.streams[0].name), batch)
    return recorder.recording(facts)
