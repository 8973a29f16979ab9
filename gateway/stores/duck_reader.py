"""Reading the DuckDB store: rows, series, notes, latest values; safe from any thread of its process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from core.errors import StoreError
from core.ports import Note
from core.tables import schema
from gateway import notes as notes_json
from gateway.stores.duck import DuckStore, quoted

SERIES = pa.schema([("t", pa.int64()), ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64())])


class DuckReader:
    """``core.ports.HistoryReader`` of a DuckStore. Stream numbers are those of ``store.catalog``."""

    def __init__(self, store: DuckStore) -> None:
        self.store = store

    def rows(self, layout: str, start: int, end: int, devices: Sequence[str] = ()) -> pa.Table:
        """Return rows of a layout in ``core.tables`` form, by stream and time. Raises KeyError: no such layout."""
        spec = self.store.catalog.layouts[layout]
        shape = schema(spec)
        if layout not in self.store.tables():
            return shape.empty_table()
        where, args = "t >= ? AND t < ?", [start, end]
        if devices:
            chosen = [e.index for e in self.store.catalog.streams if e.device in set(devices)]
            where += f" AND stream IN ({', '.join(map(str, chosen)) or 'NULL'})"
        columns = ", ".join(quoted(f.name) for f in shape)
        query = f"SELECT {columns} FROM {quoted(layout)} WHERE {where} ORDER BY stream, t"
        return self._table(query, args).cast(shape)

    def series(self, device: str, channel: str, start: int, end: int, every: int = 0) -> pa.Table:
        """Return ``t, value, low, high`` of one channel, BAD values left out.

        ``every`` 0: each value (low = high = value); else means, least and greatest of buckets of that many ns,
        ``t`` being their start. ``channel`` may be ``stream/channel``. Raises KeyError: no such channel.
        """
        found = list(self._places(device, channel))
        if not found and self._announced(device, channel):
            return SERIES.empty_table()
        if not found:
            raise KeyError(f"{device} {channel}")
        parts, args = [], []
        for layout, stream, column in found:
            name = quoted(column)
            good = f"{name} IS NOT NULL AND NOT isnan({name}) AND {quoted(column + '__q')} >= 64"
            where = f"stream = {stream} AND t >= ? AND t < ? AND {good}"
            if every:
                parts.append(
                    f"SELECT t // {int(every)} * {int(every)} AS t, avg({name}) AS value, min({name}) AS low, "
                    f"max({name}) AS high FROM {quoted(layout)} WHERE {where} GROUP BY 1"
                )
            else:
                parts.append(
                    f"SELECT t, {name} AS value, {name} AS low, {name} AS high FROM {quoted(layout)} WHERE {where}"
                )
            args += [start, end]
        return self._table(" UNION ALL ".join(parts) + " ORDER BY t", args).cast(SERIES)

    def notes(self, kind: type[Note], start: int, end: int, device: str = "") -> Sequence[Note]:
        """Return notes of a kind in order of time."""
        name = notes_json.NAME_OF[kind]
        query = f"SELECT body FROM {name} WHERE t >= ? AND t < ? AND ? IN ('', device) ORDER BY t"
        with self._cursor() as cursor:
            return [
                notes_json.from_json(name, body) for (body,) in cursor.execute(query, [start, end, device]).fetchall()
            ]

    def latest(self, device: str) -> dict[str, tuple[int, dict[str, float]]]:
        """Return the newest row of each stream of a device: name -> (t, values by channel)."""
        out: dict[str, tuple[int, dict[str, float]]] = {}
        tables = self.store.tables()
        for entry in list(self.store.catalog.streams):
            layout = entry.spec.layout
            if entry.device != device or layout.name not in tables:
                continue
            columns = ", ".join(quoted(c) for c in layout.columns)
            query = (
                f"SELECT t, {columns} FROM {quoted(layout.name)} WHERE stream = {entry.index} ORDER BY t DESC LIMIT 1"
            )
            with self._cursor() as cursor:
                row = cursor.execute(query).fetchone()
            if row is not None:
                out[entry.spec.name] = (row[0], dict(zip(layout.columns, row[1:], strict=True)))
        return out

    def duplicates(self) -> int:
        """Return how many rows are in the store more than once."""
        total = 0
        for layout in self.store.tables():
            query = (
                "SELECT count(*) - count(DISTINCT (stream, sid, CASE WHEN seq < 0 OR sid = 0 THEN t ELSE seq END)) "
                f"FROM {quoted(layout)}"
            )
            with self._cursor() as cursor:
                (extra,) = cursor.execute(query).fetchone()
            total += int(extra)
        return total

    def sizes(self) -> dict[str, int]:
        """Return rows by layout."""
        out: dict[str, int] = {}
        for layout in self.store.tables():
            with self._cursor() as cursor:
                (out[layout],) = cursor.execute(f"SELECT count(*) FROM {quoted(layout)}").fetchone()
        return out

    def span(self) -> tuple[int, int] | None:
        """Return the first and last time of all rows, ns; None in an empty store."""
        ends: list[tuple[int, int]] = []
        for layout in self.store.tables():
            with self._cursor() as cursor:
                first, last = cursor.execute(f"SELECT min(t), max(t) FROM {quoted(layout)}").fetchone()
            if first is not None:
                ends.append((first, last))
        return (min(e[0] for e in ends), max(e[1] for e in ends)) if ends else None

    def _announced(self, device: str, channel: str) -> bool:
        """Tell whether a device has said that it has a channel: then no row of it has come so far."""
        stream, _, name = channel.rpartition("/")
        return any(
            e.device == device and stream in ("", e.spec.name) and name in e.spec.layout.columns
            for e in list(self.store.catalog.streams)
        )

    def _places(self, device: str, channel: str) -> Iterator[tuple[str, int, str]]:
        """Yield (layout, stream, column) of a channel, also of its converted or reduced forms."""
        stream_name, _, name = channel.rpartition("/")
        tables = self.store.tables()
        for entry in list(self.store.catalog.streams):
            if entry.device != device or (stream_name and entry.spec.name != stream_name):
                continue
            base = entry.spec.layout.name
            for layout, columns in tables.items():
                if name in columns and (layout == base or layout.startswith(base + ".")):
                    yield layout, entry.index, name

    def _table(self, query: str, args: Sequence[object]) -> pa.Table:
        with self._cursor() as cursor:
            return cursor.sql(query, params=list(args)).to_arrow_table()

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        import duckdb

        cursor = self.store.cursor()
        try:
            yield cursor
        except duckdb.Error as error:
            raise StoreError(f"{self.store.path}: {error}") from error
        finally:
            cursor.close()
