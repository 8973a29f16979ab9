"""Rows that are turned away, the cause mended, the letters sent again: every row is stored once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

from core.clock import MS, wall_ns
from tests.integration.testbed.harness import ROOT, Foreign, Running, birth, row, start_up, write_scenario

STREAM = "startup/lab/thermo/air"


def letters(up: Running, *words: str) -> str:
    command = [sys.executable, "-m", "testbed", "deadletters", *words, "--run", str(up.folder.root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_letters_are_replayed_once_the_cause_is_mended(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, gateway={"endpoint": {"host": "127.0.0.1"}})
    with start_up(scenario, tmp_path, "--no-portal") as up:
        page = up.said(r"(http://127\.0\.0\.1:\d+)/metrics")[1]
        up.wait("rows are stored", lambda: up.stored() > 0)
        foreign = Foreign(up.manifest.mqtt)
        foreign.send("thermo", "birth", birth(7))
        up.wait("it is known", lambda: up.status("gateway").get("devices", 0) > 8)
        at = wall_ns() // MS
        damp = [{"t": at + n, "seq": n, "v": {"temperature": 20.0, "humidity": 50.0}} for n in range(3)]
        foreign.send("thermo", "data/air", *damp)
        up.wait("they are turned away", lambda: up.status("gateway").get("rejected") == 3)
        found = json.loads(letters(up, "list", "--json"))
        assert {x["topic"] for x in found} == {"iiot/v1/startup/lab/thermo/data/air"}
        assert not any(x["hindrance"] for x in found)
        assert "humidity" in letters(up, "show", str(found[0]["id"]))
        humidity = {"name": "humidity", "quantity": "humidity", "unit": "%"}
        mended = birth(7)
        mended["streams"][0]["channels"].append(humidity)
        foreign.send("thermo", "birth", mended)
        assert "3 letters sent again" in letters(up, "replay", "--all")
        up.wait("they are stored", lambda: up.status("platform").get("stored", {}).get(STREAM) == 3)
        assert "0 letters sent again, 3 were before" in letters(up, "replay", "--all")
        assert "3 letters sent again" in letters(up, "replay", "--all", "--again")
        foreign.send("thermo", "data/air", row(3) | {"v": {"temperature": 1.0, "humidity": 2.0}})
        up.wait("what came after them is stored", lambda: up.status("platform").get("stored", {}).get(STREAM) == 4)
        with urlopen(f"{page}/metrics", timeout=10) as answer:
            figures = answer.read().decode()
        assert "iiot_gateway_sources_mqtt_connected 1" in figures
        assert "iiot_gateway_rejected 3\n" in figures
        with urlopen(f"{page}/health", timeout=10) as answer:
            assert json.load(answer)["healthy"]
        up.interrupt()
        report = up.finish()
    assert report["rows"]["third_party"] == 4
    assert report["rows"]["duplicated"] == 0
