"""A minute of outages: every part is killed once, and every row is accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.testbed.harness import ROOT, working_in

pytestmark = pytest.mark.system


def test_a_minute_with_one_kill_of_each_kind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "testbed", "drill", "--for", "60s", "--kills", "4", "--json"]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data")], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    try:
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout.splitlines()[-1])
        assert report["faults"] == [], done.stderr
        assert {kill["target"] for kill in report["kills"]} == {"broker", "gateway", "platform", "opcua"}
        assert all(kill["recovery_s"] < 30 for kill in report["kills"])
        accounts = report["accounts"]
        for group in ("kept", "history"):
            assert accounts[group]["emitted"] > 1000
            assert accounts[group]["lost"] == 0
        assert (
            accounts["polled"]["reported"] == accounts["polled"]["lost"] > 0
        )  # nobody polled while the gateway was away
        assert accounts["bare"]["reported"] == accounts["bare"]["lost"]
        assert sum(account["duplicated"] for account in accounts.values()) == 0
    finally:
        left = working_in(tmp_path)
        for process in left:
            process.kill()
    assert left == []
