"""One causal world: each arrow is perturbed at its tail, with the same seed, and seen at its head and nowhere else."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.config import parse
from simulator.fleet import Sampling
from simulator.world import World, WorldConfig
from tests.sim_worlds import START, Rows, assert_same, collect, command

H = 3600 * NS
JULY = 1_753_000_000 * NS  # 2025-07-20
MINUTE = Sampling(60 * NS, 600 * NS, NS)
HERE = {"lat": 37.5145, "lon": 127.1059}  # Songpa, where the vans begin
FAR = {"lat": 37.6542, "lon": 127.0568}  # Nowon, where none drives
STREET = [
    {"kind": kind, "area": area, "id": kind, "position": place}
    for kind in ("air_station", "noise_node", "crossing")
    for area, place in (("here", HERE), ("far", FAR))
]


def world(*domains: list[dict[str, Any]], start: int = START, faults: Any = (), **climate: Any) -> World:
    rooms = {"filled": 2, "capped": 2, "labelled": 2, "pallets": 4, "dock": 4, "bay": 4}
    names = ("factory", "logistics", "urban")
    used = {flow for d in domains for e in d for flow in e.get("outputs", ())}
    flows = {name: room for name, room in rooms.items() if name in used}
    found = [
        {"domain": names[n], "site": "s", "equipment": d, **({"flows": flows} if not n else {})}
        for n, d in enumerate(domains)
        if d
    ]
    value = {"domains": found, "history": "0s", "faults": list(faults), "climate": climate}
    return World(parse(value, WorldConfig, "test"), start, 7, MINUTE)


def column(rows: Rows, of: World, stream: str, name: str) -> np.ndarray:
    entry = of.catalog.find(f"s/{stream}")
    assert entry is not None
    return rows[f"s/{stream}"][2][:, entry.spec.layout.column(name)]


def line_and_hub(**how: Any) -> World:
    ends = ("", "filled", "capped", "labelled", "pallets")
    kinds = ("filler", "capper", "labeller", "case_packer")
    line: list[dict[str, Any]] = [
        {"kind": k, "area": "l", "outputs": [ends[n + 1]], **({"inputs": [ends[n]]} if n else {})}
        for n, k in enumerate(kinds)
    ]
    hub: list[dict[str, Any]] = [
        {"kind": "conveyor", "area": "h", "id": "belt", "inputs": ["pallets"], "outputs": ["dock"]},
        {"kind": "dock", "area": "h", "id": "dock", "inputs": ["dock"], "outputs": ["bay"]},
        {"kind": "van", "area": "h", "id": "van-{n}", "count": 2, "inputs": ["bay"], "patience": "1h"},
    ]
    return world(line, hub, **how)


def delivered(of: World) -> float:
    return sum(a.get("delivered") for p, a in of.assets.items() if p.startswith("s/h/van"))


def test_a_stopped_filler_empties_the_trucks() -> None:
    usual, stopped = line_and_hub(), line_and_hub()
    for each in (usual, stopped):
        each.advance(4 * H)
    assert delivered(usual) == delivered(stopped)
    stopped.apply(command("s/l/filler-01", "stop"), stopped.now)
    for each in (usual, stopped):
        each.advance(30 * H)
    assert delivered(usual) > 20
    belt = [each.assets["s/h/belt"].get("pallets") for each in (usual, stopped)]
    assert delivered(stopped) <= belt[1] < 0.4 * belt[0]


def test_stopped_vans_hold_up_the_hub_but_change_no_filler_before_it_is_full() -> None:
    usual, stopped = line_and_hub(), line_and_hub()
    for n in (1, 2):
        stopped.advance(NS)
        stopped.apply(command(f"s/h/van-{n}", "stop", id=str(n)), stopped.now)
    for each in (usual, stopped):
        each.advance(H)
    made = [each.assets["s/l/filler-01"].get("made") for each in (usual, stopped)]
    assert made[0] == made[1]
    for each in (usual, stopped):
        each.advance(24 * H)
    assert stopped.assets["s/l/filler-01"].get("made") < 0.7 * usual.assets["s/l/filler-01"].get("made")


def van(fleet: float) -> dict[str, Any]:
    return {"kind": "van", "area": "h", "id": "van", "fleet": fleet, "patience": "10m", "route": ["songpa", "gangnam"]}


def test_vans_add_to_traffic_and_traffic_to_no2_and_noise_where_they_drive() -> None:
    none, many = (world([], [van(fleet)], STREET) for fleet in (0.0, 8000.0))
    rows = [(each, collect(each, 4 * H)) for each in (none, many)]

    def rise(area: str, stream: str, name: str) -> np.ndarray:
        one, two = (column(r, w, f"{area}/{stream}", name) for w, r in rows)
        return np.asarray(np.nan_to_num(two) - np.nan_to_num(one))

    speed = column(rows[1][1], many, "h/van/drive", "speed")
    assert (speed > 0).mean() > 0.2
    for stream, name, least in (
        ("crossing/traffic", "vehicle_flow", 30.0),
        ("air_station/air", "no2", 5e-4),
        ("noise_node/noise", "laeq", 0.3),
    ):
        assert rise("here", stream, name).mean() > least, stream
        assert rise("here", stream, name).min() >= -1e-9, stream
        assert not rise("far", stream, name).any(), stream
    # and nothing goes back from the street to the van
    assert rows[0][1]["s/h/van/drive"][2].tobytes() == rows[1][1]["s/h/van/drive"][2].tobytes()


def test_what_vans_add_is_the_same_however_time_is_cut() -> None:
    draw = random.Random(1)
    cuts = sorted(draw.randrange(1, 2 * H) for _ in range(60))
    assert_same(*(collect(world([], [van(8000.0)], STREET), 2 * H, cuts=c) for c in ([], cuts)))


def test_a_stopped_van_leaves_the_traffic() -> None:
    city = world([], [van(8000.0)], STREET)
    while not city.weather.roads.share(np.full((1, 1), city.now), np.array([23])).any():
        city.advance(city.now + 60 * NS)
    city.apply(command("s/h/van", "stop"), city.now)
    roads = city.weather.roads
    assert not roads.share(np.full((1, 25), city.now), np.arange(25)).any()
    city.apply(command("s/h/van", "start", id="2"), city.now)
    assert roads.share(np.full((1, 25), city.now), np.arange(25)).sum() == pytest.approx(1.0)


def test_a_heat_wave_loads_compressors_and_meters() -> None:
    flats = [{"kind": "meter", "area": "u", "id": "flats", "position": HERE}]
    cold = [{"kind": "chiller", "area": "l", "id": "chiller"}]
    wave = {"kind": "heat_wave", "at": "1h", "until": "47h", "size": 7}
    usual, hot = (world(cold, [van(0.0)], flats, start=JULY, chance=False, spells=spells) for spells in ([], [wave]))
    rows = [(each, collect(each, 48 * H)) for each in (usual, hot)]

    def change(stream: str, name: str) -> float:
        plain, warm = (float(np.nanmean(column(r, w, stream, name)[6 * 60 : 42 * 60])) for w, r in rows)
        return warm / plain

    assert change("h/van/cold", "duty") > 1.15
    assert change("l/chiller/cooling", "power") > 1.1
    assert change("u/flats/load", "power") > 1.15
    assert change("u/flats/load", "voltage") < 1.0
    ages = [each.assets["s/h/van"].components["compressor"].age_s for each in (usual, hot)]
    assert ages[1] > 1.08 * ages[0]
    early = [column(r, w, "u/flats/load", "power")[:50] for w, r in rows]
    assert early[0].tobytes() == early[1].tobytes()


def test_rain_slows_vans_and_wets_roads() -> None:
    rain = {"kind": "rain", "at": "0s", "until": "24h", "size": 3}
    dry, wet = (world([], [van(0.0)], STREET, chance=False, spells=s) for s in ([], [rain]))
    rows = [(each, collect(each, 12 * H)) for each in (dry, wet)]
    speed = [float(column(r, w, "h/van/drive", "speed").max()) for w, r in rows]
    assert speed[1] < 0.95 * speed[0]
    noise = [float(np.nanmean(column(r, w, "here/noise_node/noise", "laeq"))) for w, r in rows]
    assert 1.0 < noise[1] - noise[0] < 3.0
    pm = [float(np.nanmean(column(r, w, "here/air_station/air", "pm10"))) for w, r in rows]
    assert pm[1] < 0.9 * pm[0]


def test_yellow_dust_comes_from_the_west_and_is_coarse() -> None:
    west = {"kind": "air_station", "area": "w", "id": "air", "position": {"lat": 37.55, "lon": 126.85}}
    east = {"kind": "air_station", "area": "e", "id": "air", "position": {"lat": 37.53, "lon": 127.13}}
    dust = {"kind": "dust", "at": "6h", "until": "30h", "size": 6}
    city = world([], [], [west, east], chance=False, spells=[dust])
    rows = collect(city, 20 * H)
    first = [int(np.argmax(column(rows, city, f"{a}/air/air", "pm10") > 100)) for a in ("w", "e")]
    assert 60 < first[1] - first[0] < 200  # minutes
    coarse, fine = (column(rows, city, "w/air/air", name)[-60:].mean() for name in ("pm10", "pm25"))
    assert coarse > 120
    assert fine < 0.4 * coarse
    assert column(rows, city, "w/air/air", "cai")[-1] >= 101
