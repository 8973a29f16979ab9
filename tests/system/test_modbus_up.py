"""Old machines in a whole run: every poll is accounted for, also those that a killed gateway missed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.testbed.harness import run_up, start_up, write_scenario

pytestmark = pytest.mark.system

OLD: dict[str, Any] = {
    "domain": "factory",
    "site": "works",
    "equipment": [
        {"kind": "hydraulic_press", "area": "old", "count": 2},
        {"kind": "pallet_wrapper", "area": "old"},
        {"kind": "pump", "area": "hall"},
    ],
}


def test_a_clean_run_misses_no_poll(tmp_path: Path) -> None:
    report = run_up(write_scenario(tmp_path, domain=OLD, end="8s"), tmp_path, "--no-portal")
    assert report["protocols"]["modbus"] == 3
    assert report["devices"] == {"factory": 4, "logistics": 0, "urban": 0, "own": 0, "third_party": 0}
    rows = report["rows"]
    assert (rows["lost"], rows["duplicated"], rows["rejected"]) == (0, 0, 0)
    assert rows["emitted"] == rows["stored"] > 20


def test_what_a_killed_gateway_did_not_poll_is_lost_and_nothing_else_is(tmp_path: Path) -> None:
    with start_up(write_scenario(tmp_path, domain=OLD), tmp_path, "--no-portal") as up:
        up.wait("rows are stored", lambda: up.stored() > 15)
        up.kill("gateway")
        before = up.stored()
        up.wait("rows are stored again", lambda: up.stored() > before + 15)
        up.interrupt()
        report = up.finish()
        gateway = json.loads((up.folder.root / "status" / "gateway.json").read_text(encoding="utf-8"))
    missed = {path: counts["lost"] for path, counts in gateway["streams"].items() if counts["lost"]}
    assert report["rows"]["duplicated"] == 0
    assert report["rows"]["lost"] == sum(missed.values())
    assert report["rows"]["emitted"] == report["rows"]["stored"] + report["rows"]["lost"]
    assert all("/old/" in path for path in missed), missed
    assert 0 < max(missed.values()) < 15
