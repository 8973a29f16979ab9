from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.batch import Batch
from core.clock import NS, RunClock, wall_ns
from core.command import CommandResult, Event
from core.finding import Finding
from core.spec import LayoutSpec
from portal import live as live_module
from portal import views
from portal.hops import flatten
from tests.unit.portal.fake_world import FakeWorld, batch_of

PUMP = "seoul/guro/rotating-01"


def rejudged(world: FakeWorld) -> dict[str, str]:
    world.live._health_at = -(10**12)
    return dict(world.live.health())


def test_health_follows_findings(world: FakeWorld) -> None:
    world.step()
    assert rejudged(world)[PUMP] == "ok"
    found = Finding("f", PUMP, "zones", wall_ns(), 9.0, 4.5, "alarm", "shakes")
    world.live.tell([found])
    assert rejudged(world)[PUMP] == "alarm"
    world.live.tell([replace(found, severity="info", active=False)])
    assert rejudged(world)[PUMP] == "ok"


def test_health_follows_silence_farewell_and_bad_values(world: FakeWorld) -> None:
    layout = world.catalog.layouts["rotating.main"]
    batch = batch_of(world.catalog, layout, wall_ns(), 999)
    batch.q[1, 0] = 16
    world.live.ingest([batch])
    assert rejudged(world)[world.catalog.streams[int(batch.stream[1])].device] == "warning"
    world.live.tell([Event(PUMP, "offline", "last will", wall_ns(), "warning")])
    assert rejudged(world)[PUMP] == "offline"
    world.live.tell([Event(PUMP, "online", "back", wall_ns())])
    assert rejudged(world)[PUMP] == "ok"
    later = RunClock(world.live.run.clock.start, world.live.run.clock.anchor - 3600 * NS, 1.0)
    world.live.run = replace(world.live.run, clock=later)
    assert rejudged(world)[PUMP] == "offline"
    world.live.set_phase("ended")  # silence after the end is no fault
    assert rejudged(world)[PUMP] == "ok"


def test_a_device_without_rows_waits() -> None:
    world = FakeWorld()
    assert set(world.live.health().values()) == {"unknown"}


def test_devices_that_others_add_to_the_shared_catalog_appear(world: FakeWorld) -> None:
    before = world.live.catalog_version
    spec = replace(world.catalog.devices[PUMP], device="visitor-1", domain="third_party")
    world.catalog.add(spec)
    assert world.live.catalog_version > before
    assert spec.path in world.live.health()
    assert spec.path in {d["path"] for d in views.catalog(world.live)["devices"]}


def test_features_of_a_fast_stream_stand_for_it(world: FakeWorld) -> None:
    entry = world.catalog.find(f"{PUMP}/main")
    assert entry is not None
    fresh = FakeWorld()
    features = LayoutSpec("rotating.features", entry.spec.layout.channels[:1])
    one = np.ones(1, np.int64)
    row = Batch(
        features,
        np.array([entry.index], np.int32),
        one,
        one,
        one * wall_ns(),
        np.array([[1.5]]),
        np.array([[192]], np.uint8),
    )
    fresh.live.ingest([row])
    assert views.catalog(fresh.live)["streams"][entry.index][2] == "rotating.features"
    assert views.values(fresh.live, 0)[str(entry.index)][1] == [1.5]


def test_memory_is_bounded(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(live_module.KEEP_NOTES + 50):
        world.live.tell([CommandResult(f"id{i}", PUMP, "done", "", i), Event(PUMP, "tick", "", i)])
    assert len(world.live.notes[Event]) == live_module.KEEP_NOTES
    assert len(world.live.results) == live_module.KEEP_NOTES
    small = FakeWorld()
    monkeypatch.setattr(live_module, "MAX_STREAMS", 10)
    small.step()
    assert sum(len(b.streams) for b in small.live.boards()) == 10
    assert small.live.ignored_rows > 0


def test_statuses_may_be_nested_and_incomplete(world: FakeWorld) -> None:
    told = {"rows": {"received": 3, "lost": 1}, "received": 5, "text": "x", "flag": True, "nan": float("nan")}
    told |= {"buffer": {"bytes": 9, "state": "ok"}, "streams": {str(i): 1 for i in range(99)}, "deep": {"er": {"n": 1}}}
    assert flatten(told) == {"received": 5, "lost": 1, "buffer_bytes": 9}
    world.live.loop.status.clear()
    assert world.live.loop.rows()["under_way"] is None
    world.live.status("simulator", {"emitted_rows": 10})
    world.live.status("platform", {"rows": {"stored": 7}})
    assert world.live.loop.rows()["under_way"] == 3
    world.live.status("simulator", {"emitted": {"a": 10, "b": 5}})
    world.live.status("platform", {"stored": {"a": 10, "b": 2, "visitor": 50}})
    assert world.live.loop.rows()["under_way"] == 3  # a visitor's rows hide nothing
    hops = {h["hop"]: h for h in world.live.loop.hops(live_module.mono_ns(), world.live.totals())}
    assert hops["sensor"]["state"] == "ok"
    late = world.live.loop.heard["simulator"] + 6 * NS
    assert world.live.loop.state("simulator", late) == "late"
    assert world.live.loop.state("nobody", late) == "missing"


def test_time_stands_at_the_newest_row_at_full_speed(world: FakeWorld) -> None:
    world.live.run = replace(world.live.run, clock=RunClock(0, 0, 0.0))
    assert world.live.now() == world.live.newest
    assert world.live.run.view(world.live.now())["speed"] == "max"
