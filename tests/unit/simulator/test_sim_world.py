from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult, Event
from core.config import parse
from core.errors import ConfigError
from simulator.fleet import Sampling
from simulator.world import World, WorldConfig
from tests.sim_worlds import AIR, HUB, PUMPS, START, collect, command, names

H = 3600 * NS


def test_devices_have_paths_names_and_streams(make_world: Any) -> None:
    world = make_world(PUMPS, HUB, AIR)
    assert [d.path for d in world.devices] == [
        "f1/util/pump-01",
        "f1/util/pump-02",
        "f1/util/pump-03",
        "h1/in/conveyor-01",
        "h1/out/out-1",
        "seoul/jongno/air_station-01",
        "seoul/guro/air_station-01",
    ]
    assert world.devices[0].label is not None
    assert world.devices[0].label.en == "Pump 1"
    assert world.catalog.layout("pump.health").columns[0] == "vibration"
    assert world.devices[0].asset == "f1/util/pump-01"
    assert world.devices[6].asset == ""


def test_rows_are_counted_from_zero_without_gaps(make_world: Any) -> None:
    rows = collect(make_world(PUMPS, AIR, history="1h"), 30 * NS)
    for path, (seq, t, _, _) in rows.items():
        period = 10 * NS if "/air" in path else NS
        assert seq.tolist() == list(range(30 * NS // period)), path
        assert (np.diff(t) == period).all()
        assert START <= t[0] < START + period


def test_failure_repair_and_new_life(make_world: Any) -> None:
    fault = {"at": "10s", "device": "pump-01", "fault": "bearing_fatigue", "args": {"rate": 1e6}}
    world: World = make_world(PUMPS, faults=[fault])
    rows = collect(world, 6 * H, step=H)
    notes = world.notes()
    told = [name for name in names(notes, "f1/util/pump-01") if name != "state"]
    assert told == ["failure", "repair-begin", "repaired"]
    failed, repaired = (
        n.t - START for n in notes if n.device == "f1/util/pump-01" and n.name in ("failure", "repaired")
    )
    assert repaired - failed == 4 * H
    state = rows["f1/util/pump-01/process"][2][:, 0]
    t = rows["f1/util/pump-01/process"][1] - START
    assert (state[(t >= failed) & (t < repaired)] == 4).all()
    assert (state[(t < failed) | (t >= repaired)] == 1).all()
    flow = rows["f1/util/pump-01/process"][2][:, 2]
    assert np.nanmax(flow[(t > failed + 60 * NS) & (t < repaired)]) < 3
    lives = world.close_truth().tables()["lives"].to_pylist()
    mine = [life for life in lives if life["device"] == "f1/util/pump-01"]
    assert [(life["life"], life["end"]) for life in mine] == [(0, "failure"), (1, "open")]
    assert mine[0]["t1"] == START + failed
    faults = world.truth.tables()["faults"].to_pylist()
    assert [(f["fault"], f["t0"], f["t1"]) for f in faults] == [("bearing_fatigue", START + 10 * NS, START + repaired)]


def test_one_crew_repairs_one_after_the_other(make_world: Any) -> None:
    fault = {"at": "10s", "device": "pump-0[12]", "fault": "bearing_fatigue", "args": {"rate": 1e6}}
    world = make_world(PUMPS, faults=[fault])
    world.advance(12 * H)
    ends = sorted(n.t for n in world.notes() if n.name == "repaired")
    assert len(ends) == 2
    assert ends[1] - ends[0] == pytest.approx(4 * H, abs=NS)


def test_health_never_improves_without_maintenance(make_world: Any) -> None:
    world: World = make_world(PUMPS, history="20d", live=False, sampling=Sampling(3600 * NS, 3600 * NS, NS))
    collect(world, 0, step=24 * H)
    table = world.close_truth().tables()["health"].to_pylist()
    assert table
    last: dict[tuple[str, int], float] = {}
    for row in table:
        key = (row["device"], row["life"])
        assert row["health"] <= last.get(key, 1.0)
        last[key] = row["health"]


def test_maintenance_is_accepted_done_and_renews(make_world: Any) -> None:
    world: World = make_world(PUMPS, history="3d")
    world.notes()
    pump = world.assets["f1/util/pump-01"]
    before = pump.components["bearing"]
    life, wear = before.life.number, before.wear
    assert wear > 0
    world.apply(command("f1/util/pump-01", "maintain", duration=600.0, parts="bearing"), 0)
    world.advance(H)
    results = [n for n in world.notes() if isinstance(n, CommandResult)]
    assert [r.status for r in results] == ["accepted", "done"]
    assert results[1].t - START == 600 * NS
    assert before.life.number == life + 1
    assert before.wear < wear
    assert pump.state == 1


@pytest.mark.parametrize(
    ("name", "args", "reason"),
    [
        ("dance", {}, "unknown command"),
        ("derate", {"factor": 3.0}, "outside"),
        ("derate", {"factor": "much"}, "must be a number"),
        ("derate", {"faktor": 1.0}, "unknown argument"),
        ("maintain", {"parts": "wings"}, "no component"),
    ],
)
def test_nonsense_is_refused_with_its_reason(make_world: Any, name: str, args: dict[str, Any], reason: str) -> None:
    world = make_world(PUMPS)
    world.apply(command("f1/util/pump-01", name, **args), 0)
    (result,) = [n for n in world.notes() if isinstance(n, CommandResult)]
    assert result.status == "refused"
    assert reason in result.detail


def test_interlocks_hold_during_maintenance_and_failure(make_world: Any) -> None:
    world: World = make_world(PUMPS)
    device = "f1/util/pump-01"
    world.apply(command(device, "maintain", duration=600.0), 0)
    world.advance(NS)
    world.notes()
    for name in ("start", "stop", "maintain"):
        world.apply(command(device, name), NS)
    assert [(n.status, "interlock" in n.detail) for n in world.notes()] == [("refused", True)] * 3


def test_stop_and_start_carry_the_wear_on(make_world: Any) -> None:
    world: World = make_world(PUMPS)
    bearing = world.assets["f1/util/pump-01"].components["bearing"]
    world.advance(H)
    world.apply(command("f1/util/pump-01", "stop"), H)
    age = bearing.age_s
    world.advance(3 * H)
    assert bearing.age_s == age == 3600.0
    world.apply(command("f1/util/pump-01", "start"), 3 * H)
    world.advance(4 * H)
    assert bearing.age_s == 7200.0


def test_derating_slows_wear(make_world: Any) -> None:
    world: World = make_world(PUMPS)
    world.advance(NS)
    world.apply(command("f1/util/pump-01", "derate", factor=0.5), NS)
    world.advance(NS + H)
    ages = [world.assets[f"f1/util/pump-0{n}"].components["bearing"].age_s for n in (1, 2)]
    assert ages[0] - 1.0 == pytest.approx((ages[1] - 1.0) / 16)


def test_the_kth_life_is_the_same_under_every_policy(make_world: Any) -> None:
    def lives(maintain: bool) -> list[tuple[int, float]]:
        world: World = make_world(PUMPS)
        component = world.assets["f1/util/pump-01"].components["bearing"]
        seen = [(component.life.number, component.life.path.life_s)]
        t = 0
        while len(seen) < 5:
            if maintain:
                world.apply(command("f1/util/pump-01", "maintain", duration=60.0, id=str(t)), t)
            t += 10 * H
            world.advance(t)
            if component.life.number != seen[-1][0]:
                seen.append((component.life.number, component.life.path.life_s))
        return seen

    assert lives(maintain=False) == lives(maintain=True)


def test_adding_equipment_changes_no_other_rows(make_world: Any) -> None:
    alone = collect(make_world(PUMPS, history="1d"), 20 * NS)
    more = {**PUMPS, "equipment": [*PUMPS["equipment"], {"kind": "pump", "area": "annex", "waveform": True}]}
    among = collect(make_world(HUB, more, AIR, history="1d"), 20 * NS)
    for path, columns in alone.items():
        for mine, theirs in zip(columns, among[path], strict=True):
            assert mine.tobytes() == theirs.tobytes()


def test_another_seed_gives_another_world(make_world: Any) -> None:
    one, two = (collect(make_world(PUMPS, seed=s), 5 * NS) for s in (1, 2))
    path = "f1/util/pump-01/health"
    assert (one[path][2] != two[path][2]).any()


def test_pallets_flow_from_belt_to_belt_and_none_is_lost(make_world: Any) -> None:
    world: World = make_world(HUB)
    world.advance(24 * H)
    first, last = (world.assets[p].get("pallets") for p in ("h1/in/conveyor-01", "h1/out/out-1"))
    assert first > 500
    assert 0 <= first - last <= 3 + 2


def test_a_stopped_receiver_blocks_and_starves(make_world: Any) -> None:
    world: World = make_world(HUB)
    world.advance(NS)
    world.apply(command("h1/out/out-1", "stop"), NS)
    world.advance(2 * H)
    assert world.assets["h1/in/conveyor-01"].state == 5
    world.apply(command("h1/out/out-1", "start", id="2"), 2 * H)
    world.apply(command("h1/in/conveyor-01", "stop", id="3"), 2 * H)
    world.advance(4 * H)
    assert world.assets["h1/out/out-1"].state == 6


def test_sensor_fault_shows_in_rows_and_truth(make_world: Any) -> None:
    fault = {"at": "5s", "device": "pump-02", "fault": "sensor_stuck", "args": {"channel": "vibration"}, "until": "15s"}
    world = make_world(PUMPS, faults=[fault])
    rows = collect(world, 20 * NS)
    _, t, x, _ = rows["f1/util/pump-02/health"]
    stuck = (t >= START + 5 * NS) & (t < START + 15 * NS)
    assert len(set(x[stuck, 0].tolist())) == 1
    assert len(set(x[~stuck, 0].tolist())) > 3
    (row,) = world.truth.tables()["faults"].to_pylist()
    assert (row["target"], row["t1"] - row["t0"]) == ("vibration", 10 * NS)


def test_physical_fault_ends_with_its_span_or_with_maintenance(make_world: Any) -> None:
    faults = [
        {"at": "10s", "device": "pump-01", "fault": "cavitation", "until": "20s"},
        {"at": "10s", "device": "pump-02", "fault": "cavitation"},
    ]
    world: World = make_world(PUMPS, faults=faults)
    world.advance(15 * NS)
    world.apply(command("f1/util/pump-02", "maintain", duration=60.0), 15 * NS)
    world.advance(100 * NS)
    spans = [(r["device"], r["t0"] - START, r["t1"] - START) for r in world.truth.tables()["faults"].to_pylist()]
    assert spans == [("f1/util/pump-01", 10 * NS, 20 * NS), ("f1/util/pump-02", 10 * NS, 75 * NS)]
    assert world.assets["f1/util/pump-02"].get("fault.cavitation") == 0.0


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"kind": "pumpe"}, "equipment.0", "pumpe"),
        ({"rated_kw": -1}, "equipment.0.rated_kw", "greater than 0"),
        ({"bering": {}}, "equipment.0.bering", "unknown key"),
        ({"count": 0}, "equipment.0.count", "greater than or equal to 1"),
        ({"sensors": {"wibration": {}}}, "equipment.0", "wibration"),
        ({"id": "pump"}, "equipment.0", "two devices"),
        ({"area": ""}, "equipment.0", "area"),
        ({"inputs": ["nothing"]}, "domains", "nothing fills"),
        ({"every": {"health": "0s"}}, "every", "above 0"),
    ],
)
def test_bad_config_names_its_place(change: dict[str, Any], where: str, what: str) -> None:
    value = {"domains": [{**PUMPS, "equipment": [{**PUMPS["equipment"][0], **change}]}]}
    with pytest.raises(ConfigError) as caught:
        World(parse(value, WorldConfig, "w.yaml"), START, 1)
    assert where in str(caught.value)
    assert what in str(caught.value)


def test_unknown_fault_and_device_are_config_errors(make_world: Any) -> None:
    with pytest.raises(ConfigError, match="no device matches"):
        make_world(PUMPS, faults=[{"at": "1s", "device": "fan-*", "fault": "cavitation"}])
    with pytest.raises(ConfigError, match="no fault"):
        make_world(PUMPS, faults=[{"at": "1s", "device": "pump-*", "fault": "rust"}])
    with pytest.raises(ConfigError, match="no channel"):
        make_world(PUMPS, faults=[{"at": "1s", "device": "pump-*", "fault": "sensor_bias"}])


def test_events_of_failures_are_alarms(make_world: Any) -> None:
    world = make_world(PUMPS, history="20d")
    failures = [n for n in world.notes() if isinstance(n, Event) and n.name == "failure"]
    assert failures
    assert all(n.severity == "alarm" for n in failures)


def test_rendering_must_follow_on(make_world: Any) -> None:
    world = make_world(PUMPS)
    with pytest.raises(ValueError, match="events up to"):
        world.render(0, NS)
    world.advance(NS)
    with pytest.raises(ValueError, match="after 0"):
        world.render(5, NS)
