"""A whole testbed on Sparkplug B: kills, commands, and an edge node of somebody else on the page."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.testbed.harness import SLOW_DOWN, Running, assert_every_row, start_up, write_scenario
from tests.peers.node import SCRIPTS, need_node, node_env
from wire.broker import find_mosquitto

WORKS: dict[str, Any] = {
    "domain": "factory",
    "site": "works",
    "equipment": [
        {"kind": "pump", "area": "hall", "count": 3, "protocols": ["sparkplug"]},
        {"kind": "fan", "area": "roof", "count": 2, "protocols": ["sparkplug"]},
    ],
}


@contextmanager
def edge(url: str, *names: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        ["node", str(SCRIPTS / "sparkplug_edge.js"), url, *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=node_env(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def tell(process: subprocess.Popen[bytes], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    process.stdin.flush()


def series(up: Running, path: str) -> list[float]:
    return list(up.get(f"/series?device={path}&channel=Inputs.Temp&every=raw")["value"])


def foreign_part(up: Running) -> None:
    """An edge node of somebody else: in catalogue, store and page; its death is told."""
    path = "Plant/Edge-7/Motor"
    with edge(up.manifest.mqtt, "Plant", "Edge-7", "Motor") as foreign:
        found = up.wait("it is in the catalogue", lambda: up.get("/catalog?q=Motor")["devices"])
        assert [(d["path"], d["domain"]) for d in found] == [(path, "third_party")]
        tell(foreign, "data Inputs/Temp 47.25")
        up.wait("its value is in the store", lambda: 47.25 in series(up, path))
        assert "47.25" in str(up.get("/latest?area=Edge-7"))
        tell(foreign, "die")
        told = up.wait("its death is told", lambda: [e for e in up.get("/events") if e.get("name") == "offline"])
        assert told[0]["device"] == path


@pytest.mark.parametrize("broker", ["mosquitto", pytest.param("rumqttd", marks=pytest.mark.system)])
def test_foreign_nodes_take_part_and_kills_lose_and_double_nothing(tmp_path: Path, broker: str) -> None:
    need_node("sparkplug-client")
    if broker == "mosquitto" and find_mosquitto() is None:
        pytest.skip("BROKER MISSING: mosquitto is not installed here")
    scenario = write_scenario(tmp_path, domain=WORKS, gateway={"rules": [SLOW_DOWN]})
    with start_up(scenario, tmp_path, "--broker", broker) as up:
        up.wait("a command is done", lambda: up.status("platform").get("commands", {}).get("done", 0) > 0)
        foreign_part(up)
        before = up.stored()
        up.kill("gateway")
        up.wait("rows are stored after the end of the gateway", lambda: up.stored() > before + 10)
        before = up.stored()
        os.kill(up.broker().pid, signal.SIGKILL)
        up.wait("rows are stored after the end of the broker", lambda: up.stored() > before + 10)
        up.interrupt()
        report = up.finish()
    assert report["restarts"] >= 1
    assert (report["protocols"]["sparkplug"], report["devices"]["third_party"]) == (6, 1)
    assert report["rows"]["third_party"] >= 4
    assert_every_row(report)
    told = report["commands"]
    assert told["done"] > 0
    assert told["failed"] == 0, told
