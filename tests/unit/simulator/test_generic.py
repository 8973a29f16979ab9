"""Equipment declared in YAML: behaviours follow their definitions, commands have effects, parts wear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult, Event
from core.config import load
from simulator.domain import DomainConfig
from simulator.environment import hour_of_day
from simulator.world import World, WorldConfig
from tests.sim_generic import GENERIC
from tests.sim_worlds import START, build, collect, command

HOUR = 3600 * NS
GREENHOUSE = Path(__file__).parents[3] / "configs/domains/greenhouse.yaml"


def entry(channels: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "kind": "generic", "type": "thing", "area": "a", "id": "t-{n}",
        "reports": {"r": {"every": "1s", "channels": channels}}, **more,
    }  # fmt: skip


def world_of(*entries: dict[str, Any], **how: Any) -> World:
    return build({"domain": "own", "site": "s", "repair": "10s", "equipment": list(entries)}, **how)


def values(world: World, until: int, stream: str = "s/a/t-1/r") -> dict[str, np.ndarray]:
    _, t, x, _ = collect(world, until)[stream]
    found = world.catalog.find(stream)
    assert found is not None
    return dict(zip(found.spec.layout.columns, x.T, strict=True)) | {"t": t}


def answers(world: World) -> list[tuple[str, str]]:
    return [(n.status, n.detail) for n in world.notes() if isinstance(n, CommandResult)]


VALVE = {"states": {"of": {"closed": {}, "open": {}}}}
OPEN = {
    "state": {"valve": "open"},
    "then": {"valve": "closed"},
    "for": {"arg": "s", "low": 1, "high": 99, "default": 5},
}


def test_a_setpoint_approaches_its_target_with_its_lag() -> None:
    thing = entry(
        {"temp": {"setpoint": {"initial": 20, "lag": "10s"}}},
        commands={"aim": {"set": {"temp": {"arg": "to", "low": 0, "high": 100}}}},
    )
    world = world_of(thing)
    world.apply(command("s/a/t-1", "aim", to=70), 0)
    found = values(world, 60 * NS)
    elapsed = (found["t"] - START) / NS
    # initially it rests at its initial value
    np.testing.assert_allclose(found["temp"], 70 - 50 * np.exp(-elapsed / 10), rtol=1e-9)
    assert answers(world) == [("done", "temp to 70")]


def test_a_daily_course_and_a_profile_follow_the_clock() -> None:
    table = [float(h) for h in range(24)]
    thing = entry({"sun": {"daily": {"mean": 5, "swing": 2, "peak": 13}}, "load": {"profile": {"workday": table}}})
    thing["reports"]["r"]["every"] = "10min"
    found = values(world_of(thing), 24 * HOUR)
    hour = hour_of_day(found["t"])
    np.testing.assert_allclose(found["sun"], 5 + 2 * np.cos((hour - 13) * 2 * np.pi / 24))
    before_last = hour < 23
    np.testing.assert_allclose(found["load"][before_last], hour[before_last])
    assert abs(hour[found["sun"].argmax()] - 13) < 0.2


def test_a_random_process_has_its_mean_deviation_and_memory() -> None:
    thing = entry({"x": {"random": {"mean": 7, "sigma": 2, "tau": "30s"}}}, count=40)
    found = [x[:, 1] for _, _, x, _ in collect(world_of(thing), 1800 * NS).values()]
    x = np.stack(found)
    assert abs(x.mean() - 7) < 0.3
    # a straight line between knots of tau/4 takes a little of the deviation away
    assert 1.7 < x.std() < 2.1
    lagged = np.mean((x[:, 30:] - 7) * (x[:, :-30] - 7)) / x.var()
    assert abs(lagged - np.exp(-1)) < 0.08


def test_states_dwell_as_long_as_declared() -> None:
    states = {"of": {"on": {"for": "10s", "next": {"off": 1}}, "off": {"for": "30s", "next": {"on": 1}}}}
    found = values(world_of(entry({"mode": {"states": states}})), 400 * NS)
    elapsed = (found["t"] - START) / NS
    np.testing.assert_array_equal(found["mode"], np.where(elapsed % 40 < 10, 0.0, 1.0))


def test_a_counter_runs_at_the_rate_of_the_state_and_is_reset() -> None:
    thing = entry(
        {"valve": VALVE, "litres": {"counter": {"rate": {"valve": {"open": 2.0}}}}},
        commands={"open": OPEN, "zero": {"reset": ["litres"]}},
        events=[{"when": {"valve": "open"}, "name": "opened", "text": "water", "severity": "warning"}],
    )
    world = world_of(thing)
    world.advance(10 * NS)
    world.render(0, 10 * NS)
    world.apply(command("s/a/t-1", "open", s=20), 10 * NS)
    found = values(world, 60 * NS)
    assert found["litres"].max() == pytest.approx(40)
    assert found["valve"].sum() == pytest.approx(20, abs=1)
    notes = world.notes()
    assert [n.name for n in notes if isinstance(n, Event)] == ["opened"]
    assert [n.status for n in notes if isinstance(n, CommandResult)] == ["accepted", "done"]
    world.apply(command("s/a/t-1", "zero"), 60 * NS)
    assert values(world, 70 * NS)["litres"].max() == 0


def test_a_later_command_overtakes_the_end_of_an_earlier_one() -> None:
    world = world_of(entry({"valve": VALVE}, commands={"open": OPEN, "close": {"state": {"valve": "closed"}}}))
    world.apply(command("s/a/t-1", "open", s=20), 0)
    world.advance(5 * NS)
    world.apply(command("s/a/t-1", "close"), 5 * NS)
    world.advance(6 * NS)
    world.apply(command("s/a/t-1", "open", id="2", s=60), 6 * NS)
    world.advance(30 * NS)
    asset = world.assets["s/a/t-1"]
    assert asset.get("valve") == 1
    assert ("done", "after 20 s: another command came between") in answers(world)
    world.advance(70 * NS)
    assert asset.get("valve") == 0


def test_interlocks_limits_and_the_common_state_refuse() -> None:
    world = world_of({**GENERIC, "kind": "generic", "area": "a", "id": "t-1"})
    device = "s/a/t-1"
    world.apply(command(device, "set_level", percent=140), 0)
    world.apply(command(device, "set_level"), 0)
    world.apply(command(device, "heat_up", id="3"), 0)
    world.advance(1 * NS)
    world.assets[device].put("heat", 79.5, 79.5)
    world.apply(command(device, "heat_up", id="4"), 1 * NS)
    world.apply(command(device, "maintain", id="5", duration=30), 1 * NS)
    world.advance(2 * NS)
    world.apply(command(device, "park", id="6"), 2 * NS)
    told = answers(world)
    assert told[0] == ("refused", "percent 140 is outside 0 to 100")
    assert told[1] == ("refused", "argument percent must be a number")
    assert told[2][0] == "accepted"
    assert ("refused", "too hot") in told
    assert ("refused", "interlock: equipment is in maintenance") in told


def test_parts_wear_by_state_fail_and_are_repaired() -> None:
    thing = entry(
        {"valve": VALVE, "shake": {"formula": "10 * wear.pump + fault.loose"}},
        parts={"pump": {"wear": {"kind": "bearing", "life_h": 1, "scatter": 0}, "rate": {"valve": {"open": 1}}}},
        commands={"open": {"state": {"valve": "open"}}},
        faults={"loose": {"size": 3}, "worse": {"part": "pump", "rate": 10}},
        count=2,
    )
    fault = {"at": "10s", "device": "t-1", "fault": "loose", "until": "20s"}
    world = world_of(thing, faults=[fault])
    first = values(world, 60 * NS)
    elapsed = (first["t"] - START) / NS
    np.testing.assert_array_equal(first["shake"], np.where((elapsed >= 10) & (elapsed < 20), 3.0, 0.0))
    world.apply(command("s/a/t-1", "open"), 60 * NS)
    rows = collect(world, 2 * HOUR)
    ended = world.close_truth().tables()["lives"].to_pylist()
    assert {r["device"] for r in ended if r["end"] == "failure"} == {"s/a/t-1"}  # the other stood still
    assert rows["s/a/t-1/r"][2][:, 2].max() > 9
    assert rows["s/a/t-2/r"][2][:, 2].max() == 0


def test_entries_of_a_type_may_differ_in_params() -> None:
    channels = {"x": {"formula": "param.base * 2"}}
    one, two = (entry(channels, id=f"t-{n}", params={"base": n}) for n in (1, 2))
    rows = collect(world_of(one, two), 5 * NS)
    assert {path: x[:, 1].tolist() for path, (_, _, x, _) in rows.items()} == {
        "s/a/t-1/r": [2.0] * 5,
        "s/a/t-2/r": [4.0] * 5,
    }


def test_the_greenhouse_waters_its_soil() -> None:
    domain = load(GREENHOUSE, DomainConfig)
    world = World(WorldConfig(domains=(domain,)), START, 3)
    world.fast_forward(0)
    bed = "seoul/gangnam-greenhouse/bed-01"
    rows = collect(world, 6 * HOUR, HOUR)
    dry = rows[f"{bed}/soil"][2][-1, 1]
    world.apply(command(bed, "open", seconds=3600), 6 * HOUR)
    rows = collect(world, 7 * HOUR, HOUR)
    wet = rows[f"{bed}/soil"][2][-1, 1]
    assert dry < 15 < wet
    assert rows[f"{bed}/irrigation"][2][-1, 3] == pytest.approx(0.3 * 3600, rel=0.01)
