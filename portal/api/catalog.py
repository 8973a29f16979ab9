"""Devices and their present values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from core.spec import DeviceSpec, Domain
from portal import render, views
from portal.context import Context, Ctx, reply

router = APIRouter(tags=["catalog"])
Site = Annotated[str, Query(description="site id", max_length=80)]
Area = Annotated[str, Query(description="area id", max_length=80)]
Kind = Annotated[str, Query(description="equipment kind", max_length=80)]
In = Annotated[Domain | None, Query(description="domain")]
Text = Annotated[str, Query(description="part of a path or name", max_length=80)]
Limit = Annotated[int, Query(description="most entries to return", ge=1, le=5_000)]
Offset = Annotated[int, Query(description="entries to skip", ge=0)]


def _chosen(ctx: Context, domain: str | None, kind: str, site: str, area: str, text: str = "") -> Iterator[DeviceSpec]:
    wanted = text.casefold()
    for device in list(ctx.live.catalog.devices.values()):
        names = f"{device.path} {device.label.ko} {device.label.en}" if device.label else device.path
        if (
            (domain is None or device.domain == domain)
            and (not kind or device.kind == kind)
            and (not site or device.site == site)
            and (not area or device.area == area)
            and wanted in names.casefold()
        ):
            yield device


@router.get("/catalog", summary="Devices with their streams, channels and commands")
async def get_catalog(
    ctx: Ctx,
    domain: In = None,
    kind: Kind = "",
    site: Site = "",
    area: Area = "",
    q: Text = "",
    limit: Limit = 1_000,
    offset: Offset = 0,
) -> Response:
    """``total`` counts all that match; layouts list the channels that streams share."""
    with ctx.live.lock:
        found = list(_chosen(ctx, domain, kind, site, area, q))
        page = found[offset : offset + limit]
        health = ctx.live.health()
        layouts = {s.layout.name: render.layout(s.layout)["channels"] for d in page for s in d.streams}
        devices = [{**render.device(d), "health": health.get(d.path, "unknown")} for d in page]
    return reply({"total": len(found), "devices": devices, "layouts": layouts})


@router.get("/devices/{site}/{area}/{device}", summary="One device: identity, latest values, findings, prognosis")
async def get_device(ctx: Ctx, site: str, area: str, device: str) -> Response:
    """Everything that is known about a device now."""
    spec = ctx.device(f"{site}/{area}/{device}")
    live = ctx.live
    with live.lock:
        prognosis = live.latest_prognosis.get(spec.path)
        return reply(
            {
                **render.device(spec),
                "layouts": {s.layout.name: render.layout(s.layout)["channels"] for s in spec.streams},
                "health": live.health().get(spec.path, "unknown"),
                "latest": views.device_values(live, spec),
                "recent": views.recent(live, spec),
                "findings": [render.note_fields(f) for f in live.active.values() if f.device == spec.path],
                "prognosis": None if prognosis is None else render.note_fields(prognosis),
            }
        )


@router.get("/latest", summary="Latest value of every channel")
async def get_latest(
    ctx: Ctx, domain: In = None, kind: Kind = "", site: Site = "", area: Area = "", limit: Limit = 1_000
) -> Response:
    """With unit, quality (192 good, 64 uncertain, 0 bad) and time in ms."""
    with ctx.live.lock:
        found = list(_chosen(ctx, domain, kind, site, area))
        devices = [{"device": d.path, "streams": views.device_values(ctx.live, d)} for d in found[:limit]]
    return reply({"total": len(found), "devices": devices})
