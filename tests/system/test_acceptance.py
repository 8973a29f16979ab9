"""What the testbed promises, with whole runs: minutes, not seconds. Beside it: tests/integration/testbed."""

from __future__ import annotations

import os
import random
import statistics
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.testbed.harness import (
    ROOT,
    SLOW_DOWN,
    Foreign,
    Running,
    assert_every_row,
    birth,
    row,
    run_up,
    start_up,
    write_scenario,
)
from tests.integration.testbed.test_determinism import FAULTS, START
from tests.integration.testbed.test_up import BROKERS
from wire.broker import Broker
from wire.broker_config import BrokerConfig

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]
DATA = os.environ.get("IIOT_DATA", "")
SCENARIOS = ROOT / "configs" / "scenarios"


def test_a_minute_of_the_story(tmp_path: Path) -> None:
    report = run_up_long(SCENARIOS / "seoul.yaml", tmp_path, "--for", "60s", "--no-portal")
    assert_every_row(report)
    devices, protocols = report["devices"], report["protocols"]
    assert min(devices[domain] for domain in ("factory", "logistics", "urban")) > 0
    assert sum(devices.values()) >= 40
    assert protocols["mqtt"] > 0
    assert protocols["opcua"] > 0
    assert report["first_row_s"] is not None
    assert report["first_finding_s"] is not None
    assert report["findings"] > 0
    assert report["models"][0]["failures"] >= 30
    assert report["models"][0]["metrics"]["roc_auc"] > 0.9
    for hop in ("ingest", "stored", "edge_loop"):
        assert 0 < report["latency_ms"][f"{hop}_p50"] <= report["latency_ms"][f"{hop}_p99"]


def test_the_smoke_scenario_on_rumqttd(tmp_path: Path) -> None:
    report = run_up_long(SCENARIOS / "smoke.yaml", tmp_path, "--for", "20s", "--no-portal", "--broker", "rumqttd")
    assert_every_row(report)
    assert sum(report["devices"].values()) >= 40


@pytest.mark.skipif(not DATA, reason="NO DATA: set IIOT_DATA to the folder with the C-MAPSS files")
def test_recorded_engines_are_replayed_and_their_remaining_life_is_told(tmp_path: Path) -> None:
    report = run_up_long(SCENARIOS / "replay-cmapss.yaml", tmp_path, "--data", DATA, "--no-portal")
    assert_every_row(report)
    assert report["rows"]["stored"] == 13_096
    found = report["evaluation"]
    assert found["engines"] == 100
    assert found["rmse"]["value"] < 16 < found["rmse_of_mean"], found
    assert "clipped at 125" in found["text"]


async def test_somebody_else_s_broker(tmp_path: Path) -> None:
    async with Broker(BrokerConfig(kind="rumqttd"), tmp_path / "broker") as broker:
        report = run_up(
            write_scenario(tmp_path), tmp_path / "run", "--for", "4s", "--no-portal", "--broker", broker.url
        )
        assert broker.running
    assert_every_row(report)


def test_a_platform_killed_after_its_history_was_loaded_doubles_nothing(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, history={"days": 2, "every": "60s"}, analytics={"groups": []})
    with start_up(scenario, tmp_path, "--no-portal") as up:
        up.said(r"history in the store: [\d,]+ rows")
        up.kill("platform")
        before = up.stored()
        up.wait("rows are stored again", lambda: up.stored() > before + 30)
        up.interrupt()
        report = up.finish()
    assert_every_row(report)


@pytest.mark.parametrize("broker", BROKERS)
def test_killing_everything_again_and_again_loses_nothing(tmp_path: Path, broker: str, seed: int) -> None:
    dice = random.Random(seed)
    scenario = write_scenario(tmp_path, gateway={"rules": [SLOW_DOWN]})
    with start_up(scenario, tmp_path, "--no-portal", "--broker", broker) as up:
        up.wait("rows are stored", lambda: up.stored() > 30)
        for victim in dice.sample(["gateway", "platform", "broker"] * 2, 6):
            before = up.stored()
            _kill(up, victim)
            more = dice.randint(1, 60)
            up.wait(f"rows are stored after the end of the {victim}", lambda at=before + more: up.stored() > at)
        up.interrupt()
        report = up.finish(90)
        assert up.survivors(5) == []
    assert report["restarts"] == 6
    assert_every_row(report)
    assert report["commands"]["done"] > 0


def test_every_way_to_run_gives_the_same_run(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, end="8s", faults=FAULTS, gateway={"rules": [SLOW_DOWN]})
    live = run_up(scenario, tmp_path / "live", "--no-portal", "--start", START)
    assert live["commands"]["done"] > 0
    (log,) = (tmp_path / "live" / "data" / "runs").glob("*/commands.jsonl")
    for speed in ("1", "60", "max"):
        for quantum in ("50ms", "1s", "1h"):
            options = ("--start", START, "--replay-commands", str(log), "--speed", speed, "--quantum", quantum)
            again = run_up(scenario, tmp_path / f"{speed}-{quantum}", "--no-portal", *options)
            assert again["hashes"] == live["hashes"], (speed, quantum)
            assert_every_row(again)


def test_a_foreign_device_is_seen_within_two_seconds(tmp_path: Path) -> None:
    with start_up(write_scenario(tmp_path), tmp_path) as up:
        up.wait("rows are stored", lambda: up.stored() > 30)
        foreign = Foreign(up.manifest.mqtt)
        spans = [_until_seen(up, foreign, f"thermo-{n}") for n in range(3)]
        up.interrupt()
        assert up.finish()["devices"]["third_party"] == 3
    assert statistics.median(spans) < 2.0, spans


def _until_seen(up: Running, foreign: Foreign, name: str) -> float:
    """Return how long it takes until a new device's row is in the catalogue, on the page and in the store, s."""
    path = f"startup/lab/{name}"
    began = time.monotonic()
    foreign.send(name, "birth", birth(1))
    foreign.send(name, "data/air", row(0, 12.5))
    up.wait("it is in the catalogue", lambda: up.get(f"/catalog?q={path}")["total"])
    up.wait("it has a latest value", lambda: "12.5" in str(up.get("/latest?area=lab&limit=5000")))
    up.wait("it is stored", lambda: up.get(f"/series?device={path}&channel=temperature&every=raw")["value"] == [12.5])
    return time.monotonic() - began


def _kill(up: Running, victim: str) -> None:
    if victim != "broker":
        up.kill(victim)
        return
    old = up.broker()
    old.kill()
    up.wait("the broker is back", lambda: any(p.pid != old.pid for p in _brokers(up)))


def _brokers(up: Running) -> list[Any]:
    place = str(up.folder.broker)
    return [p for p in up.processes() if place in " ".join(p.cmdline())]


def run_up_long(scenario: Path, folder: Path, *options: str) -> dict[str, Any]:
    """Run to the end, which may take minutes."""
    with start_up(scenario, folder, *options) as up:
        return up.finish(500)
