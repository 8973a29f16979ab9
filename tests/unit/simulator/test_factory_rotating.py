"""Fans, compressors, and faults that fail at a given moment."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult, Event
from core.errors import ConfigError
from simulator.world import World
from tests.sim_worlds import START, build, collect, command, names

H = 3600 * NS
HALL: dict[str, Any] = {
    "domain": "factory",
    "site": "s",
    "repair": "2h",
    "equipment": [
        {"kind": "pump", "area": "u", "count": 2, "bearing": {"life_h": 100}},
        {"kind": "fan", "area": "u", "bearing": {"life_h": 100}},
        {"kind": "compressor", "area": "u", "bearing": {"life_h": 100}},
    ],
}


def answer(world: World, name: str, device: str, **args: Any) -> CommandResult:
    world.notes()
    world.apply(command(device, name, **args), world.now)
    world.advance(world.now + 1)
    return next(n for n in world.notes() if isinstance(n, CommandResult))


def failure(world: World, device: str) -> int:
    told = [n for n in world.notes() if isinstance(n, Event) and n.name == "failure"]
    (t,) = [n.t for n in told if n.device.endswith(device)]
    return t


@pytest.mark.parametrize("device", ["pump-01", "pump-02", "fan-01", "compressor-01"])
def test_a_fault_can_say_when_the_part_fails(device: str) -> None:
    fault = {"at": "15s", "device": device, "fault": "bearing_fatigue", "args": {"fails_in": "330s"}}
    world = build(HALL, history="1d", faults=[fault])
    assert world.assets[f"s/u/{device}"].components["bearing"].wear > 0
    world.advance(400 * NS)
    assert failure(world, device) - START == pytest.approx(345 * NS, abs=1000)


def test_maintenance_in_time_prevents_the_failure_and_ends_the_fault() -> None:
    fault = {"at": "15s", "device": "pump-01", "fault": "bearing_fatigue", "args": {"fails_in": 330}}
    world = build(HALL, history="1d", faults=[fault])
    world.advance(280 * NS)
    world.notes()
    world.apply(command("s/u/pump-01", "maintain", duration=60, parts="bearing"), world.now)
    world.advance(3 * H)
    assert names(world.notes(), "s/u/pump-01") == ["state", "maintenance", "state", "maintained"]
    (row,) = world.close_truth().tables()["faults"].to_pylist()
    assert row["t1"] == START + 340 * NS


def test_derating_puts_the_failure_off() -> None:
    fault = {"at": "15s", "device": "fan-01", "fault": "bearing_fatigue", "args": {"fails_in": 330}}
    world = build(HALL, history="1d", faults=[fault])
    world.advance(180 * NS)
    world.apply(command("s/u/fan-01", "derate", factor=0.8), world.now)
    world.advance(H)
    assert failure(world, "fan-01") - START == pytest.approx((180 + 165 / 0.8**4) * NS, rel=1e-6)


@pytest.mark.parametrize(
    ("fault", "args", "what"),
    [
        ("bearing_fatigue", {"size": 1}, "bearing_fatigue takes no argument 'size'"),
        ("bearing_fatigue", {"fails_in": "soon"}, "fails_in is 'soon'"),
        ("cavitation", {"rate": 2}, "cavitation takes no argument 'rate'"),
    ],
)
def test_a_fault_with_a_wrong_argument_is_told(fault: str, args: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        build(HALL, faults=[{"at": "1s", "device": "pump-01", "fault": fault, "args": args}])


def test_a_compressor_rests_before_it_starts_again() -> None:
    world = build(HALL)
    device = "s/u/compressor-01"
    world.advance(60 * NS)
    assert answer(world, "stop", device).status == "done"
    world.advance(70 * NS)
    refused = answer(world, "start", device)
    assert (refused.status, refused.detail) == ("refused", "interlock: motor must rest for another 20 s")
    world.advance(91 * NS)
    assert answer(world, "start", device).status == "done"


def test_a_compressor_holds_its_pressure_and_follows_the_set_point() -> None:
    world = build(HALL, history="1h")
    device = "s/u/compressor-01"
    before = collect(world, 600 * NS)[f"{device}/air"][2]
    assert 6.6 < before[:, 2].min() < before[:, 2].max() < 7.4
    assert np.ptp(before[:, 2]) > 0.4  # it loads and unloads
    assert answer(world, "set_pressure", device, pressure=9).status == "done"
    assert answer(world, "set_pressure", device, pressure=15).status == "refused"
    assert world.assets[device].stress("bearing") == pytest.approx((9 / 7) ** 3)


def test_a_leak_loads_the_compressor_and_a_fouled_cooler_heats_it() -> None:
    def mean(*faults: dict[str, Any]) -> np.ndarray:
        world = build(HALL, history="6h", faults=faults)
        return np.nanmean(collect(world, H, step=H)["s/u/compressor-01/air"][2], axis=0)

    healthy = mean()
    leak = mean({"at": "-2h", "device": "compressor-01", "fault": "air_leak"})
    hot = mean({"at": "-2h", "device": "compressor-01", "fault": "cooler_fouled"})
    assert leak[3] == pytest.approx(healthy[3] + 20, abs=2)
    assert leak[5] > healthy[5] * 1.1
    assert hot[4] == pytest.approx(healthy[4] + 18, abs=0.5)


def test_fan_laws_imbalance_and_a_clogged_filter() -> None:
    def mean(*faults: dict[str, Any], speed: float = 1.0) -> dict[str, float]:
        world = build(HALL, history="6h", faults=faults)
        world.apply(command("s/u/fan-01", "set_speed", factor=speed), 0)
        rows = collect(world, H, step=H)
        air = rows["s/u/fan-01/airflow"]
        shaken = rows["s/u/fan-01/health"]
        names_ = ("state", "speed", "flow", "pressure", "power", "energy")
        values = dict(zip(names_, np.nanmean(air[2][60:], axis=0).tolist(), strict=True))
        return {**values, "vibration": float(np.nanmean(shaken[2][60:, 0]))}

    full, slow = mean(), mean(speed=0.5)
    assert slow["flow"] == pytest.approx(full["flow"] / 2, rel=0.03)
    assert slow["pressure"] == pytest.approx(full["pressure"] / 4, rel=0.03)
    assert slow["power"] == pytest.approx(full["power"] / 8, rel=0.05)
    shaking = mean({"at": "-1h", "device": "fan-01", "fault": "imbalance", "args": {"size": 3}})
    assert shaking["vibration"] == pytest.approx(full["vibration"] + 3, rel=0.1)
    clogged = mean({"at": "-1h", "device": "fan-01", "fault": "filter_clogged"})
    assert clogged["flow"] < full["flow"] * 0.6
    assert clogged["pressure"] > full["pressure"] * 1.15
