"""Questions to the store, off the event loop, a few at a time, with limits checked before reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pyarrow as pa

from core.catalog import Catalog
from core.clock import NS
from core.ports import HistoryReader, Note
from core.spec import DeviceSpec, StreamSpec
from portal.errors import ApiError

AT_ONCE = 2
PATIENCE_S = 30.0
WIDEN = "shorten the span or widen every"
T = TypeVar("T")


class History:
    """A reader with limits.

    Parameters
    ----------
    reader
        The store's reader, None where a run keeps nothing.
    catalog
        To estimate what a question would return.
    max_points, max_rows
        Bounds of a series and of a table.
    """

    def __init__(self, reader: HistoryReader | None, catalog: Catalog, max_points: int, max_rows: int) -> None:
        self.reader = reader
        self.catalog = catalog
        self.max_points = max_points
        self.max_rows = max_rows
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def series(self, device: DeviceSpec, channel: str, start: int, end: int, every: int) -> pa.Table:
        """Return one channel's points, averaged in buckets of ``every`` ns (0: raw)."""
        stream = stream_with(device, channel)
        expected = (end - start) / (every or stream.period_ns or NS)
        if expected > self.max_points:
            raise ApiError(
                400, f"about {expected:.0f} points, at most {self.max_points}: shorten the span or widen every"
            )
        table = await self._ask(lambda r: r.series(device.path, channel, start, end, every))
        if table.num_rows > self.max_points:
            raise ApiError(400, f"{table.num_rows} points, at most {self.max_points}: {WIDEN}")
        return table

    async def rows(self, layout: str, start: int, end: int, devices: Sequence[str], limit: int) -> pa.Table:
        """Return rows of a layout; ``limit`` further narrows the bound on rows."""
        most = min(limit, self.max_rows)
        expected = self._expected(layout, (end - start) / NS, set(devices))
        if expected > most:
            raise ApiError(400, f"about {expected:.0f} rows, at most {most}: shorten the span or name devices")
        table = await self._ask(lambda r: r.rows(layout, start, end, devices))
        if table.num_rows > most:
            raise ApiError(400, f"{table.num_rows} rows, at most {most}: shorten the span or name devices")
        return table

    async def notes(self, kind: type[Note], start: int, end: int, device: str) -> Sequence[Note]:
        """Return the notes of a kind in a span."""
        return await self._ask(lambda r: r.notes(kind, start, end, device))

    def _expected(self, layout: str, span_s: float, devices: set[str]) -> float:
        rates = (
            e.spec.rate_hz
            for e in self.catalog.streams
            if e.spec.layout.name == layout and (not devices or e.device in devices) and not e.spec.fast
        )
        return span_s * sum(rates)

    async def _ask(self, question: Callable[[HistoryReader], T]) -> T:
        reader = self.reader
        if reader is None:
            raise ApiError(503, "this run keeps no store")
        async with self._gate:
            try:
                return await asyncio.wait_for(asyncio.to_thread(question, reader), PATIENCE_S)
            except TimeoutError as error:
                raise ApiError(504, f"the store did not answer in {PATIENCE_S:.0f} s: shorten the span") from error
            except KeyError as error:
                raise ApiError(404, f"the store knows no {error}") from error


def stream_with(device: DeviceSpec, channel: str) -> StreamSpec:
    """Return the stream of a device that has a channel, named ``channel`` or ``stream/channel``."""
    for stream in device.streams:
        if channel in stream.layout.columns or channel.partition("/")[0] == stream.name:
            return stream
    known = ", ".join(c for s in device.streams for c in s.layout.columns)
    raise ApiError(404, f"{device.path} has no channel {channel[:60]!r} (it has {known[:300]})")


def plain(table: pa.Table) -> dict[str, list[Any]]:
    """Return a table's columns as lists, missing and not-a-number values as None."""
    import pyarrow.compute as pc

    out: dict[str, list[Any]] = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_finite(column), column, None)
        out[name] = column.to_pylist()
    return out
