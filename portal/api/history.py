"""Ranges from the store, as JSON or files."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import pyarrow as pa
from fastapi import APIRouter, Query
from fastapi.responses import Response

from core.clock import MS
from portal import export
from portal.context import Ctx, reply
from portal.errors import ApiError
from portal.export import Format
from portal.history import plain, stream_with
from portal.times import parse_every, parse_span

router = APIRouter(tags=["history"])
JSON_ROWS = 20_000
POINTS = 500
Start = Annotated[str, Query(description="ISO 8601, ms since the epoch or a span before now (-15m)", max_length=40)]
End = Annotated[str, Query(description="like start, exclusive", max_length=40)]
Device = Annotated[str, Query(description="site/area/device", max_length=300)]


@router.get("/series", summary="One channel over time, averaged in buckets")
async def get_series(
    ctx: Ctx,
    device: Device,
    channel: Annotated[str, Query(description="channel name", max_length=120)],
    start: Start = "-15m",
    end: End = "now",
    every: Annotated[str, Query(description="bucket width (10s, 5m), raw, or empty for about 500", max_length=20)] = "",
    format: Annotated[Literal["json", "csv"], Query(description="json or csv")] = "json",
) -> Response:
    """Times are ms since the epoch in JSON and ISO 8601 in CSV."""
    spec = ctx.device(device)
    stream = stream_with(spec, channel)
    t0, t1 = parse_span(start, end, ctx.live.now())
    width = parse_every(every, t1 - t0, POINTS)
    table = await ctx.history.series(spec, channel, t0, t1, width)
    if format == "csv":
        return file(export.to_bytes(export.with_time(table), "csv"), f"{spec.device}-{channel}", "csv")
    columns = plain(table)
    columns["t"] = [t // MS for t in columns["t"]]
    unit = next((c.unit for c in stream.layout.channels if c.name == channel), "1")
    span = {"start": t0 // MS, "end": t1 // MS, "every_ms": width / MS}
    return reply({"device": spec.path, "channel": channel, "unit": unit, **span, **columns})


@router.get("/rows", summary="Rows of a layout: every channel with its quality")
async def get_rows(
    ctx: Ctx,
    layout: Annotated[str, Query(description="layout name, see /api/v1/catalog", max_length=200)],
    start: Start = "-15m",
    end: End = "now",
    device: Annotated[list[str] | None, Query(description="site/area/device, may be repeated", max_length=200)] = None,
    format: Annotated[Format, Query(description="json, csv, arrow (IPC stream) or parquet")] = "json",
) -> Response:
    """JSON carries at most 20,000 rows; take a file for more."""
    if layout not in ctx.live.catalog.layouts:
        raise ApiError(404, f"no such layout: {layout[:120]!r} (see /api/v1/catalog)")
    paths = [ctx.device(path).path for path in device or ()]
    t0, t1 = parse_span(start, end, ctx.live.now())
    limit = JSON_ROWS if format == "json" else ctx.history.max_rows
    table = await ctx.history.rows(layout, t0, t1, paths, limit)
    table = export.with_device(table, ctx.live.catalog)
    if format == "json":
        return await asyncio.to_thread(_as_json, layout, table)
    return file(await asyncio.to_thread(export.to_bytes, export.with_time(table), format), layout, format)


def _as_json(layout: str, table: pa.Table) -> Response:
    columns = plain(table)
    columns["t"] = [t // MS for t in columns["t"]]
    return reply({"layout": layout, "rows": table.num_rows, "columns": columns})


def file(data: bytes, stem: str, form: str) -> Response:
    """Return a download; the name keeps only harmless characters."""
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in stem)[:100]
    headers = {"content-disposition": f'attachment; filename="{safe}.{form}"', "cache-control": "no-store"}
    return Response(data, media_type=export.MEDIA[form], headers=headers)
