"""The run: what it is, how it goes, what came of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from core.clock import mono_ns
from portal import prometheus, report, views
from portal.context import Ctx, reply
from portal.errors import ApiError

router = APIRouter(tags=["run"])


@router.get("/run", summary="The run: scenario, start, seed, speed, run time, phase")
async def get_run(ctx: Ctx) -> Response:
    """Times are milliseconds since the epoch, run time."""
    live = ctx.live
    return reply({**live.run.view(live.now()), "phase": live.phase, "commands": ctx.send is not None})


@router.get("/pulse", summary="The loop in figures: hops, rows, latencies")
async def get_pulse(ctx: Ctx) -> Response:
    """Figures that no role reports are null."""
    return reply(views.pulse(ctx.live))


@router.get("/report", summary="The run report so far")
async def get_report(ctx: Ctx) -> Response:
    """The same names as the report that the command line prints at the end of a run."""
    return reply(report.so_far(ctx.live))


@router.get("/health", summary="Whether the portal serves and the roles speak")
async def get_health(ctx: Ctx) -> Response:
    """``ok`` while every role that ever reported still does, else ``degraded``."""
    loop, mono = ctx.live.loop, mono_ns()
    roles = {role: loop.state(role, mono) for role in loop.heard}
    late = any(state == "late" for state in roles.values())
    return reply({"status": "degraded" if late else "ok", "phase": ctx.live.phase, "roles": roles})


@router.get("/metrics", summary="Figures in the Prometheus text format", response_class=Response)
async def get_metrics(ctx: Ctx) -> Response:
    """One gauge a figure, labelled by role."""
    return Response(prometheus.text(ctx.live, ctx.pulse.clients), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/snapshot", summary="Everything the page shows, at once")
async def get_snapshot(ctx: Ctx) -> Response:
    """Catalogue, latest values, health, cases and figures; for clients that cannot hold a stream open."""
    return reply(ctx.pulse.snapshot())


@router.get("/stream", summary="Live changes as server-sent events", response_class=StreamingResponse)
async def get_stream(ctx: Ctx) -> Any:
    """First ``snapshot``, then ``delta`` every 500 ms, at last ``end``."""
    if ctx.pulse.clients >= ctx.config.max_clients:
        raise ApiError(503, f"{ctx.config.max_clients} pages are connected, which is the limit")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(ctx.pulse.follow(), media_type="text/event-stream", headers=headers)
