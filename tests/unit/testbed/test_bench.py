"""The benchmarks measure what they say: numbers of values, events, chains. How fast is left to the machine."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from simulator.channels import Sensor
from simulator.naive import NaiveSensor, run_naive
from simulator.world import World
from testbed.cli import app
from testbed.scenario import read

ROOT = Path(__file__).parents[3]
CHAIN = ("lag", "noise", "bias", "drift", "resolution", "dropout")


def test_the_reference_world_is_as_large_and_as_complete_as_it_says() -> None:
    scenario = read(ROOT / "configs/scenarios/reference.yaml")
    world = World(scenario.world().model_copy(update={"history": 0}), scenario.config.start_ns(), 1)
    channels = [
        channel
        for fleet in world.fleets.values()
        for config in fleet.configs
        for stream in config.streams()
        for channel in stream.channels
    ]
    assert (len(world.devices), len(channels)) == (150, 700)
    assert [c.spec.name for c in channels if not all(getattr(c.sensor, part) > 0 for part in CHAIN)] == []
    assert [c.spec.name for c in channels if c.spec.low is None or c.spec.high is None] == []
    assert {s.period_ns for d in world.devices for s in d.streams} == {60 * 10**9}


def test_the_bench_counts_what_it_rendered() -> None:
    scenario = ROOT / "configs/scenarios/reference.yaml"
    call = ["bench", "simulate", "--scenario", str(scenario), "--days", "0.25", "--json"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["rendering"]["values"] == found["duckdb"]["values"] == 700 * 360
    assert 0 < found["rendering"]["events_per_day"] <= 20_000
    assert {"machine", "cores", "python"} <= found.keys()


def test_live_counts_quanta_and_values() -> None:
    scenario = ROOT / "configs/scenarios/smoke.yaml"
    result = CliRunner().invoke(app, ["bench", "simulate", "--scenario", str(scenario), "--live", "1s", "--json"])
    assert result.exit_code == 0, result.output
    live = json.loads(result.stdout)["live"]
    assert live["quanta"] == 20
    assert live["values"] > 300


def test_the_plain_way_does_the_whole_chain() -> None:
    sensor = Sensor.model_validate(
        {"lag": "60s", "noise": 1, "bias": 0.5, "drift": 0.5, "resolution": 0.5, "dropout": 0.1}
    )
    plain = [NaiveSensor(sensor, 0.0, 100.0, random.Random(n)) for n in range(4)]
    assert run_naive(plain, 60.0, 60.0 * 2000 + 1) == 8000
    x = np.array(plain[0].x)
    lost = np.isnan(x)
    assert 0.07 < lost.mean() < 0.13
    assert set(np.array(plain[0].q)[lost]) == {16}
    np.testing.assert_array_equal(x[~lost] % 0.5, 0.0)
