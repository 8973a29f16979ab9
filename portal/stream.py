"""Live updates for browsers as server-sent events: one snapshot, then a small delta every half second.

Deltas are computed once a tick, by whichever client asks first, and shared. A client that falls behind gets a
fresh snapshot instead of a queue, so a slow browser costs nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

from core.clock import NS, mono_ns
from portal import views
from portal.live import LiveState
from portal.render import encode

TICK_S = 0.5
KEEP_TICKS = 8
CASES = 30
CATALOG_EVERY = 2  # ticks between two sendings of a growing catalog


class Pulse:
    """Snapshots and deltas of a live state; ``commands`` tells pages whether they may ask for some."""

    def __init__(self, live: LiveState, commands: bool = False, tick_s: float = TICK_S) -> None:
        self.live = live
        self.commands = commands
        self.tick_s = tick_s
        self.clients = 0
        self.stopping = asyncio.Event()
        self._deltas: OrderedDict[int, bytes] = OrderedDict()
        self._tick = -1
        self._version = 0
        self._story = -1
        self._health: dict[str, str] = {}
        self._catalog = -1
        self._catalog_tick = 0

    def snapshot(self) -> dict[str, Any]:
        """Return everything a page needs to start."""
        live = self.live
        with live.lock:
            return {
                "run": {**live.run.view(live.now()), "commands": self.commands},
                **views.pulse(live),
                "catalog": views.catalog(live),
                "values": views.values(live, 0),
                "health": dict(live.health()),
                "cases": live.story.views(CASES),
                "sparks": views.sparks(live),
            }

    def delta(self, tick: int) -> bytes:
        """Return the changes of a tick as an event, computed once."""
        if tick <= self._tick:
            return self._deltas.get(tick, b"")
        live = self.live
        with live.lock:
            change: dict[str, Any] = {**views.pulse(live), "values": views.values(live, self._version)}
            self._version = live.version
            health = live.health()
            change["health"] = {p: h for p, h in health.items() if self._health.get(p) != h}
            self._health = dict(health)
            if live.story_version != self._story:
                change["cases"], self._story = live.story.views(CASES), live.story_version
            if live.catalog_version != self._catalog and tick >= self._catalog_tick + CATALOG_EVERY:
                self._catalog, self._catalog_tick = live.catalog_version, tick
                change["catalog"] = views.catalog(live)
        self._tick, self._deltas[tick] = tick, event("delta", change)
        while len(self._deltas) > KEEP_TICKS:
            self._deltas.popitem(last=False)
        return self._deltas[tick]

    def current(self) -> int:
        """Return the tick of this moment."""
        return mono_ns() // round(self.tick_s * NS)

    async def follow(self) -> AsyncIterator[bytes]:
        """Yield a snapshot, then a delta every tick until the server stops."""
        self.clients += 1
        try:
            seen = self.current()
            self.delta(seen)
            yield event("snapshot", self.snapshot())
            while not await self._pause(seen + 1):
                now = self.current()
                self.delta(now)
                missed = [self._deltas[t] for t in range(seen + 1, now + 1) if t in self._deltas]
                behind = now - seen > KEEP_TICKS
                seen = now
                yield event("snapshot", self.snapshot()) if behind else b"".join(missed)
            yield event("end", {})
        finally:
            self.clients -= 1

    async def _pause(self, tick: int) -> bool:
        """Wait for the start of a tick; tell whether the server stops."""
        wait = tick * self.tick_s - mono_ns() / NS
        try:
            await asyncio.wait_for(self.stopping.wait(), max(wait, 0.01))
        except TimeoutError:
            return False
        return True


def event(name: str, data: object) -> bytes:
    """Return one server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + encode(data) + b"\n\n"
