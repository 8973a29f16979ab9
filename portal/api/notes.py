"""What was found, foreseen, ordered, commanded and told; and a command from a person."""

from __future__ import annotations

import hmac
from typing import Annotated, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from core.clock import NS
from core.command import Command, CommandResult, Event
from core.finding import Finding, Prognosis, WorkOrder
from core.ports import Note
from portal import audit, evidence, render, views
from portal.api.history import Device, End, Start, file
from portal.context import Context, Ctx, reply
from portal.door import Person
from portal.errors import ApiError
from portal.export import notes_csv
from portal.gate import is_address
from portal.history import plain
from portal.times import parse_span

router = APIRouter(tags=["notes"])
Limit = Annotated[int, Query(description="most entries to return", ge=1, le=2_000)]
Form = Annotated[Literal["json", "csv"], Query(description="json or csv")]
Lang = Annotated[Literal["ko", "en"], Query(description="ko or en")]
EXPIRES_NS = 60 * NS


async def _notes(ctx: Context, kind: type[Note], device: str, start: str, end: str, limit: int, form: str) -> Response:
    """Return the latest from memory, or with ``start`` those of a span from the store; newest first."""
    if start:
        t0, t1 = parse_span(start, end, ctx.live.now())
        found = sorted(await ctx.history.notes(kind, t0, t1, device), key=lambda n: n.t, reverse=True)
    else:
        found = ctx.live.recent_notes(kind, device, limit)
    rows = [render.note_fields(n) for n in found[:limit]]
    return file(notes_csv(rows), kind.__name__.lower(), "csv") if form == "csv" else reply(rows)


@router.get("/findings", summary="Statements of detectors; score above threshold is abnormal")
async def get_findings(
    ctx: Ctx, device: Device = "", start: Start = "", end: End = "now", limit: Limit = 200, format: Form = "json"
) -> Response:
    """Newest first; a finding with ``active`` false ends an earlier one."""
    return await _notes(ctx, Finding, device, start, end, limit, format)


@router.get("/prognoses", summary="Remaining life with its interval, chance of failure")
async def get_prognoses(
    ctx: Ctx, device: Device = "", start: Start = "", end: End = "now", limit: Limit = 200, format: Form = "json"
) -> Response:
    """Spans in seconds of operation; null where there is no bound."""
    return await _notes(ctx, Prognosis, device, start, end, limit, format)


@router.get("/workorders", summary="Maintenance ordered, with reason, parts, crew and time")
async def get_workorders(
    ctx: Ctx, device: Device = "", start: Start = "", end: End = "now", limit: Limit = 200, format: Form = "json"
) -> Response:
    """Newest first."""
    return await _notes(ctx, WorkOrder, device, start, end, limit, format)


