"""Low-cost sensors, smart labels and the container yard: what they show, take and refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult
from simulator.fleet import Sampling
from simulator.world import World
from tests.sim_worlds import build, collect, command, names

H = 3600 * NS
MINUTE = Sampling(60 * NS, 600 * NS, NS)
SONGPA = {"lat": 37.5145, "lon": 127.1059}


def world(*equipment: dict[str, Any], **how: Any) -> World:
    entries = [{"area": "a", "id": e["kind"], "position": SONGPA, **e} for e in equipment]
    return build({"domain": "urban", "site": "s", "equipment": entries}, sampling=MINUTE, **how)


def do(city: World, device: str, name: str, **args: Any) -> str:
    city.notes()
    city.apply(command(f"s/a/{device}", name, id=f"{name}{city.now}", **args), city.now)
    return next(n.status for n in city.notes() if isinstance(n, CommandResult))


def column(rows: Any, stream: str, city: World, name: str) -> np.ndarray:
    entry = city.catalog.find(f"s/a/{stream}")
    assert entry is not None
    return np.asarray(rows[f"s/a/{stream}"][2][:, entry.spec.layout.column(name)])


def test_a_low_cost_sensor_reads_the_stations_air_and_errs_when_it_is_humid() -> None:
    city = world({"kind": "air_station"}, {"kind": "pm_sensor", "count": 5, "id": "pm-{n}"})
    rows = collect(city, 72 * H)
    true = column(rows, "air_station/air", city, "pm25")
    cheap = np.nanmean([column(rows, f"pm-{n}/city", city, "pm25") for n in range(1, 6)], axis=0)
    true = true[:: len(true) // len(cheap)]
    good = np.isfinite(true) & np.isfinite(cheap)
    assert np.corrcoef(true[good], cheap[good])[0, 1] > 0.8
    humidity = column(rows, "air_station/air", city, "humidity")[::2]
    ratio = cheap[good] / np.maximum(true[good], 3.0)
    wet = humidity[good] > np.median(humidity[good])
    assert ratio[wet].mean() > ratio[~wet].mean() + 0.05


def test_an_insect_is_cleaned_away() -> None:
    city = world({"kind": "pm_sensor"}, faults=[{"at": "1h", "device": "pm_sensor", "fault": "insect"}])
    before = column(collect(city, H), "pm_sensor/city", city, "pm25").mean()
    spoiled = column(collect(city, 2 * H), "pm_sensor/city", city, "pm25")[5:].mean()
    assert spoiled > 2.0 * before
    assert do(city, "pm_sensor", "clean") == "done"
    assert column(collect(city, 3 * H), "pm_sensor/city", city, "pm25")[5:].mean() < 0.6 * spoiled


def test_a_labels_seal_and_temperature() -> None:
    faults = [{"at": "30m", "device": "smart_label", "fault": "opened_on_the_way", "until": "2h"}]
    city = world({"kind": "smart_label"}, faults=faults)
    rows = collect(city, H)
    seal, warm = (column(rows, "smart_label/label", city, n) for n in ("seal", "temperature"))
    assert set(seal[:30].tolist()) == {0.0}
    assert set(seal[31:].tolist()) == {2.0}
    assert warm.mean() == pytest.approx(4.0, abs=1.0)
    assert "tampered" in names(city.notes(), "s/a/smart_label")
    assert do(city, "smart_label", "reseal") == "refused"  # torn
    city.advance(2 * H + NS)
    assert do(city, "smart_label", "reseal") == "done"
    assert do(city, "smart_label", "reseal") == "refused"  # sealed


def test_a_parcel_left_outside_in_summer_is_an_excursion() -> None:
    july = [{"kind": "smart_label", "celsius": -18, "limit": -10}]
    faults = [{"at": "10m", "device": "smart_label", "fault": "left_outside", "until": "70m"}]
    kept, left = world(*july), world(*july, faults=faults)
    for city in (kept, left):
        city.advance(71 * 60 * NS)
    assert [c.assets["s/a/smart_label"].get("excursions") for c in (kept, left)] == [0.0, 1.0]


def test_the_yard_keeps_its_containers_and_its_stacker_its_place() -> None:
    city = world({"kind": "yard", "arrivals_per_h": 8, "dwell_h": 30})
    rows = collect(city, 24 * H)
    stock, moves = (column(rows, "yard/stock", city, n) for n in ("containers", "moves"))
    assert stock.min() >= 0
    assert stock.max() <= 288
    assert 220 < moves[-1] < 400
    assert np.abs(np.diff(stock)).sum() <= moves[-1] + 1
    x = column(rows, "yard/rtls", city, "x")
    assert -1.0 <= x.min() < x.max() <= 11 * 6.5 + 1.0
    assert do(city, "yard", "relocate", bay=3, row=40) == "refused"
    assert do(city, "yard", "relocate", bay=3, row=2) == "done"
    assert do(city, "yard", "stop") == "done"
    assert do(city, "yard", "relocate", bay=3, row=2) == "refused"


def test_lost_anchors_make_positions_wander() -> None:
    fault = {"at": "1h", "device": "yard", "fault": "anchors_lost"}
    city = world({"kind": "yard", "arrivals_per_h": 0.01, "dwell_h": 2000}, faults=[fault])
    assert do(city, "yard", "start") == "done"  # it stands: there is nothing to do
    city.apply(command("s/a/yard", "stop"), city.now)
    rows = collect(city, 3 * H)
    x, anchors = (column(rows, "yard/rtls", city, n) for n in ("x", "anchors"))
    still = np.flatnonzero(np.diff(column(rows, "yard/rtls", city, "tier")) != 0)
    assert not len(still)
    assert np.ptp(x[70:]) > 3.0 * np.ptp(x[:59])
    assert anchors[-1] == 3


def test_a_van_is_recorded_every_five_minutes() -> None:
    city = build({"domain": "logistics", "site": "s", "equipment": [{"kind": "van", "area": "a", "id": "van"}]})
    _, t, x, _ = collect(city, 2 * H)["s/a/van/recorder"]
    assert set(np.diff(t).tolist()) == {300 * NS}
    assert x.mean() == pytest.approx(4.0, abs=1.5)


def test_less_pressure_leaks_less() -> None:
    usual, low = (world({"kind": "water_zone", "old_cm2": 20}, history="40d") for _ in range(2))
    assert do(low, "water_zone", "set_pressure", bar=1.0) == "refused"
    assert do(low, "water_zone", "set_pressure", bar=2.5) == "done"
    flows = []
    for city in (usual, low):
        rows = collect(city, 20 * H)
        flows.append(np.nanmean(column(rows, "water_zone/zone", city, "inflow")[10 * 60 : 13 * 60]))
    assert flows[1] < flows[0] - 2.0
    assert do(low, "water_zone", "isolate") == "accepted"
    assert do(low, "water_zone", "set_pressure", bar=3.0) == "refused"


def test_robots_carry_pallets_and_charge_when_told() -> None:
    flows = {"in": 5, "out": 500}
    belt = {"kind": "conveyor", "area": "a", "id": "belt", "outputs": ["in"], "arrivals_per_h": 20}
    robot = {"kind": "amr", "area": "a", "id": "amr", "inputs": ["in"], "outputs": ["out"]}
    out = {"kind": "conveyor", "area": "a", "id": "end", "inputs": ["out"]}
    city = build({"domain": "logistics", "site": "s", "flows": flows, "equipment": [belt, robot, out]})
    rows = collect(city, 6 * H)
    order, load = (column(rows, "amr/drive", city, name) for name in ("order", "load"))
    assert order[-1] > 60
    assert city.assets["s/a/end"].get("pallets") == pytest.approx(order[-1], abs=3)
    assert 0.2 < load.mean() < 0.95
    assert do(city, "amr", "charge") == "done"
    city.advance(6 * H + 1800 * NS)
    assert city.assets["s/a/amr"].state.name == "SETUP"
    assert do(city, "amr", "charge") == "refused"
