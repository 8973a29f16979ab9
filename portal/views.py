"""The state as JSON-ready values for the page and the API."""

from __future__ import annotations

from typing import Any

import numpy as np

from core import quality
from core.clock import MS, NS, mono_ns
from core.command import Command
from core.spec import DeviceSpec, LayoutSpec
from portal import render
from portal.live import LiveState
from portal.values import Board

SPARK_POINTS = 60


def lead(device: DeviceSpec, live: LiveState) -> tuple[int, int] | None:
    """Return (stream index, column) of the channel that stands for a device in lists.

    A slow measured value: one of health where the device watches a wearing asset, else of the process.
    """
    wanted = "health" if device.asset else "process"
    best: tuple[int, int, int] | None = None
    for spec in device.streams:
        entry = live.catalog.find(device.stream_path(spec.name))
        if entry is None:
            continue
        for column, channel in enumerate(_layout_of(live, entry.index, spec.layout).channels):
            cost = 4 * spec.fast + 2 * bool(channel.states) + (channel.group != wanted)
            if best is None or cost < best[0]:
                best = cost, entry.index, column
    return None if best is None else best[1:]


def _layout_of(live: LiveState, stream: int, spec: LayoutSpec) -> LayoutSpec:
    if stream < len(live.catalog.streams):
        found = live.place(stream, live.catalog.streams[stream].spec)
        if found is not None:
            return found[0].layout
    return spec


def catalog(live: LiveState) -> dict[str, Any]:
    """Return all devices, streams by index as [device, name, layout, period in s], layouts by name."""
    layouts: dict[str, Any] = {}
    streams = []
    for entry in list(live.catalog.streams):
        shown = _layout_of(live, entry.index, entry.spec.layout)
        layouts.setdefault(shown.name, render.layout(shown)["channels"])
        streams.append([entry.device, entry.spec.name, shown.name, entry.spec.period_ns / NS])
    devices = [{**render.device(d), "lead": lead(d, live)} for d in list(live.catalog.devices.values())]
    return {"version": live.catalog_version, "devices": devices, "streams": streams, "layouts": layouts}


def values(live: LiveState, since: int) -> dict[str, Any]:
    """Return rows newer than version ``since`` as stream -> [t in ms, values, quality codes or 0 for all GOOD]."""
    out: dict[str, Any] = {}
    for board in live.boards():
        n = len(board.streams)
        for slot in np.flatnonzero(board.changed[:n] > since):
            q = board.q[slot]
            codes = 0 if bool((q == quality.GOOD).all()) else q.tolist()
            out[str(board.streams[slot])] = [int(board.t[slot]) // MS, render.numbers(board.x[slot]), codes]
    return out


def sparks(live: LiveState) -> dict[str, Any]:
    """Return device -> recent values of its lead channel, oldest first."""
    out: dict[str, Any] = {}
    for path, device in list(live.catalog.devices.items()):
        chosen = lead(device, live)
        if chosen is None or chosen[0] >= len(live.catalog.streams):
            continue
        place = live.place(chosen[0], live.catalog.streams[chosen[0]].spec)
        if place is not None:
            _, x = place[0].recent(place[1])
            out[path] = render.numbers(x[-SPARK_POINTS:, chosen[1]])
    return out


def pulse(live: LiveState) -> dict[str, Any]:
    """Return the loop in figures: hops, rows, latencies, roles, counts."""
    mono, totals = mono_ns(), live.totals()
    return {
        "now": live.now() // MS,
        "phase": live.phase,
        "hops": live.loop.hops(mono, totals),
        "rows": live.loop.rows(),
        "latency_ms": live.loop.latency(),
        "roles": {role: live.loop.state(role, mono) for role in live.loop.heard},
        "counts": totals,
    }


def device_values(live: LiveState, device: DeviceSpec) -> list[dict[str, Any]]:
    """Return the latest row of each stream of a device, with units, quality and reasons."""
    return [
        {
            "stream": spec.name,
            "t": int(board.t[slot]) // MS,
            "rows": int(board.rows[slot]),
            "values": _channels(board, slot),
        }
        for spec, _, board, slot in live.places(device)
    ]


def _channels(board: Board, slot: int) -> dict[str, Any]:
    out = {}
    for j, channel in enumerate(board.layout.channels):
        code = int(board.q[slot, j])
        value = render.number(float(board.x[slot, j]))
        entry: dict[str, Any] = {"v": value, "unit": channel.unit, "q": code}
        if channel.states and value is not None:
            entry["state"] = channel.states.get(int(value), "")
        if code != quality.GOOD:
            entry["reason"] = quality.reason(code)
        out[channel.name] = entry
    return out


def recent(live: LiveState, device: DeviceSpec) -> list[dict[str, Any]]:
    """Return the remembered points of each stream of a device, as columns."""
    out = []
    for spec, _, board, slot in live.places(device):
        t, x = board.recent(slot)
        columns = {c.name: render.numbers(x[:, j]) for j, c in enumerate(board.layout.channels)}
        out.append({"stream": spec.name, "t": (t // MS).tolist(), "values": columns})
    return out


def commands(live: LiveState, device: str, limit: int) -> list[dict[str, Any]]:
    """Return the latest commands with what the equipment answered."""
    out = []
    for note in live.recent_notes(Command, device, limit):
        assert isinstance(note, Command)
        answers = [render.note_fields(r) for r in live.results.get(note.id, ())]
        out.append({**render.note_fields(note), "results": answers})
    return out
