"""Milling: the rules of AI4I 2020, tool life, derating, trips."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult, Event
from simulator.process import milling
from simulator.process.milling import GRADES, MEAN_PART, Part, draw_part, failure_mode
from simulator.wear.tool import ToolWear
from simulator.world import World
from tests.sim_worlds import build, collect, command

H = 3600 * NS
DATA = Path(os.environ.get("IIOT_DATA", Path(__file__).parents[4] / "shared" / "data"))
LOW, MEDIUM, HIGH = GRADES.values()
CNC = "s/m/cnc-01"


def shop(**more: Any) -> dict[str, Any]:
    return {"domain": "factory", "site": "s", "equipment": [{"kind": "cnc", "area": "m", **more}]}


@pytest.mark.parametrize(
    ("part", "tool_min", "grade", "mode"),
    [
        (MEAN_PART, 0.0, LOW, None),
        (Part(50.0, 1400.0, 10.0), 220.0, LOW, None),  # exactly 11,000
        (Part(50.1, 1400.0, 10.0), 220.0, LOW, milling.OVERSTRAIN),
        (Part(50.1, 1400.0, 10.0), 220.0, MEDIUM, None),
        (Part(60.0, 1300.0, 10.0), 200.1, MEDIUM, milling.OVERSTRAIN),
        (Part(60.0, 1300.0, 10.0), 216.0, HIGH, None),
        (Part(60.0, 1300.0, 10.0), 217.0, HIGH, milling.OVERSTRAIN),
        (Part(45.0, 1379.0, 8.5), 0.0, LOW, milling.HEAT),
        (Part(45.0, 1380.0, 8.5), 0.0, LOW, None),
        (Part(45.0, 1379.0, 8.6), 0.0, LOW, None),
        (Part(10.0, 2500.0, 10.0), 0.0, LOW, milling.POWER),  # 2618 W
        (Part(68.0, 1300.0, 10.0), 0.0, LOW, milling.POWER),  # 9257 W
        (Part(30.0, 2800.0, 10.0), 0.0, LOW, None),  # 8796 W
    ],
)
def test_rules(part: Part, tool_min: float, grade: milling.Grade, mode: str | None) -> None:
    assert failure_mode(part, tool_min, grade) == mode


def test_the_rules_give_the_flags_of_the_real_data() -> None:
    file = DATA / "ai4i2020.csv"
    if not file.exists():
        pytest.skip(f"NOT TESTED ON REAL DATA: no {file}; set IIOT_DATA to the folder of AI4I 2020")
    grades = {"L": LOW, "M": MEDIUM, "H": HIGH}
    with file.open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    hit = doubtful = 0
    for row in rows:
        excess = round(float(row["Process temperature [K]"]) - float(row["Air temperature [K]"]), 1)
        if excess == milling.COLD_K:  # the file's temperatures are rounded: which side was it?
            doubtful += 1
            continue
        part = Part(float(row["Torque [Nm]"]), float(row["Rotational speed [rpm]"]), excess)
        flags = {
            m: row[f] == "1" for m, f in ((milling.OVERSTRAIN, "OSF"), (milling.HEAT, "HDF"), (milling.POWER, "PWF"))
        }
        mode = failure_mode(part, float(row["Tool wear [min]"]), grades[row["Type"]])
        assert (mode is None) == (not any(flags.values())), row
        assert mode is None or flags[mode], row
        hit += mode is not None
    assert hit > 250
    assert doubtful < 400


def test_drawn_parts_fail_as_often_as_the_data_set_says() -> None:
    draw, part, n = np.random.default_rng(1), MEAN_PART, 40_000
    modes: list[str | None] = []
    torque, rpm = np.empty(n), np.empty(n)
    wear, limit, grade = 0.0, 220.0, LOW
    for i in range(n):
        part = draw_part(draw, part)
        torque[i], rpm[i] = part.torque, part.rpm
        grade = (LOW, MEDIUM, HIGH)[int(draw.choice(3, p=[0.5, 0.3, 0.2]))]
        modes.append(failure_mode(part, wear, grade))
        wear += grade.wear_min
        if wear > limit:
            wear, limit = 0.0, float(draw.uniform(200, 240))
    shares = {m: 1e4 * modes.count(m) / n for m in (milling.HEAT, milling.POWER, milling.OVERSTRAIN)}
    assert shares[milling.HEAT] == pytest.approx(115, abs=30), shares
    assert shares[milling.POWER] == pytest.approx(95, abs=25), shares
    assert shares[milling.OVERSTRAIN] == pytest.approx(98, abs=30), shares
    assert torque.mean() == pytest.approx(39.99, abs=0.3)
    assert rpm.mean() == pytest.approx(1538.8, abs=15)
    assert np.corrcoef(torque, rpm)[0, 1] == pytest.approx(-0.875, abs=0.04)


def test_a_tool_lives_200_to_240_minutes() -> None:
    lives = np.array([ToolWear().path(np.random.default_rng(k)).life_s / 60 for k in range(300)])
    assert 200 <= lives.min() < 203
    assert 237 < lives.max() <= 240


def lives(world: World) -> list[dict[str, Any]]:
    return [row for row in world.close_truth().tables()["lives"].to_pylist() if row["end"] != "open"]


def test_tools_are_replaced_or_fail_with_a_named_mode() -> None:
    world = build(shop(count=6), history="30d")
    ends = lives(world)
    modes = {row["mode"] for row in ends if row["end"] == "failure"}
    assert modes == {milling.TOOL_WEAR, milling.OVERSTRAIN}
    worn = sum(row["mode"] == milling.TOOL_WEAR for row in ends)
    replaced = sum(row["end"] == "maintenance" for row in ends)
    assert 0.2 < worn / (worn + replaced) < 0.55  # 51 of 120 in the data set
    trips = world.truth.tables()["faults"].to_pylist()
    assert {row["fault"] for row in trips} >= {milling.HEAT, milling.POWER}
    assert all(row["t1"] - row["t0"] == 600 * NS for row in trips)


def test_without_an_operator_every_tool_fails() -> None:
    world = build(shop(change_at_min=0), history="20d")
    assert {row["end"] for row in lives(world)} == {"failure"}


def parts(world: World) -> float:
    return world.assets[CNC].get("parts") + world.assets[CNC].get("scrap")


def test_derating_slows_the_work_and_saves_the_tool() -> None:
    def after(factor: float) -> tuple[float, float]:
        world = build(shop(lot=100, tool={"low_min": 5000, "high_min": 5000}), seed=3)
        world.apply(command(CNC, "derate", factor=factor), 0)
        world.advance(12 * H)
        asset = world.assets[CNC]
        return asset.get("made"), asset.components["tool"].age_s

    (made, age), (slow, spared) = after(1.0), after(0.8)
    assert slow == pytest.approx(0.8 * made, rel=0.03)
    assert spared == pytest.approx(0.8**4 * age, rel=0.03)


def test_derating_acts_at_once_and_can_be_undone() -> None:
    world = build(shop(cycle="1000s", setup="0s"))
    world.advance(500 * NS)
    assert world.assets[CNC].get("made") == pytest.approx(0.5)
    world.apply(command(CNC, "derate", factor=0.5), world.now)
    world.advance(900 * NS)
    assert world.assets[CNC].get("made") == pytest.approx(0.7)
    world.apply(command(CNC, "derate", factor=1.0), world.now)
    world.advance(1199 * NS)
    assert parts(world) == 0
    world.advance(1201 * NS)
    assert parts(world) == 1


@pytest.mark.parametrize("name", ["derate", "set_speed"])
def test_tools_follow_taylors_law(name: str) -> None:
    """V T^n = C: over speeds, the logarithm of a tool's life falls with slope -1/n (n = 0.25: carbide)."""

    def life_min(speed: float) -> float:
        world = build(shop(lot=1000, setup=1, change_at_min=0, tool={"low_min": 220, "high_min": 220, "taylor": 0.25}))
        world.advance(NS * 5)
        world.apply(command(CNC, name, factor=speed), world.now)
        asset = world.assets[CNC]
        return 220.0 / asset.stress("tool")

    speeds = np.array([0.6, 0.8, 1.0])
    lives_ = np.array([life_min(speed) for speed in speeds])
    slope = np.polyfit(np.log(speeds), np.log(lives_), 1)[0]
    assert slope == pytest.approx(-4.0, rel=1e-6)


