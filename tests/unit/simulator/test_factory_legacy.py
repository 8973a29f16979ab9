"""The old machines: physics that a process engineer would look for, their 16-bit counters, their commands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult
from core.config import load, parse
from core.errors import ConfigError
from simulator.domain import DomainConfig, devices
from simulator.equipment.chiller import saturation
from simulator.stations import stations
from simulator.world import World
from tests.sim_worlds import Rows, build, collect, command
from tests.unit.simulator.test_factory_config import FACTORY

H = 3600 * NS


def plant(kind: str, **more: Any) -> dict[str, Any]:
    entry = {"kind": kind, "area": "old", "id": "m", "part": {"life_h": 1e6}, **more}
    return {"domain": "factory", "site": "s", "equipment": [entry]}


def column(rows: Rows, world: World, stream: str, channel: str) -> np.ndarray:
    entry = world.catalog.find(f"s/old/m/{stream}")
    assert entry is not None
    return rows[entry.path][2][:, entry.spec.layout.column(channel)]


def test_saturation_of_r134a_is_that_of_the_tables() -> None:
    """NIST: 2.93 bar at 0 Cel, 5.72 bar at 20 Cel, 10.17 bar at 40 Cel."""
    assert saturation(np.array([0.0, 20.0, 40.0])) == pytest.approx([2.93, 5.72, 10.17], rel=0.01)


def test_the_counter_begins_again_after_65535() -> None:
    world = build(plant("hydraulic_press", cycle="1s", every={"press": "10s"}), history="65500s", seed=3)
    strokes = column(collect(world, 200 * NS, step=60 * NS), world, "press", "strokes")
    assert strokes.max() <= 65_535
    wraps = np.flatnonzero(np.diff(strokes) < 0)
    assert len(wraps) == 1
    assert strokes[wraps[0] + 1] < 11


def test_the_press_builds_pressure_only_at_the_bottom() -> None:
    world = build(plant("hydraulic_press", every={"press": "100ms"}), history="6h")
    rows = collect(world, 90 * NS, step=10 * NS)
    pressure, ram = column(rows, world, "press", "pressure"), column(rows, world, "press", "ram_position")
    assert pressure.max() == pytest.approx(222.0, abs=8.0)
    assert ram[pressure > 150].min() > 330
    assert ram.min() < 20


def test_the_melt_reaches_its_set_point_and_the_water_stays_below_boiling() -> None:
    world = build(plant("induction_furnace", every={"heat": "10s"}), history="12h")
    rows = collect(world, 2 * H, step=H)
    melt, power = column(rows, world, "heat", "melt_temp"), column(rows, world, "heat", "power")
    assert melt.max() == pytest.approx(1480.0, abs=15.0)
    assert melt.min() < 450
    assert power.max() < 650
    assert 26 < column(rows, world, "heat", "water_out").max() < 60


def test_a_dirty_condenser_costs_pressure_and_power() -> None:
    def summer(fault: bool) -> tuple[float, float]:
        faults = [{"at": "1s", "device": "m", "fault": "condenser_fouled"}] if fault else []
        world = build(plant("chiller", every={"cooling": "5s"}), history="6h", faults=faults)
        rows = collect(world, H, step=600 * NS)
        late = slice(10, None)
        return tuple(
            float(np.nanmean(column(rows, world, "cooling", c)[late])) for c in ("discharge_pressure", "power")
        )  # type: ignore[return-value]

    clean, dirty = summer(False), summer(True)
    assert dirty[0] > clean[0]
    assert dirty[1] > clean[1]


def test_torn_film_has_no_tension() -> None:
    faults = [{"at": "1s", "device": "m", "fault": "film_torn"}]
    world = build(plant("pallet_wrapper"), history="1h", faults=faults)
    rows = collect(world, 200 * NS, step=20 * NS)
    tension, speed = column(rows, world, "wrap", "film_tension"), column(rows, world, "wrap", "table_speed")
    assert speed.max() > 11
    assert np.abs(tension[3:]).max() < 6


def test_a_worn_ring_eats_the_cushion() -> None:
    faults = [{"at": "1s", "device": "m", "fault": "check_ring_abrasion", "args": {"fails_in": "2h"}}]
    world = build(plant("injection_press", every={"moulding": "10s"}), history="3h", faults=faults)
    cushion = column(collect(world, 7100 * NS, step=600 * NS), world, "moulding", "cushion")
    assert cushion[:20].mean() > 5
    assert cushion[-20:].mean() < 2.5


@pytest.mark.parametrize(
    ("kind", "name", "args", "status"),
    [
        ("injection_press", "set_temperature", {"temperature": 240.0}, "done"),
        ("injection_press", "set_temperature", {"temperature": 500.0}, "refused"),
        ("hydraulic_press", "set_pressure", {"pressure": 150.0}, "done"),
        ("pallet_wrapper", "set_tension", {"tension": 500.0}, "refused"),
        ("chiller", "reset", {}, "done"),
        ("chiller", "start", {}, "done"),
    ],
)
def test_commands(kind: str, name: str, args: dict[str, float], status: str) -> None:
    world = build(plant(kind), history="1h")
    world.apply(command("s/old/m", name, **args), world.now)
    (answer,) = [n for n in world.notes() if isinstance(n, CommandResult)]
    assert answer.status == status


def test_reset_sets_the_counter_to_zero() -> None:
    world = build(plant("hydraulic_press"), history="1h")
    world.apply(command("s/old/m", "reset"), world.now)
    strokes = column(collect(world, 30 * NS), world, "press", "strokes")
    assert strokes[0] == 0
    assert strokes[-1] == 3


def test_the_shipped_machines_have_units_of_their_own() -> None:
    listed = stations(devices(load(FACTORY, DomainConfig), 1))
    assert {s.device.device: s.unit for s in listed} == {
        "injection-press-01": 1, "injection-press-02": 2, "hydraulic-press-01": 11,
        "induction-furnace-01": 12, "chiller-01": 13, "pallet-wrapper-01": 14,
    }  # fmt: skip
    assert len({s.device.kind for s in listed}) >= 4


def test_more_machines_than_units_go_on_further_lines() -> None:
    entry = {"kind": "chiller", "area": "old", "count": 130, "modbus": {"unit": 100}}
    domain = parse({"domain": "factory", "site": "s", "copies": 3, "equipment": [entry]}, DomainConfig, "f.yaml")
    listed = stations(devices(domain, 1))
    assert len({(s.line, s.unit) for s in listed}) == len(listed) == 390
    assert [(s.line, s.unit) for s in listed[:130]] == [(0, 100 + n) for n in range(130)]
    assert {s.line for s in listed} == {0, 1}


@pytest.mark.parametrize(
    ("modbus", "where", "what"),
    [
        ({"registers": {"oil_temp": {"scale": 0}}}, "equipment.0.modbus.registers.oil_temp.scale", "other than 0"),
        ({"registers": {"oil_temp": {"type": "real"}}}, "equipment.0.modbus.registers.oil_temp.type", "'int16'"),
        ({"registers": {"oil_temp": {"address": 70000}}}, "equipment.0.modbus.registers.oil_temp.address", "65535"),
        ({"unit": 300}, "equipment.0.modbus.unit", "247"),
    ],
)
def test_a_wrong_entry_gives_one_line_with_its_path(modbus: Any, where: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(plant("hydraulic_press", modbus=modbus), DomainConfig, "f.yaml")
    assert error.value.where == f"f.yaml:{where}"
    assert what in str(error.value)


@pytest.mark.parametrize(
    ("entries", "what"),
    [
        ([{"modbus": {"registers": {"oil_temp": {"address": 1}, "force": {"address": 1}}}}], "overlap at input 1"),
        ([{"modbus": {"registers": {"oil": {"address": 1}}}}], "there is no such entry"),
        ([{"protocols": ["mqtt"], "modbus": {"unit": 1}}], "does not speak Modbus"),
        ([{"modbus": {"unit": 5}}, {"id": "n", "modbus": {"unit": 5}}], "has Modbus unit 5, as has s/old/m"),
    ],
)
def test_registers_that_cannot_be_give_one_line(entries: list[dict[str, Any]], what: str) -> None:
    listed = [plant("hydraulic_press", **entry)["equipment"][0] for entry in entries]
    domain = parse({"domain": "factory", "site": "s", "equipment": listed}, DomainConfig, "f.yaml")
    with pytest.raises(ConfigError, match=what):
        stations(devices(domain, 1))
