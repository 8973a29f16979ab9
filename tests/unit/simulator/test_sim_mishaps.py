"""Faults: when they come, what they do, and the label each leaves in the sealed truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from core.clock import NS
from core.command import CommandResult
from core.config import parse
from core.errors import ConfigError
from simulator.faults import GENERIC, FaultConfig
from simulator.truth import OPEN
from simulator.world import World
from tests.sim_worlds import AIR, PUMPS, START, build, collect, command

YEAR = 365.2425 * 86_400


def labels(world: World) -> list[dict[str, Any]]:
    rows = world.close_truth().tables()["faults"].to_pylist()
    return sorted(rows, key=lambda r: (r["t0"], r["device"]))


def test_labels_survive_the_file(tmp_path: Path) -> None:
    faults = [
        {"at": 3, "lasts": 4, "device": "pump-01", "fault": "sensor_bias", "args": {"channel": "flow", "size": 2.5}},
        {"at": 5, "until": 9, "device": "pump-02", "fault": "clock_jump", "args": {"size": -2}},
        {"at": 6, "device": "pump-03", "fault": "cavitation", "args": {"size": 0.4}},
        {"at": 7, "lasts": 1, "area": "ut*", "fault": "link_degrade", "args": {"loss": 0.5, "delay": "1s"}},
        {"at": 99, "device": "pump-01", "fault": "sensor_stuck", "args": {"channel": "flow"}},
    ]
    world = build(PUMPS, faults=faults)
    collect(world, 30 * NS)
    world.close_truth().write(tmp_path)
    rows = parquet.read_table(tmp_path / "faults.parquet").to_pylist()
    found = {(r["device"][8:], r["fault"], r["target"], (r["t0"] - START) / NS, r["t1"], r["detail"]) for r in rows}
    assert {f[:4] for f in found} == {
        ("pump-01", "sensor_bias", "flow", 3), ("pump-02", "clock_jump", "clock", 5),
        ("pump-03", "cavitation", "cavitation", 6),
        *((f"pump-0{n}", "link_degrade", "link", 7) for n in (1, 2, 3)),
    }  # fmt: skip
    assert {f[1]: json.loads(f[5]) for f in found} == {f["fault"]: f["args"] for f in faults[:4]}
    ends = {f[1]: f[4] for f in found}
    assert ends["sensor_bias"] == START + 7 * NS
    assert ends["cavitation"] == OPEN


def test_random_faults_come_as_often_as_told_from_their_own_generator() -> None:
    often = {"per_year": YEAR / 600, "lasts": "10s"}
    fault = {"device": "pump-*", "fault": "sensor_dropout", "args": {"channel": "flow"}, "random": often}
    world = build(PUMPS, faults=[fault], history="2d", live=False)
    world.advance(0)
    mine = labels(world)
    assert len(mine) == pytest.approx(3 * 2 * 86_400 / 610, rel=0.12)
    spans = [(r["t1"] - r["t0"]) / NS for r in mine if r["t1"] != OPEN]
    assert np.mean(spans) == pytest.approx(10, rel=0.15)
    other = {**fault, "device": "pump-01", "fault": "sensor_noise"}
    again = build(PUMPS, faults=[other, fault], history="2d", live=False)
    again.advance(0)
    assert [r for r in labels(again) if r["fault"] == "sensor_dropout"] == mine


def test_a_regular_distribution_scatters_less() -> None:
    def scatter(shape: float) -> float:
        often = {"per_year": YEAR / 300, "lasts": "1s", "spread": "fixed", "shape": shape}
        world = build(
            PUMPS, faults=[{"device": "pump-01", "fault": "clock_jump", "random": often}], history="3d", live=False
        )
        world.advance(0)
        gaps = np.diff([r["t0"] for r in labels(world)])
        assert np.mean(gaps) / NS == pytest.approx(301, rel=0.1)
        return float(np.std(gaps) / np.mean(gaps))

    assert scatter(1.0) == pytest.approx(1.0, abs=0.12)
    assert scatter(5.0) == pytest.approx(0.229, abs=0.04)  # Weibull of shape 5


def test_clocks_show_in_t_and_nowhere_else() -> None:
    plain = collect(build(AIR), 600 * NS)
    air = {**AIR, "equipment": [{**AIR["equipment"][0], "clock": {"offset": "0.25s", "ppm": 100}}]}
    faults = [{"at": 100, "until": 200, "device": "air*", "area": "", "fault": "clock_jump", "args": {"size": -5}}]
    world = build(air, faults=faults)
    off = collect(world, 600 * NS)
    for path, (seq, t, x, q) in plain.items():
        assert (off[path][0] == seq).all()
        assert off[path][2].tobytes() == x.tobytes()
        assert off[path][3].tobytes() == q.tobytes()
        error = (off[path][1] - t) / NS
        true = (t - START) / NS
        jumped = (true >= 100) & (true < 200)
        expected = 0.25 + 100e-6 * true - 5.0 * jumped
        assert np.abs(error - expected).max() < 0.002
        assert len(set(off[path][1].tolist())) == len(t)
    assert {r["t0"] for r in labels(world)} == {START + 100 * NS}


def test_a_trainer_injects_and_clears_where_the_scenario_allows_it() -> None:
    def send(world: World, id: str, **args: Any) -> CommandResult:
        world.apply(command("f1/util/pump-01", args.pop("name", "inject_fault"), id=id, **args), world.now)
        (note,) = [n for n in world.notes() if isinstance(n, CommandResult)]
        return note

    refused = send(build(PUMPS), "1", fault="cavitation")
    assert (refused.status, "trainer: true" in refused.detail) == ("refused", True)

    world = World(parse({"domains": [PUMPS], "trainer": True}, type(build().config), "t"), START, 7)
    assert {"inject_fault", "clear_fault"} <= {c.name for c in world.devices[0].commands}
    assert send(world, "2", fault="sensor_bias", channel="flow", size=50.0).status == "done"
    before = collect(world, 5 * NS)["f1/util/pump-01/process"][2]
    assert send(world, "3", name="clear_fault", fault="sensor_bias").status == "done"
    after = collect(world, 9 * NS)["f1/util/pump-01/process"][2]
    assert before[-1, 2] - after[0, 2] > 30
    assert send(world, "4", fault="cavitation", lasts="3s").status == "done"
    for id, bad in enumerate(
        ({"fault": "rust"}, {"fault": "sensor_bias", "channel": "state"}, {"fault": "cavitation", "lasts": -1},
         {"name": "clear_fault", "fault": "rust"}), 5,
    ):  # fmt: skip
        answer = send(world, str(id), **bad)
        assert answer.status == "refused"
        assert "\n" not in answer.detail
    world.advance(20 * NS)
    assert [(r["fault"], (r["t0"] - START) // NS, (r["t1"] - START) // NS) for r in labels(world)] == [
        ("sensor_bias", 0, 5), ("cavitation", 9, 12),
    ]  # fmt: skip


BIAS = {"device": "pump-01", "fault": "sensor_bias"}


@pytest.mark.parametrize(
    ("fault", "where", "what"),
    [
        ({"device": "pmp-01", "fault": "cavitation"}, "faults.0.device", "did you mean pump-01"),
        ({"area": "hall", "fault": "cavitation"}, "faults.0.area", "no area"),
        ({"device": "pump-01", "fault": "cavitatoin"}, "faults.0.fault", "did you mean cavitation"),
        (
            {**BIAS, "args": {"channel": "flw"}},
            "args.channel",
            "did you mean flow",
        ),
        ({**BIAS, "args": {"channel": "state"}}, "args.channel", "no instrument"),
        (
            {**BIAS, "args": {"channel": "flow", "unit": "Cel"}},
            "args.unit",
            "m3/h",
        ),
        ({**BIAS, "args": {"chance": 3}}, "args.chance", "between 0 and 1"),
        ({"device": "pump-01", "fault": "link_outage", "args": {"size": 3}}, "args.size", "no argument"),
        ({"device": "pump-01", "fault": "bearing_fatigue", "args": {"rate": -2}}, "args.rate", "at least 0"),
    ],
)
def test_bad_faults_say_where_and_what(fault: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(PUMPS, faults=[{"at": 1, **fault}])
    assert where in caught.value.where
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ({"at": 5, "until": 3, "device": "x", "fault": "y"}, "ends"),
        ({"at": 5, "lasts": "-3s", "device": "x", "fault": "y"}, "lasts"),
        ({"device": "x", "fault": "y"}, "at"),
        ({"at": 1, "fault": "y"}, "device or an area"),
        ({"device": "x", "fault": "y", "random": {"per_year": -1}}, "per_year"),
    ],
)
def test_impossible_times_are_refused(fault: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        parse(fault, FaultConfig, "scenario.yaml:faults.0")


def test_a_link_fault_needs_a_link() -> None:
    wired = {**PUMPS, "equipment": [{**PUMPS["equipment"][0], "protocols": ["opcua"]}]}
    with pytest.raises(ConfigError, match="MQTT only"):
        build(wired, faults=[{"at": 1, "device": "pump-01", "fault": "link_outage"}])


def test_every_generic_fault_has_words_in_both_languages() -> None:
    for fault in GENERIC.values():
        assert fault.label.en.isascii()
        assert not fault.label.ko.isascii()


def test_changes_of_sensors_reach_what_they_name_and_nothing_else() -> None:
    change = {"kind": "pump", "device": "pump-02", "channel": "fl*", "set": {"offset": 30}}
    domain = {**PUMPS, "sensors": [change]}
    plain, changed = collect(build(PUMPS), 5 * NS), collect(build(domain), 5 * NS)
    for path in plain:
        same = plain[path][2].tobytes() == changed[path][2].tobytes()
        assert same == (path != "f1/util/pump-02/process")
    with pytest.raises(ConfigError, match=r"domains.0:sensors\.0"):
        build({**PUMPS, "sensors": [{**change, "channel": "pm25"}]})


@pytest.mark.parametrize(
    ("sensors", "what"),
    [
        ({"flw": {}}, "did you mean flow"),
        ({"state": {"noise": 1}}, "no instrument"),
        ({"flow": {"cross": [{"to": "moon"}]}}, "nothing here is called 'moon'"),
        ({"flow": {"cross": [{"to": "temperature", "kappa": 0.3}]}}, "no relative humidity"),
    ],
)
def test_bad_sensors_say_where_and_what(sensors: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        build({**PUMPS, "equipment": [{**PUMPS["equipment"][0], "sensors": sensors}]})
    assert caught.value.where.startswith("domains.0:equipment.0.sensors.")


@pytest.mark.parametrize("bad", [{"noise": -1}, {"dropout": 1.5}, {"low": 3, "high": 2}, {"lag": -1}])
def test_impossible_sensors_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="sensors"):
        build({**PUMPS, "equipment": [{**PUMPS["equipment"][0], "sensors": {"flow": bad}}]})
