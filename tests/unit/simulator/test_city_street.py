"""Water zones, lights and meters: commands, interlocks, faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult
from simulator.world import World
from tests.sim_worlds import build, collect, command

H = 3600 * NS
NIGHT = 11 * H  # the worlds of these tests begin at 15 h in Seoul: this is 2 h at night


def world(kind: str, **how: Any) -> World:
    entry = {"kind": kind, "area": "a", "id": "it", **how.pop("entry", {})}
    return build({"domain": "urban", "site": "s", "equipment": [entry]}, **how)


def do(city: World, name: str, **args: Any) -> list[str]:
    city.notes()
    city.apply(command("s/a/it", name, id=f"{name}{city.now}", **args), city.now)
    return [n.status for n in city.notes() if isinstance(n, CommandResult)]


def column(rows: Any, stream: str, city: World, name: str) -> np.ndarray:
    entry = city.catalog.find(f"s/a/it/{stream}")
    assert entry is not None
    return rows[f"s/a/it/{stream}"][2][:, entry.spec.layout.column(name)]


def test_isolation_takes_the_valves_time_and_stops_the_flow() -> None:
    city = world("water_zone")
    collect(city, 60 * NS)
    assert do(city, "isolate") == ["accepted"]
    assert do(city, "isolate") == ["refused"]
    rows = collect(city, 300 * NS)
    inflow, pressure = (column(rows, "zone", city, n) for n in ("inflow", "pressure"))
    assert [n.detail for n in city.notes() if isinstance(n, CommandResult)] == ["valve closed"]
    assert np.nanmax(inflow[:5]) > 50
    assert np.nanmax(inflow[-30:]) < 2
    assert pressure[-1] < 0.5
    assert do(city, "restore") == ["accepted"]
    city.advance(400 * NS)
    assert do(city, "restore") == ["refused"]


def test_a_burst_is_seen_at_night() -> None:
    tight, burst = world("water_zone"), world("water_zone", faults=[{"at": "1h", "device": "it", "fault": "burst"}])
    flows = [np.nanmean(column(collect(c, NIGHT + H), "zone", c, "inflow")[-1800:]) for c in (tight, burst)]
    # 4 cm2 at about 42 m: 0.6 x sqrt(2 g) x 4e-4 x (sqrt(h) + 0.01 h^1.5) = 9.8 l/s = 35 m3/h
    assert flows[1] - flows[0] == pytest.approx(35, abs=4)
    for city in (tight, burst):
        city.advance(20 * H)
    low, high = (c.assets["s/a/it"].get("night_flow") for c in (tight, burst))
    assert high > low + 20


def test_a_light_follows_the_night_and_orders() -> None:
    city = world("streetlight")
    day = collect(city, H)
    assert set(column(day, "lamp", city, "arc_level").tolist()) == {0.0}
    night = collect(city, NIGHT)
    arc, power = (column(night, "lamp", city, n) for n in ("arc_level", "power"))
    assert {254.0, 235.0} <= set(arc.tolist())
    assert power[arc == 254].mean() > 1.4 * power[arc == 235].mean()
    assert do(city, "dim", percent=10.0) == ["done"]
    dimmed = collect(city, NIGHT + 600 * NS)
    assert set(column(dimmed, "lamp", city, "arc_level").tolist()) == {170.0}
    assert do(city, "dim", percent=120.0) == ["refused"]
    assert do(city, "auto") == ["done"]
    assert column(collect(city, NIGHT + 700 * NS), "lamp", city, "arc_level")[0] == 235.0


def test_demand_response_lowers_load_and_register() -> None:
    plain, asked = world("meter"), world("meter")
    asked.advance(H)
    assert do(asked, "derate", factor=0.5) == ["done"]
    for city in (plain, asked):
        city.advance(3 * H)
    early = [c.assets["s/a/it"].get("energy") for c in (plain, asked)]
    assert early[1] < 0.75 * early[0]
    do(asked, "stop")
    asked.advance(4 * H)
    assert asked.assets["s/a/it"].get("energy") == pytest.approx(early[1])


def test_a_tapped_line_is_missing_in_the_register() -> None:
    fault = {"at": "1s", "device": "it", "fault": "tapped", "args": {"size": 0.3}}
    honest, tapped = world("meter"), world("meter", faults=[fault])
    for city in (honest, tapped):
        city.advance(10 * H)
    shares = [c.assets["s/a/it"].get("energy") for c in (tapped, honest)]
    assert shares[0] / shares[1] == pytest.approx(0.7, abs=0.001)


def test_a_robot_charges_when_it_is_low_and_sooner_with_a_dragging_brake() -> None:
    fault = {"at": "1s", "device": "it", "fault": "dragging_brake", "args": {"size": 1.0}}
    good, bad = world("amr"), world("amr", faults=[fault])
    charge, dragging = (column(collect(c, 24 * H), "battery", c, "charge") for c in (good, bad))
    assert charge.min() == pytest.approx(20.0, abs=0.8)
    assert charge.max() == pytest.approx(95.0, abs=0.8)
    assert int(np.argmax(charge < 20.5)) * 5 / 3600 == pytest.approx(8.0, abs=0.3)
    assert int(np.argmax(dragging < 20.5)) * 5 / 3600 == pytest.approx(4.0, abs=0.3)
    assert dragging.min() > 18.0
    assert dragging[-1] > 5.0


def test_a_robot_sent_to_charge_goes_after_its_leg() -> None:
    city = world("amr")
    collect(city, NS)
    assert do(city, "charge") == ["refused"]  # full
    collect(city, 4 * H)
    assert do(city, "charge") == ["done"]
    charge = column(collect(city, 8 * H), "battery", city, "charge")
    assert charge.min() > 50.0
    assert charge.max() == pytest.approx(95.0, abs=0.8)


def test_a_stopped_robot_keeps_place_and_charge() -> None:
    city = world("amr")
    collect(city, H)
    assert do(city, "stop") == ["done"]
    rows = collect(city, 2 * H)
    assert np.ptp(column(rows, "battery", city, "charge")) < 1.0
    assert np.ptp(column(rows, "drive", city, "odometer")) == 0.0
    assert do(city, "start") == ["done"]
    assert np.ptp(column(collect(city, 3 * H), "drive", city, "odometer")) > 4000


def test_a_car_park_fills_by_day() -> None:
    city = world("parking", entry={"spaces": 50})
    rows = collect(city, 24 * H)
    taken, free = (column(rows, "spaces", city, n) for n in ("occupied", "free"))
    assert (taken + free == 50).all()
    assert taken[: 2 * 360].mean() > 1.7 * taken[11 * 360 : 13 * 360].mean()
    assert np.abs(np.diff(taken)).max() <= 6
