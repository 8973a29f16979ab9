"""The climate hall and the inspection station: balances, drifts, commands, interlocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult
from simulator.equipment.climate_hall import TAU_S, saturation_gkg
from simulator.world import World
from tests.sim_worlds import build, collect, command

H = 3600 * NS
HALL, CAMERA = "s/a/climate_hall-01", "s/a/inspection-01"
NEVER = {"life_h": 1e6, "scatter": 0.0}


def world_of(kind: str, history: str = "0s", faults: Any = (), **more: Any) -> World:
    entry = {"kind": kind, "area": "a", **more}
    return build({"domain": "factory", "site": "s", "equipment": [entry]}, history=history, faults=faults)


def answer(world: World, device: str, name: str, **args: Any) -> CommandResult:
    world.notes()
    world.apply(command(device, name, **args), world.now)
    world.advance(world.now + 1)
    return next(n for n in world.notes() if isinstance(n, CommandResult))


def test_heat_into_the_hall_is_heat_stored() -> None:
    """C dT = walls + gain + air + coil, step by step: nothing is lost, whatever the controller does."""
    world = world_of("climate_hall")
    hall: Any = world.assets[HALL]
    capacity = hall.config.ua_kw_k * TAU_S  # kJ / K
    world.advance(1)
    for _ in range(20):
        start = hall.get("temperature")
        outside = world.weather.now("temperature", world.now)
        flows = hall.flows_kw()
        target = outside + sum(flows.values()) / hall.config.ua_kw_k
        assert hall._table.rate(0, "temperature") == pytest.approx(target, abs=1e-6)
        step_s = hall.config.step / NS
        mean = target + (start - target) * TAU_S / step_s * -np.expm1(-step_s / TAU_S)
        walls = hall.config.ua_kw_k * (outside - mean) * step_s
        world.advance(world.now + hall.config.step - 1)
        stored = capacity * (hall.get("temperature") - start)
        assert stored == pytest.approx(walls + sum(flows.values()) * step_s, abs=1.0)
        world.advance(world.now + 2)


def test_a_zone_left_alone_follows_first_order() -> None:
    world = world_of("climate_hall", gain_kw=0, people=0, coil_kw=1e-6, fresh=1e-6, step="20m")
    hall: Any = world.assets[HALL]
    world.advance(6 * H)
    outside = world.weather.now("temperature", world.now)
    assert abs(hall.get("temperature") - outside) < 4  # from 22 Cel, November outside
    assert hall.get("temperature") < 14


def test_the_hall_holds_its_set_point_in_november_and_follows_a_new_one() -> None:
    world = world_of("climate_hall", history="1d")
    hall: Any = world.assets[HALL]
    assert hall.get("temperature") == pytest.approx(22.0, abs=1.0)
    assert answer(world, HALL, "set_temperature", temperature=18).status == "done"
    assert answer(world, HALL, "set_temperature", temperature=45).status == "refused"
    world.advance(8 * H)
    assert hall.get("temperature") == pytest.approx(18.0, abs=1.0)


def test_less_fan_takes_less_power_less_filter_and_leaves_worse_air() -> None:
    def after(factor: float) -> tuple[float, float, float]:
        world = world_of("climate_hall")
        world.apply(command(HALL, "set_fan", factor=factor), 0)
        world.advance(24 * H)
        hall: Any = world.assets[HALL]
        return hall.get("energy"), hall.components["filter"].age_s, hall.get("co2")

    (full, old, fresh), (half, young, stale) = after(1.0), after(0.5)
    assert half < 0.25 * full
    assert young == pytest.approx(0.5 * old, rel=0.01)
    assert stale > fresh + 20


def test_the_hall_has_interlocks() -> None:
    world = world_of("climate_hall", faults=[{"at": "1h", "device": "climate_hall-01", "fault": "door_open"}])
    world.advance(NS)
    assert answer(world, HALL, "stop").status == "done"
    world.advance(2 * H)
    refused = answer(world, HALL, "start")
    assert (refused.status, refused.detail) == ("refused", "interlock: door is open")


@pytest.mark.parametrize(("fault", "channel", "sign"), [("door_open", "dust", 1), ("filter_clogging", "flow", -1)])
def test_faults_of_the_hall_show(fault: str, channel: str, sign: int) -> None:
    def mean(*faults: dict[str, Any]) -> float:
        world = world_of("climate_hall", history="40h", faults=faults)
        column = world.catalog.layout("climate_hall.climate").column(channel)
        return float(np.nanmean(collect(world, H, step=H)[f"{HALL}/climate"][2][:, column]))

    healthy = mean()
    assert sign * (mean({"at": "-30h", "device": "climate_hall-01", "fault": fault}) - healthy) > 0.1 * healthy


def test_saturated_air_holds_what_tables_say() -> None:
    assert float(saturation_gkg(20.0)) == pytest.approx(14.7, rel=0.01)
    assert float(saturation_gkg(0.0)) == pytest.approx(3.8, rel=0.01)


def test_an_old_lamp_lets_bad_packs_pass_and_a_dirty_lens_rejects_good_ones() -> None:
    world = world_of("inspection", parts=NEVER)
    camera: Any = world.assets[CAMERA]
    reject, accept = camera.chances()
    assert (reject, accept) == (pytest.approx(0.0035, abs=0.0005), pytest.approx(0.0107, abs=0.001))
    camera.strike("lens_dirty", {"size": 1.0})
    assert camera.chances()[0] > 10 * reject
    camera.heal("lens_dirty")
    old = world_of("inspection", parts={"life_h": 100, "scatter": 0, "roughness": 0})
    old.advance(90 * H)
    assert old.assets[CAMERA].chances()[1] > 5 * accept  # type: ignore[attr-defined]


def test_cleaning_and_calibrating_bring_it_back() -> None:
    world = world_of("inspection", parts=NEVER, clean_at=0, recalibrate_at=0, dirty_h=50, drift_h=50)
    camera: Any = world.assets[CAMERA]
    world.advance(40 * H)
    before = camera.chances()
    assert answer(world, CAMERA, "clean").status == "accepted"
    again = answer(world, CAMERA, "clean")
    assert (again.status, again.detail) == ("refused", "interlock: cleaning under way")
    assert answer(world, CAMERA, "start").status == "refused"
    assert answer(world, CAMERA, "maintain").status == "refused"
    assert camera.state.name == "STOPPED"
    world.advance(world.now + 130 * NS)
    assert camera.state.name == "RUNNING"
    assert camera.chances()[0] < before[0]
    assert answer(world, CAMERA, "recalibrate").status == "accepted"
    world.advance(world.now + 310 * NS)
    assert abs(camera.get("offset")) < 0.01


def test_a_higher_threshold_rejects_less_and_lets_more_pass() -> None:
    def after(threshold: float) -> tuple[int, int]:
        world = world_of("inspection", parts=NEVER, defects=0.02)
        world.apply(command(CAMERA, "set_threshold", threshold=threshold), 0)
        world.advance(20 * H)
        camera: Any = world.assets[CAMERA]
        return camera._rejected, camera.false_accepts

    (strict, few), (loose, many) = after(2.0), after(4.0)
    assert strict > 1.2 * loose
    assert many > 3 * max(few, 1)


def test_rejects_of_the_camera_are_scrap_of_the_line() -> None:
    """What the filler spoils and does not see is found three machines later."""

    def found(*faults: dict[str, Any]) -> tuple[int, int]:
        flows = ("a", "b")
        line = [
            {"kind": "filler", "area": "a", "outputs": ["a"], "parts": NEVER, "lot": 600, "escape": 1.0},
            {"kind": "inspection", "area": "a", "inputs": ["a"], "outputs": ["b"], "parts": NEVER},
        ]
        domain = {"domain": "factory", "site": "s", "flows": dict.fromkeys(flows, 2), "equipment": line}
        world = build(domain, faults=faults)
        world.advance(20 * H)
        camera: Any = world.assets[CAMERA]
        return camera._rejected, camera.false_accepts

    (few, _), (many, passed) = found(), found({"at": 60, "device": "filler-01", "fault": "fill_drift"})
    assert many > 3 * few
    assert 0 < passed < 0.1 * many
