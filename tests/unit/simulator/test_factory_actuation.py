"""Commands change throughput, wear and energy, and are refused for a reason; the event log tells what happened."""

from __future__ import annotations

from collections import Counter
from datetime import date
from itertools import pairwise
from typing import Any

import pytest

from core import eventlog
from core.clock import NS
from core.command import CommandResult, Event
from core.errors import ConfigError
from simulator.holidays import DAY, HOUR, KST, is_holiday
from simulator.process.packml import PACKML
from simulator.process.shifts import ShiftConfig
from simulator.world import World
from tests.sim_worlds import START, build, command

H = 3600 * NS
NEVER = {"life_h": 1e6, "scatter": 0.0, "roughness": 0.0}
KINDS = ("filler", "capper", "labeller", "inspection", "case_packer")


def alone(kind: str, **more: Any) -> World:
    entry = {"kind": kind, "area": "a", **({"parts": NEVER} if kind in KINDS else {}), **more}
    world = build({"domain": "factory", "site": "s", "equipment": [entry]})
    world.advance(H)
    return world


def answer(world: World, name: str, **args: Any) -> CommandResult:
    world.notes()
    (device,) = world.assets
    world.apply(command(device, name, **args), world.now)
    world.advance(world.now + 1)
    return next(n for n in world.notes() if isinstance(n, CommandResult))


def day(world: World, name: str = "", **args: Any) -> tuple[float, float, float, int]:
    """Return (units made, wear in s, kWh, rejects) of the day after a command."""
    (asset,) = world.assets.values()
    if name:
        assert answer(world, name, **args).status == "done"
    (part,) = asset.components.values()

    def now() -> tuple[float, float, float, int]:
        return asset.get("made"), part.age_s, asset.get("energy"), getattr(asset, "_rejected", 0)

    before = now()
    world.advance(world.now + 24 * H)
    made, age, kwh, bad = (after - was for after, was in zip(now(), before, strict=True))
    return made, age, kwh, int(bad)


@pytest.mark.parametrize("kind", KINDS)
def test_half_the_speed_makes_half_and_spares_parts_and_energy(kind: str) -> None:
    speed = alone(kind).assets[f"s/a/{kind}-01"].rated  # type: ignore[attr-defined]
    full, slow, derated = (
        day(alone(kind)),
        day(alone(kind), "set_speed", speed=speed / 2),
        day(alone(kind), "derate", factor=0.5),
    )
    for half in (slow, derated):
        assert half[0] == pytest.approx(full[0] / 2, rel=0.03)
        assert half[1] < 0.4 * full[1]
        assert half[2] < 0.75 * full[2]


@pytest.mark.parametrize(
    ("kind", "name", "args"),
    [
        ("filler", "set_seal", {"temperature": 180.0}),
        ("filler", "set_weight", {"mass": 1030.0}),
        ("capper", "set_torque", {"torque": 2.4}),
        ("case_packer", "set_glue", {"temperature": 145.0}),
        ("inspection", "set_threshold", {"threshold": 1.6}),
    ],
)
def test_a_set_point_off_the_recipe_costs_packs(kind: str, name: str, args: dict[str, float]) -> None:
    good, off = day(alone(kind)), day(alone(kind), name, **args)
    assert off[3] > 2 * good[3] + 50


def test_hot_jaws_and_tight_caps_wear_and_hot_jaws_take_energy() -> None:
    usual, hot = day(alone("filler")), day(alone("filler"), "set_seal", temperature=180.0)
    assert hot[1] == pytest.approx(2.0 * usual[1], rel=0.03)
    assert hot[2] > 1.03 * usual[2]
    usual, tight = day(alone("capper")), day(alone("capper"), "set_torque", torque=2.4)
    assert tight[1] == pytest.approx((2.4 / 1.8) ** 2 * usual[1], rel=0.03)