@router.get("/workorders/{order}/evidence.svg", summary="Plot of what was measured until a work order was written")
async def get_evidence(
    ctx: Ctx, order: str, lang: Annotated[Literal["ko", "en"], Query(description="ko or en")] = "en"
) -> Response:
    """The day before the order, of the quantity that speaks for it; only orders that are still in memory."""
    known = [n for n in ctx.live.recent_notes(WorkOrder, "", 2_000) if isinstance(n, WorkOrder) and n.id == order]
    if not known:
        raise ApiError(404, f"no such work order: {order[:60]!r} (see /api/v1/workorders)")
    device = ctx.device(known[0].device)
    findings = [n for n in ctx.live.recent_notes(Finding, device.path, 200) if isinstance(n, Finding)]
    shown = evidence.exhibit(known[0], device, findings)
    if shown is None:
        raise ApiError(404, f"{device.path} measures nothing")
    start, end = known[0].t - evidence.SPAN_NS, known[0].t + evidence.SPAN_NS // evidence.AFTER
    table = plain(await ctx.history.series(device, shown.channel.name, start, end, (end - start) // 400))
    values = next((table[name] for name in ("mean", "value", "avg") if name in table), [])
    svg = evidence.plot(known[0], shown, table["t"], values, (start, end), lang)
    return Response(svg, media_type="image/svg+xml", headers={"cache-control": "no-store"})


@router.get("/events", summary="What happened, in words")
async def get_events(
    ctx: Ctx, device: Device = "", start: Start = "", end: End = "now", limit: Limit = 200, format: Form = "json"
) -> Response:
    """Newest first."""
    return await _notes(ctx, Event, device, start, end, limit, format)


@router.get("/commands", summary="Commands and what the equipment answered")
async def get_commands(ctx: Ctx, device: Device = "", limit: Limit = 200) -> Response:
    """Newest first, answers in the order they came."""
    with ctx.live.lock:
        return reply(views.commands(ctx.live, device, limit))


@router.get("/audit", summary="Who commanded what, when, with which result; and who was turned away")
async def get_audit(ctx: Ctx, device: Device = "", start: Start = "", end: End = "now", limit: Limit = 200) -> Response:
    """Newest first; from memory, or with ``start`` from the store."""
    kinds: tuple[type[Note], ...] = (Command, CommandResult, Event)
    if start:
        t0, t1 = parse_span(start, end, ctx.live.now())
        found = [n for kind in kinds for n in await ctx.history.notes(kind, t0, t1, device)]
    else:
        found = [n for kind in kinds for n in reversed(ctx.live.recent_notes(kind, device, 2_000))]
    commands = [n for n in found if isinstance(n, Command)]
    results = [n for n in found if isinstance(n, CommandResult)]
    return reply(audit.trail(commands, results, [n for n in found if isinstance(n, Event)])[:limit])


@router.get("/cases", summary="The story: notes joined from finding to result")
async def get_cases(ctx: Ctx) -> Response:
    """The case that moved last comes first."""
    with ctx.live.lock:
        return reply(ctx.live.story.views())


class Wanted(BaseModel):
    """A command that a person asks for."""

    model_config = ConfigDict(extra="forbid")
    device: str = Field(max_length=300)
    name: str = Field(max_length=120)
    args: dict[str, float | str] = Field(default_factory=dict, max_length=20)


@router.post("/commands", summary="Ask for a command; the gateway decides and writes the audit line", status_code=202)
async def post_command(ctx: Ctx, request: Request, wanted: Wanted) -> Response:
    """Only commands that the device's catalogue entry names, with the arguments it names."""
    send = ctx.send
    if send is None or not ctx.config.commands:
        raise ApiError(403, "this portal sends no commands")
    if "person" not in request.scope:  # the gate has looked at those who logged in
        _check_origin(request, ctx)
    spec = ctx.device(wanted.device)
    known = {c.name: c for c in spec.commands}
    if wanted.name not in known:
        raise ApiError(400, f"{spec.path} has no command {wanted.name!r} (it has {', '.join(known) or 'none'})")
    if set(wanted.args) != set(known[wanted.name].args):
        raise ApiError(400, f"{wanted.name} takes the arguments: {', '.join(known[wanted.name].args) or 'none'}")
    now = ctx.live.now()
    expires = now + round(EXPIRES_NS * max(1.0, ctx.live.run.clock.speed))
    person = request.scope.get("person")
    issuer = f"user:{person.name}" if isinstance(person, Person) else "user:portal"
    command = Command(f"user-{uuid4().hex[:16]}", spec.path, wanted.name, issuer, now, expires, dict(wanted.args))
    await send(command)
    answer = reply({"id": command.id})
    answer.status_code = 202
    return answer


def _check_origin(request: Request, ctx: Context) -> None:
    """Refuse what a foreign web page could make a browser send: other origins, other names, other types."""
    if ctx.config.token:
        told = request.headers.get("authorization", "")
        if not hmac.compare_digest(told.encode(), f"Bearer {ctx.config.token}".encode()):
            raise ApiError(401, "commands need the portal's token (Authorization: Bearer …)")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ApiError(415, "commands are application/json")
    host = request.headers.get("host", "")
    name = urlsplit(f"//{host}").hostname or ""
    if not (name in ("localhost", *ctx.config.hosts) or is_address(name)):
        raise ApiError(403, f"commands are not taken under the name {name[:80]!r} (add it to portal.hosts)")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        raise ApiError(403, "commands are not taken from other web pages")
