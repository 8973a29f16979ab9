from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from core.catalog import Catalog
from core.clock import NS
from core.tables import from_table
from simulator.fleet import Sampling
from simulator.history import history_sampling, write_history
from tests.sim_worlds import AIR, HUB, PUMPS, START, build

H = 3600 * NS
SAMPLING = history_sampling(60 * NS)


def test_history_is_written_with_its_catalog_events_and_truth(tmp_path: Path) -> None:
    world = build(PUMPS, HUB, AIR, history="10d", live=False, sampling=SAMPLING)
    done: list[float] = []
    report = write_history(world, tmp_path / "h", tmp_path / "t", done.append)
    catalog = Catalog.read(tmp_path / "h" / "catalog.json")
    assert [e.path for e in catalog.streams] == [e.path for e in world.catalog.streams]
    rows = 0
    for layout in catalog.layouts.values():
        batch = from_table(parquet.read_table(tmp_path / "h" / layout.name / "part-0.parquet"), layout)
        rows += len(batch)
        assert batch.t.min() >= START - 240 * H
        assert batch.t.max() < START
    assert rows == report.rows == sum(240 * 60 for _ in world.catalog.streams)
    assert (tmp_path / "h" / "events.jsonl").read_text().count('"failure"') >= 3
    assert parquet.read_table(tmp_path / "t" / "lives.parquet").num_rows >= 8
    assert parquet.read_table(tmp_path / "t" / "health.parquet").num_rows == 5 * 240 * 6
    assert done[-1] == 1.0


def test_fast_streams_give_one_burst_a_window() -> None:
    pumps = {**PUMPS, "equipment": [{"kind": "pump", "area": "a", "waveform": True}]}
    world = build(pumps, history="1h", live=False, sampling=Sampling(60 * NS, 600 * NS, NS))
    world.advance(0)
    (waves,) = [b for b in world.render(-H, 0) if b.layout.name == "pump.waveform"]
    assert len(waves) == 6 * 1024


def test_live_goes_on_where_history_ended() -> None:
    """The world that only runs events and the one that renders its past are the same world."""
    live = build(PUMPS, HUB, history="6d")
    rendered = build(PUMPS, HUB, history="6d", live=False, sampling=SAMPLING)
    t = rendered.epoch
    while t < 0:
        rendered.advance(t + 6 * H)
        rendered.render(t, t + 6 * H)
        t += 6 * H
    for path, asset in live.assets.items():
        twin = rendered.assets[path]
        for name, component in asset.components.items():
            assert component.age_s == twin.components[name].age_s
            assert component.wear == twin.components[name].wear
            assert component.life.number == twin.components[name].life.number
        assert asset.state == twin.state
    assert live.notes() == rendered.notes()


def test_wear_rises_towards_failure_in_the_signal() -> None:
    world = build(PUMPS, history="10d", live=False, sampling=SAMPLING)
    world.advance(0)
    (health,) = [b for b in world.render(world.epoch, 0) if b.layout.name == "pump.health"]
    failures = [n for n in world.notes() if getattr(n, "name", "") == "failure"]
    assert failures
    for event in failures:
        stream = world.catalog.index(event.device + "/health")
        mine = health.take(health.stream == stream)
        before = mine.take((mine.t > event.t - 2 * H) & (mine.t < event.t))
        new = mine.take(mine.t < START + world.epoch + 5 * H)
        assert np.nanmean(before.x[:, 0]) == pytest.approx(7.0, abs=1.5)
        assert np.nanmean(new.x[:, 0]) < 2.0
