"""``testbed up`` from start to end, on both brokers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pyarrow import parquet

from testbed.cli_tools import export, reset
from tests.integration.testbed.harness import MIXED, assert_every_row, start_up, write_scenario
from wire.broker import find_mosquitto

BROKERS = [
    pytest.param(
        "mosquitto", marks=pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed here")
    ),
    "rumqttd",
]
#: the same for long tests: rumqttd joins in the system tests, or where there is no mosquitto
ONE_AT_FIRST = [BROKERS[0], pytest.param("rumqttd", marks=[] if find_mosquitto() is None else [pytest.mark.system])]


@pytest.mark.parametrize("broker", BROKERS)
def test_a_run_ends_by_itself_with_every_row_accounted_for(
    tmp_path: Path, broker: str, capsys: pytest.CaptureFixture[str]
) -> None:
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
    _assert_can_be_taken_away(up.data_dir, report["rows"]["stored"], tmp_path / "out", capsys)


def _assert_can_be_taken_away(data_dir: Path, rows: int, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Export everything, then leave nothing."""
    for csv in (False, True):
        export(out, data_dir, csv)
        counts = re.findall(r": ([\d,]+) rows", capsys.readouterr().out)
        assert sum(int(count.replace(",", "")) for count in counts) == rows
    assert {p.suffix for p in out.iterdir()} == {".parquet", ".csv"}
    table = parquet.read_table(out / "pump.process.parquet")
    assert "works/hall/pump-01/process" in table.column("stream").to_pylist()
    reset(data_dir, yes=True)
    assert not (data_dir / "runs").exists()
