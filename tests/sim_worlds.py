from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from core.clock import NS
from core.command import Command, CommandResult, Event
from core.config import parse
from simulator.world import World, WorldConfig

START = 1_763_791_200 * NS  # 2025-11-22 06:00 UTC

PUMPS: dict[str, Any] = {
    "domain": "factory",
    "site": "f1",
    "crew": 1,
    "equipment": [{"kind": "pump", "area": "util", "count": 3, "bearing": {"life_h": 100}}],
}
HUB: dict[str, Any] = {
    "domain": "logistics",
    "site": "h1",
    "flows": {"pallets": 3},
    "equipment": [
        {"kind": "conveyor", "area": "in", "outputs": ["pallets"], "arrivals_per_h": 60},
        {"kind": "conveyor", "area": "out", "id": "out-{n}", "inputs": ["pallets"], "protocols": ["opcua", "mqtt"]},
    ],
}
AIR: dict[str, Any] = {
    "domain": "urban",
    "site": "seoul",
    "equipment": [{"kind": "air_station", "areas": [{"id": "jongno"}, {"id": "guro"}], "protocols": ["mqtt"]}],
}

#: stream path -> (seq, t, x, q)
Rows = dict[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]


def collect(world: World, until: int, step: int = 0, cuts: Iterable[int] = ()) -> Rows:
    """Render from where the world stands, cut at the given instants."""
    t = world.now
    ends = [*cuts, until] if not step else [*range(t + step, until, step), until]
    parts: dict[str, list[Any]] = {}
    for end in ends:
        world.advance(end)
        for batch in world.render(t, end):
            for stream, rows in batch.by_stream():
                parts.setdefault(world.catalog.streams[stream].path, []).append((rows.seq, rows.t, rows.x, rows.q))
        t = end
    return {path: tuple(map(np.concatenate, zip(*part, strict=True))) for path, part in parts.items()}  # type: ignore[misc]


def assert_same(one: Rows, two: Rows) -> None:
    assert one.keys() == two.keys()
    for path in one:
        for mine, theirs in zip(one[path], two[path], strict=True):
            assert mine.tobytes() == theirs.tobytes(), path


def build(
    *domains: dict[str, Any], seed: int = 7, history: str = "0s", faults: Any = (), live: bool = True, **more: Any
) -> World:
    """Return a world of domains; ``live``: fast-forwarded through its history."""
    value = {"domains": list(domains), "history": history, "faults": list(faults)}
    world = World(parse(value, WorldConfig, "test"), START, seed, **more)
    if live:
        world.fast_forward(0)
    return world


def command(device: str, name: str, *, id: str = "1", **args: Any) -> Command:
    return Command(id, device, name, "user:test", 0, 1 << 62, args)


def names(notes: Sequence[Event | CommandResult], device: str) -> list[str]:
    return [n.name for n in notes if isinstance(n, Event) and n.device == device]
