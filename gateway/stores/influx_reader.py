"""Reading InfluxDB by Flux: rows, series, notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from core.batch import NO_SEQ, Batch
from core.ports import Note
from core.quality import BAD, GOOD
from core.spec import LayoutSpec
from core.tables import to_table
from gateway import notes as notes_json

if TYPE_CHECKING:
    from gateway.stores.influx import InfluxStore

SERIES = pa.schema([("t", pa.int64()), ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64())])


class InfluxReader:
    """``core.ports.HistoryReader`` of an InfluxStore."""

    def __init__(self, store: InfluxStore) -> None:
        self.store = store

    def rows(self, layout: str, start: int, end: int, devices: Sequence[str] = ()) -> pa.Table:
        """Return rows of a layout in ``core.tables`` form, by stream and time. Raises KeyError: no such layout."""
        spec = self.store.catalog.layouts[layout]
        flux = self._from(start, end) + f"|> filter(fn: (r) => r._measurement == {_text(layout)}{_devices(devices)}) "
        # the time as an integer: text of a time would lose nanoseconds on the way through datetime
        flux += "|> map(fn: (r) => ({r with t: int(v: r._time)})) "
        flux += '|> group() |> pivot(rowKey: ["t", "site", "area", "device", "stream"], columnKey: ["_field"], '
        flux += 'valueColumn: "_value")'
        found = self._ask(_typed(flux), start, end)
        return to_table(self._batch(spec, [r.values for r in found if r.values["t"] < end]))

    def series(self, device: str, channel: str, start: int, end: int, every: int = 0) -> pa.Table:
        """Return ``t, value, low, high`` of one channel; see ``DuckReader.series``."""
        stream, _, name = channel.rpartition("/")
        if not any(e.device == device and name in e.spec.layout.columns for e in self.store.catalog.streams):
            raise KeyError(f"{device} {channel}")
        only = f" and r.stream == {_text(stream)}" if stream else ""
        flux = self._from(start, end) + f"|> filter(fn: (r) => r._field == {_text(name)}{_devices([device])}{only}) "
        flux += "|> map(fn: (r) => ({t: int(v: r._time), v: r._value})) |> group()"
        t = np.array([], dtype=np.int64)
        v = np.array([], dtype=np.float64)
        records = self._ask(flux, start, end)
        if records:
            t = np.array([r.values["t"] for r in records], dtype=np.int64)
            v = np.array([r.values["v"] for r in records], dtype=np.float64)
        t, v = t[t < end], v[t < end]  # some servers hand out the row at the end of the range too
        order = np.argsort(t, kind="stable")
        return _bucketed(t[order], v[order], every)

    def notes(self, kind: type[Note], start: int, end: int, device: str = "") -> Sequence[Note]:
        """Return notes of a kind in order of time."""
        name = notes_json.NAME_OF[kind]
        only = f" and r.device == {_text(device)}" if device else ""
        flux = self._from(start, end) + f'|> filter(fn: (r) => r._measurement == "{name}" and r._field == "body"{only})'
        found = (notes_json.from_json(name, r.values["_value"]) for r in self._ask(flux, start, end))
        return sorted((note for note in found if note.t < end), key=lambda note: note.t)

    def _ask(self, flux: str, start: int, end: int) -> list[Any]:
        return self.store.query(flux) if end > start else []  # an empty range is an error to the server

    def _from(self, start: int, end: int) -> str:
        bucket = _text(self.store.config.bucket)
        return f"from(bucket: {bucket}) |> range(start: {_time(start)}, stop: {_time(end)}) "

    def _batch(self, layout: LayoutSpec, records: list[dict[str, Any]]) -> Batch:
        catalog = self.store.catalog
        n, k = len(records), len(layout.channels)
        stream = np.zeros(n, dtype=np.int32)
        x = np.full((n, k), np.nan)
        q = np.full((n, k), GOOD, dtype=np.uint8)
        for i, r in enumerate(records):
            stream[i] = catalog.index(f"{r['site']}/{r['area']}/{r['device']}/{r['stream']}")
            for j, channel in enumerate(layout.columns):
                value, code = r.get(channel), r.get(f"{channel}__q")
                x[i, j] = np.nan if value is None else value
                q[i, j] = (BAD if value is None else GOOD) if code is None else int(code)
        sid = np.array([int(r.get("sid") or 0) for r in records], dtype=np.int64)
        seq = np.array([NO_SEQ if r.get("seq") is None else int(r["seq"]) for r in records], dtype=np.int64)
        t = np.array([r["t"] for r in records], dtype=np.int64)
        batch = Batch(layout, stream, sid, seq, t, x, q)
        return batch.take(np.lexsort((t, stream)))


def _bucketed(t: Any, v: Any, every: int) -> pa.Table:
    if not every or not len(t):
        return pa.table([t, v, v, v], schema=SERIES)
    bucket = t // every
    at = np.concatenate([[0], np.flatnonzero(np.diff(bucket)) + 1])
    sizes = np.diff([*at, len(t)])
    means = np.add.reduceat(v, at) / sizes
    return pa.table([bucket[at] * every, means, np.minimum.reduceat(v, at), np.maximum.reduceat(v, at)], schema=SERIES)


def _typed(flux: str) -> str:
    """Return the query with every field as a float, so that one column can hold them all."""
    return flux.replace("|> map(fn: (r) => ({r with t:", "|> toFloat() |> map(fn: (r) => ({r with t:", 1)


def _text(value: str) -> str:
    return json.dumps(value)


def _time(ns: int) -> str:
    """Return a Flux time literal with nanoseconds."""
    whole, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest:09d}Z"


def _devices(devices: Sequence[str]) -> str:
    """Return a Flux condition that chooses devices by path."""
    tests = []
    for path in devices:
        site, area, device = path.split("/")
        tests.append(f"(r.site == {_text(site)} and r.area == {_text(area)} and r.device == {_text(device)})")
    return f" and ({' or '.join(tests)})" if tests else ""
