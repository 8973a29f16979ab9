"""``kill -9`` of any role while rows flow and edge rules command: nothing lost, nothing double."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.testbed.harness import SLOW_DOWN, assert_every_row, start_up, write_scenario
from tests.integration.testbed.test_up import ONE_AT_FIRST


@pytest.mark.parametrize("broker", ONE_AT_FIRST)
def test_killed_gateway_and_platform_lose_and_double_nothing(tmp_path: Path, broker: str) -> None:
    scenario = write_scenario(tmp_path, gateway={"rules": [SLOW_DOWN]})
    with start_up(scenario, tmp_path, "--no-portal", "--broker", broker) as up:
        up.wait("a command is done", lambda: up.status("platform").get("commands", {}).get("done", 0) > 0)
        for role in ("gateway", "platform"):
            before = up.stored()
            up.kill(role)
            up.wait(f"rows are stored after the end of the {role}", lambda at=before: up.stored() > at + 30)
        up.interrupt(signal.SIGINT if broker == "mosquitto" else signal.SIGTERM)
        report = up.finish()
        commands = _lines(up.folder.commands)
        assert up.survivors(5) == []
    assert report["restarts"] == 2
    assert_every_row(report)
    _assert_commanded_once(report, commands)


def _assert_commanded_once(report: dict[str, Any], log: list[dict[str, Any]]) -> None:
    """Every command reached the equipment at most once, and every one has its final word."""
    told = report["commands"]
    assert told["done"] > 0
    assert told["sent"] == told["done"] + told["expired"], told
    # those under way when the gateway was killed, and when the run ended
    assert told["expired"] <= told["sent"] / 3, told
    ids = Counter(entry["command"]["id"] for entry in log)
    assert set(ids.values()) == {1}
    assert told["done"] <= len(ids) <= told["sent"]
    causes = Counter((c["device"], c["cause"]["stream"], c["cause"]["seq"], c["cause"]["t"]) for c in _commands(log))
    assert set(causes.values()) == {1}
    for hop in ("ingest", "stored", "edge_loop"):
        p50, p99 = (report["latency_ms"][f"{hop}_{p}"] for p in ("p50", "p99"))
        assert 0 < p50 <= p99


def _commands(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry["command"] for entry in log]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