@pytest.mark.parametrize(
    ("kind", "name", "args", "reason"),
    [
        ("filler", "set_seal", {"temperature": 250.0}, "outside"),
        ("filler", "set_speed", {"speed": 12_000.0}, "outside"),
        ("filler", "set_speed", {"speed": "fast"}, "must be a number"),
        ("capper", "set_torque", {"torque": 0.1}, "outside"),
        ("pump", "set_speed", {"factor": 2.0}, "outside"),
        ("cnc", "derate", {"factor": 0.0}, "outside"),
        ("labeller", "maintain", {"parts": "wheel"}, "no component"),
        ("climate_hall", "set_fan", {"factor": 0.0}, "outside"),
    ],
)
def test_out_of_range_is_refused_with_its_reason(kind: str, name: str, args: dict[str, Any], reason: str) -> None:
    result = answer(alone(kind), name, **args)
    assert result.status == "refused"
    assert reason in result.detail


@pytest.mark.parametrize("kind", [*KINDS, "cnc", "pump", "fan", "compressor", "climate_hall"])
def test_nothing_starts_or_stops_in_maintenance_and_parts_are_renewed(kind: str) -> None:
    world = alone(kind)
    (asset,) = world.assets.values()
    (part,) = asset.components.values()
    life = part.life.number
    assert answer(world, "maintain", duration=600.0).status == "accepted"
    for name in ("start", "stop", "maintain"):
        refused = answer(world, name)
        assert (refused.status, refused.detail) == ("refused", "interlock: equipment is in maintenance")
    world.advance(world.now + 601 * NS)
    assert part.life.number == life + 1
    assert answer(world, "stop").status == "done"
    age = part.age_s
    world.advance(world.now + H)
    assert part.age_s == age  # what stands still does not wear


def test_cold_jaws_do_not_start() -> None:
    world = alone("filler")
    assert answer(world, "stop").status == "done"
    assert answer(world, "maintain", duration=3600.0).status == "accepted"
    world.advance(world.now + 3601 * NS)
    refused = answer(world, "start")
    assert (refused.status, "jaws are cold" in refused.detail) == ("refused", True)
    world.advance(world.now + H)
    assert answer(world, "start").status == "done"


def events(world: World, name: str, device: str = "") -> list[Event]:
    return [n for n in world.notes() if isinstance(n, Event) and n.name == name and n.device.endswith(device)]


def test_the_log_tells_states_lots_and_set_ups() -> None:
    world = alone("filler", products=2, campaign=3, changeover="10m")
    world.notes()
    world.advance(48 * H)
    (filler,) = world.assets.values()
    told = [n for n in world.notes() if isinstance(n, Event)]
    words = [(n.name, eventlog.fields(n.text)) for n in told]
    lots = [w for name, w in words if name == eventlog.LOT]
    assert [int(w["lot"]) for w in lots] == list(range(int(lots[0]["lot"]), int(lots[-1]["lot"]) + 1))
    assert all(int(w["made"]) == int(w["good"]) + int(w["scrap"]) == 2400 for w in lots)
    assert sum(int(w["made"]) for w in lots) <= filler.get("made")
    states = [w for name, w in words if name == eventlog.STATE]
    assert {w["state"] for w in states} <= set(PACKML.values())
    assert all(later["was"] == earlier["state"] for earlier, later in pairwise(states))
    assert {w.get("cause") for w in states if w["state"] == "held"} == {"splice", "changeover"}
    count = Counter(name for name, _ in words)
    assert count[eventlog.SETUP_BEGIN] - count[eventlog.SETUP_END] in (0, 1)
    spans = [n.t for n in told if n.name in (eventlog.SETUP_BEGIN, eventlog.SETUP_END)]
    assert spans[1] - spans[0] == 600 * NS
    assert {w["product"] for w in lots} == {"1", "2"}


@pytest.mark.parametrize(("grain", "per_lot"), [("lot", 1), ("pallet", 3), ("case", 200), (600, 4)])
def test_the_grain_of_the_flow_is_a_setting(grain: Any, per_lot: int) -> None:
    world = alone("filler", grain=grain, outputs=["out"])
    world.advance(25 * H)
    (filler,) = world.assets.values()
    assert filler.outputs[0].entered / filler.lots == pytest.approx(per_lot, rel=0.05)  # type: ignore[attr-defined]


