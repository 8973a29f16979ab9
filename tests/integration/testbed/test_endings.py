"""However a run is ended, nothing of it stays behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.testbed.harness import start_up, write_scenario
from tests.integration.testbed.test_up import ONE_AT_FIRST


def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path) -> None:
    with start_up(write_scenario(tmp_path), tmp_path, "--no-portal") as up:
        up.wait("rows are stored", lambda: up.stored() > 0)
        assert len(up.processes()) >= 4
        up.interrupt()
        up.said("stopping")
        up.interrupt()
        assert up.ended(10) == 130
        assert up.survivors() == []


@pytest.mark.parametrize("broker", ONE_AT_FIRST)
def test_when_the_parent_is_killed_everyone_ends(tmp_path: Path, broker: str) -> None:
    with start_up(write_scenario(tmp_path), tmp_path, "--no-portal", "--broker", broker) as up:
        up.wait("rows are stored", lambda: up.stored() > 0)
        up.process.kill()
        up.ended()
        assert up.survivors() == []


def test_ctrl_c_before_anything_is_ready_ends_in_order(tmp_path: Path) -> None:
    with start_up(write_scenario(tmp_path), tmp_path, "--no-portal") as up:
        up.pids()
        up.interrupt()
        report = up.finish()
        assert up.survivors(5) == []
    assert report["rows"]["lost"] == report["rows"]["duplicated"] == 0
