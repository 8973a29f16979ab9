from __future__ import annotations

import json
from typing import Any

from portal import stream
from portal.stream import KEEP_TICKS, Pulse
from tests.unit.portal.fake_world import FakeWorld, repaired


def read(raw: bytes) -> list[tuple[str, Any]]:
    events = []
    for block in raw.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_a_snapshot_holds_what_the_page_needs(world: FakeWorld) -> None:
    snapshot = Pulse(world.live).snapshot()
    assert len(snapshot["catalog"]["devices"]) == 48
    assert len(snapshot["values"]) == 48
    assert len(snapshot["sparks"]["seoul/guro/rotating-01"]) == 20
    assert snapshot["run"]["commands"] is False
    json.dumps(snapshot, allow_nan=False)


def test_a_delta_holds_only_what_changed(world: FakeWorld) -> None:
    pulse = Pulse(world.live)
    ((_, first),) = read(pulse.delta(11))
    assert len(first["values"]) == 48
    assert "cases" in first
    ((_, quiet),) = read(pulse.delta(12))
    assert quiet["values"] == {}
    assert quiet["health"] == {}
    assert "cases" not in quiet
    assert "catalog" not in quiet
    world.step()
    world.live.tell(repaired(world.live.now()))
    ((_, moved),) = read(pulse.delta(13))
    assert len(moved["values"]) == 48
    assert moved["cases"]
    assert pulse.delta(13) is pulse.delta(13)  # computed once for all clients


def test_a_new_device_reaches_the_page(world: FakeWorld) -> None:
    pulse = Pulse(world.live)
    pulse.delta(4)
    spec = world.catalog.devices["seoul/guro/rotating-01"]
    world.live.announce([spec])
    sent = [read(pulse.delta(t))[0][1] for t in range(5, 5 + stream.CATALOG_EVERY)]
    assert sum("catalog" in delta for delta in sent) == 1


async def test_following_starts_with_a_snapshot_and_ends_with_the_server(world: FakeWorld) -> None:
    pulse = Pulse(world.live, tick_s=0.02)
    seen = []
    async for raw in pulse.follow():
        seen += [name for name, _ in read(raw)] if raw else []
        assert pulse.clients == 1
        world.step()
        if len(seen) == 3:
            pulse.stopping.set()
    assert seen[0] == "snapshot"
    assert "delta" in seen
    assert seen[-1] == "end"
    assert pulse.clients == 0


async def test_a_slow_page_gets_a_fresh_snapshot(world: FakeWorld) -> None:
    pulse = Pulse(world.live, tick_s=0.001)
    follower = pulse.follow()
    await anext(follower)
    start = pulse.current()
    for tick in range(start + 1, start + 3 * KEEP_TICKS):
        pulse.delta(tick)
    while pulse.current() <= start + 2 * KEEP_TICKS:
        await stream.asyncio.sleep(0.002)
    assert read(await anext(follower))[0][0] == "snapshot"
    assert len(pulse._deltas) <= KEEP_TICKS
    await follower.aclose()
    assert pulse.clients == 0