def test_a_shift_is_kept_and_told() -> None:
    """START is a Saturday afternoon in Korea: nothing is made before Monday 6 h."""
    world = build(
        {
            "domain": "factory", "site": "s",
            "equipment": [{"kind": "filler", "area": "a", "parts": NEVER, "shift": {"begin": 6, "end": 14}}],
        }
    )  # fmt: skip
    (filler,) = world.assets.values()
    monday = START // DAY * DAY + 2 * DAY + 6 * HOUR - KST - START
    world.advance(monday)
    assert filler.get("made") == 0
    world.advance(monday + 7 * H)
    assert filler.get("made") > 35_000
    world.advance(monday + 12 * H)
    made = filler.get("made")
    assert filler.state.name == "IDLE"
    world.advance(monday + 23 * H)
    assert filler.get("made") == made
    notes = [n for n in world.notes() if isinstance(n, Event) and n.name.startswith("shift")]
    assert [n.name for n in notes] == ["shift-begin", "shift-end"]
    assert notes[1].t - notes[0].t == 8 * H


def test_korean_holidays() -> None:
    off = ("2025-10-06", "2026-02-17", "2026-01-01", "2026-09-25", "2026-12-25", "2027-02-09")
    assert all(is_holiday(date.fromisoformat(text)) for text in off)
    assert not is_holiday(date(2026, 2, 19))
    assert not ShiftConfig(holidays=(date(2026, 8, 3),)).works(date(2026, 8, 3))


def test_a_repair_waits_for_a_crew_and_goes_before_planned_work() -> None:
    hall = {
        "domain": "factory", "site": "s", "crew": 1, "repair": "1h",
        "equipment": [{"kind": "pump", "area": "u", "count": 4, "bearing": NEVER}],
    }  # fmt: skip
    soon = [{"at": 60 * n, "device": f"pump-0{n}", "fault": "bearing_fatigue", "args": {"fails_in": 1}} for n in (1, 2)]
    world = build(hall, faults=soon)
    world.advance(90 * NS)
    world.apply(command("s/u/pump-03", "maintain", id="3", duration=600), world.now)
    world.advance(4 * H)
    log = [(n.name, n.device[-1]) for n in world.notes() if isinstance(n, Event) and n.name != "state"]
    assert log == [
        ("failure", "1"), ("repair-begin", "1"), ("maintain-wait", "3"), ("failure", "2"), ("repair-wait", "2"),
        ("repaired", "1"), ("repair-begin", "2"), ("repaired", "2"), ("maintenance", "3"), ("maintained", "3"),
    ]  # fmt: skip


LINE = [
    {"kind": "filler", "area": "a", "outputs": ["x", ], "speed": 5000},
    {"kind": "capper", "area": "a", "inputs": ["x"], "outputs": ["y"]},
]  # fmt: skip


def factory(**line: Any) -> World:
    domain = {"domain": "factory", "site": "s", "flows": {"x": 3}, "equipment": LINE, "lines": [{"like": "a", **line}]}
    return build(domain)


def test_one_line_of_yaml_makes_many_lines() -> None:
    world = factory(count=50, set={"spread": 0.03})
    assert len(world.assets) == 102
    fillers = [asset for path, asset in world.assets.items() if "filler" in path]
    assert len({asset.outputs[0].name for asset in fillers}) == 51
    assert {asset.outputs[0].capacity for asset in fillers} == {3}
    speeds = [asset.rated for asset in fillers[1:]]  # type: ignore[attr-defined]
    assert 0.02 < (sum((s / 5000 - 1) ** 2 for s in speeds) / 50) ** 0.5 < 0.04
    assert fillers[0].rated == 5000  # type: ignore[attr-defined]


def test_lines_may_share_a_flow() -> None:
    world = factory(count=2, shared=["y"])
    assert {a.outputs[0].name for p, a in world.assets.items() if "capper" in p} == {"y"}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ({"like": "b"}, "no equipment stands in area 'b'"),
        ({"count": 2, "area": "z"}, "area of its own"),
        ({"set": {"colour": 1}}, "no machine of the line has 'colour'"),
        ({"set": {"lot": -4}}, "lot"),
    ],
)
def test_a_wrong_line_is_told(line: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        factory(**line)


def test_flows_take_number_and_area() -> None:
    entries = [
        {"kind": "filler", "area": "a", "count": 2, "outputs": ["f-{n}"]},
        {"kind": "capper", "area": "a", "count": 2, "inputs": ["f-{n}"]},
    ]
    world = build({"domain": "factory", "site": "s", "equipment": entries})
    assert world.assets["s/a/capper-02"].inputs[0].name == "f-2"