def test_the_rules_judge_a_speed_that_the_operator_sets() -> None:
    """30 % more speed is 30 % more power: the 9,000 W limit trips far more often; derating trips nothing more."""

    def trips(name: str, factor: float) -> int:
        world = build(shop(count=3))
        world.advance(NS)
        for path in world.assets:
            world.apply(command(path, name, factor=factor), world.now)
        world.advance(20 * 24 * H)
        return sum(isinstance(n, Event) and n.name == "failure" and "power" in n.text for n in world.notes())

    usual = trips("set_speed", 1.0)
    assert trips("set_speed", 1.25) > 3 * usual
    assert trips("derate", 0.8) < 2 * usual


def test_a_random_failure_hits_one_part_in_a_thousand() -> None:
    world = build(shop(count=20), history="30d")
    made = sum(asset.get("parts") + asset.get("scrap") for asset in world.assets.values())
    hit = sum(isinstance(n, Event) and n.name == "failure" and "random" in n.text for n in world.notes())
    assert hit / made == pytest.approx(0.001, abs=4 * (0.001 / made) ** 0.5)


def test_maintenance_replaces_the_tool() -> None:
    world = build(shop(), history="8h")
    tool = world.assets[CNC].components["tool"]
    assert tool.age_s > 0
    world.apply(command(CNC, "maintain", duration=120, parts="tool"), 0)
    world.advance(121 * NS)
    assert tool.age_s < 10
    results = [n.status for n in world.notes() if isinstance(n, CommandResult)]
    assert results == ["accepted", "done"]


def test_a_lost_coolant_trips_the_machine_more_often() -> None:
    def trips(*faults: Any) -> int:
        world = build(shop(count=2), history="10d", faults=faults)
        return sum(isinstance(n, Event) and n.name == "failure" and "heat" in n.text for n in world.notes())

    assert trips({"at": "-10d", "device": "cnc-*", "fault": "coolant_loss", "args": {"size": 2.0}}) > 2 * trips() + 5


def test_rows_keep_the_rules_in_sight() -> None:
    world = build(shop(count=2), history="1h")
    for _, _, x, _ in collect(world, 8 * H, step=H).values():
        row = dict(zip(world.catalog.layout("cnc.spindle").columns, x.T, strict=True))
        cutting = row["state"] == 1
        w = row["torque"] * row["spindle_speed"] * (2 * np.pi / 60) / 1000
        assert np.nanmax(np.abs(w - row["power"])[cutting][30:]) < 6
        assert np.nanmedian(np.abs(w - row["power"])[cutting]) < 0.15
        assert (row["spindle_speed"][row["state"] == 7] < 10).all()
        assert (np.diff(row["parts"]) >= 0).all()
        assert 7 < np.nanmean(row["process_temp"] - row["air_temp"]) < 11
