"""``testbed up`` from start to end, on both brokers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.testbed.harness import MIXED, assert_every_row, start_up, write_scenario
from wire.broker import find_mosquitto

BROKERS = [
    pytest.param(
        "mosquitto", marks=pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed here")
    ),
    "rumqttd",
]


@pytest.mark.parametrize("broker", BROKERS)
def test_a_run_ends_by_itself_with_every_row_accounted_for(tmp_path: Path, broker: str) -> None:
    with start_up(write_scenario(tmp_path), tmp_path, "--for", "3s", "--no-portal", "--broker", broker) as up:
        report = up.finish()
        run = up.folder
        assert up.survivors(5) == []
        assert "page and API" not in up.stderr
    assert_every_row(report)
    assert report["devices"]["factory"] == sum(entry["count"] for entry in MIXED["equipment"])
    assert report["protocols"]["mqtt"] == 5
    assert report["protocols"]["opcua"] == 3
    assert report["restarts"] == 0
    assert json.loads(run.report.read_text(encoding="utf-8")) == report
    for hop in ("ingest", "stored"):
        assert report["latency_ms"][f"{hop}_p50"] > 0
    assert report["first_row_s"] > 0
