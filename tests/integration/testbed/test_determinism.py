"""The same scenario, start, seed and command log give the same rows and events, however fast and however cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.clock import MS, NS
from simulator.commandlog import Logged, log_line, read_log
from simulator.digest import EventHash
from simulator.pacer import Pace, Pacer
from testbed.roles.simulator import build
from testbed.scenario import read
from testbed.up import Options, manifest_of
from tests.integration.testbed.harness import SLOW_DOWN, assert_every_row, run_up, write_scenario
from tests.sim_worlds import command

START = "2026-03-02T08:00:00Z"
#: between quanta of every kind, and twice at the same instant
LOG = [
    Logged(1_300 * MS, command("works/hall/pump-01", "set_speed", id="a", factor=0.8)),
    Logged(2_000 * MS, command("works/yard/pump-02", "derate", id="b", factor=0.5)),
    Logged(2_000 * MS, command("works/roof/fan-01", "stop", id="c")),
    Logged(3_517_123_457, command("works/roof/fan-01", "start", id="d")),
]
FAULTS = [{"at": "2500ms", "device": "pump-03", "fault": "bearing_fatigue", "args": {"rate": 1e6}}]


async def hashes(scenario: Path, speed: float, quantum: int, log: list[Logged]) -> tuple[str, str]:
    """Return the row and event hash of the live world of a scenario."""
    spec = read(scenario)
    options = Options(data_dir=scenario.parent, start=1_772_438_400 * NS)
    world = build(spec, manifest_of(spec, options, ""))
    pace = Pace(speed, quantum, spec.config.end)
    pacer = Pacer(world, {}, pace, replay_commands=log, row_hash=True)
    await pacer.run()
    assert pacer.rows is not None
    assert pacer.counts.rows > 50
    assert pacer.counts.commands == len(log)
    return pacer.rows.hexdigest(), pacer.events.hexdigest()


async def test_every_speed_and_every_quantum_give_the_same_rows_and_events(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, end="4s", faults=FAULTS)
    first = await hashes(scenario, 60.0, 50 * MS, LOG)
    assert first[1] != EventHash().hexdigest()
    for speed in (60.0, 0.0):
        for quantum in (50 * MS, NS, 3600 * NS):
            assert await hashes(scenario, speed, quantum, LOG) == first, (speed, quantum)
    assert await hashes(scenario, 1.0, NS, LOG) == first
    assert await hashes(scenario, 0.0, NS, LOG[:-1]) != first


def test_a_run_with_live_feedback_is_repeated_from_its_command_log(tmp_path: Path) -> None:
    rule = {**SLOW_DOWN, "max_age": "30s"}  # rows of before a busy machine had its gateway ready count as well
    scenario = write_scenario(tmp_path, end="10s", faults=FAULTS, gateway={"rules": [rule]})
    live = run_up(scenario, tmp_path / "live", "--no-portal", "--start", START, "--seed", "9")
    log = _command_log(tmp_path / "live")
    entries = read_log(log)
    assert {entry.command.name for entry in entries} == {"set_speed"}
    assert live["commands"]["done"] > 0
    again = _with_late_command(log, tmp_path / "again.jsonl")
    repeated = ("--start", START, "--seed", "9", "--replay-commands", str(again), "--speed", "3", "--quantum", "1s")
    replay = run_up(scenario, tmp_path / "replay", "--no-portal", *repeated)
    assert replay["hashes"] == live["hashes"]
    # its rules wanted to command as well, and were not let
    assert [e.command.id for e in read_log(_command_log(tmp_path / "replay"))] == [e.command.id for e in entries]
    assert replay["commands"]["refused"] > 0
    for report in (live, replay):
        assert_every_row(report)


def _command_log(folder: Path) -> Path:
    (found,) = (folder / "data" / "runs").glob("*/commands.jsonl")
    return found


def _with_late_command(log: Path, out: Path) -> Path:
    """Copy a log and add a command after the end, which must not matter."""
    late: Any = log_line(Logged(10**15, command("works/hall/pump-01", "stop", id="late")))
    assert json.loads(late)["at"] == 10**15
    out.write_text(log.read_text(encoding="utf-8") + late, encoding="utf-8")
    return out
