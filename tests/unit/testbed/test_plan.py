"""The plan's figures are those of rows that are really encoded and files that are really written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from core.clock import NS
from simulator.history import history_sampling, write_history
from simulator.world import World
from testbed.plan import plan
from testbed.scenario import Scenario, read
from wire import topics
from wire.codec_rows_out import encode_batch

DOMAIN = {
    "domain": "factory",
    "site": "s",
    "equipment": [
        {"kind": "pump", "area": "a", "count": 3, "every": {"process": "5s"}},
        {"kind": "fan", "area": "a", "protocols": ["opcua"]},
    ],
}


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    (tmp_path / "d.yaml").write_text(yaml.safe_dump(DOMAIN))
    content = {"name": "x", "start": "2026-03-02T00:00:00Z", "domains": ["d.yaml"], "history": {"days": 2}}
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(content))
    return read(tmp_path / "s.yaml")


def test_bytes_on_the_wire_are_those_of_encoded_rows(scenario: Scenario) -> None:
    found = plan(scenario)
    assert (found["devices"], found["channels"]) == (4, 40)
    world = World(scenario.world().model_copy(update={"history": 0}), scenario.config.start_ns(), 1)
    world.sid = 1_763_791_200_000
    world.advance(60 * NS)
    total, t = 0.0, 0
    for t1 in range(NS // 2, 60 * NS, NS // 2):
        for batch in world.render(t, t1):
            if batch.layout.name.startswith("fan"):
                continue
            for message in encode_batch(batch, 1_763_791_200_123.456):
                entry = world.catalog.streams[message.stream]
                total += len(message.payload) + len(topics.of_device(entry.device, "data", entry.spec.name)) + 7
        t = t1
    assert found["protocols"]["mqtt"]["wire_bytes_per_day"] == pytest.approx(total * 1440, rel=0.03)


def test_opcua_counts_values_with_both_timestamps(scenario: Scenario) -> None:
    # handle 4, masks and type 2, Double 8, two timestamps 8 each (OPC 10000-6, 5.2.2); good needs no status
    per_value = plan(scenario)["protocols"]["opcua"]["wire_bytes_per_day"] / 86_400 / 10
    assert 30 <= per_value <= 34


def test_the_history_takes_what_was_planned(scenario: Scenario, tmp_path: Path) -> None:
    found = plan(scenario)
    world = World(scenario.world(), scenario.config.start_ns(), 1, history_sampling(60 * NS))
    told = write_history(world, tmp_path / "out", tmp_path / "truth")
    written = sum(p.stat().st_size for p in (tmp_path / "out").rglob("*.parquet"))
    assert found["history_values"] == pytest.approx(told.values, rel=0.01)
    assert found["history_bytes"] == pytest.approx(written, rel=0.3)
