"""The shipped domains of the city: what stands in them, what they cost, and whether their figures are Seoul's."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core.clock import NS
from core.config import load
from simulator.domain import DomainConfig
from simulator.fleet import Sampling
from simulator.holidays import DAY, is_workday
from simulator.process.districts import DISTRICTS
from simulator.world import World, WorldConfig
from tests.sim_worlds import START

DOMAINS = Path(__file__).parents[3] / "configs" / "domains"
H = 3600 * NS


def city(*names: str, days: int, start: int = START, every: int = 0, only: str = "") -> World:
    """Return the world of shipped domains, or what is of one kind in them."""
    domains = tuple(load(DOMAINS / f"{name}.yaml", DomainConfig) for name in names)
    if only:
        kept = [tuple(e for e in d.equipment if e.kind == only) for d in domains]
        domains = tuple(d.model_copy(update={"equipment": e}) for d, e in zip(domains, kept, strict=True))
    config = WorldConfig(domains=domains, history=f"{days}d")
    return World(config, start, 7, Sampling(every, 600 * NS, NS) if every else Sampling())


def events(world: World) -> int:
    return next(world.env._eid)


def columns(layout: str, days: int, every: int, start: int = START) -> dict[str, np.ndarray]:
    """Render a past of the urban domain; return t, stream and the channels of a layout."""
    world = city("urban", days=days, start=start, every=every, only=layout.partition(".")[0])
    parts: dict[str, list[np.ndarray]] = {}
    for t in range(world.epoch, 0, 6 * H):
        world.advance(t + 6 * H)
        for batch in world.render(t, t + 6 * H):
            if batch.layout.name == layout:
                values = {name: batch.x[:, i] for i, name in enumerate(batch.layout.columns)}
                for name, value in {"t": batch.t, "stream": batch.stream, **values}.items():
                    parts.setdefault(name, []).append(value)
    return {name: np.concatenate(part) for name, part in parts.items()}


def test_every_kind_stands_where_it_should() -> None:
    logistics, urban = city("logistics", days=0), city("urban", days=0)
    assert Counter(d.kind for d in logistics.devices) == {
        "conveyor": 3,
        "dock": 2,
        "van": 4,
        "amr": 2,
        "yard": 1,
        "smart_label": 3,
    }
    kinds = Counter(d.kind for d in urban.devices)
    assert kinds["air_station"] == 25
    assert {"crossing", "water_zone", "noise_node", "streetlight", "meter", "parking", "pm_sensor"} <= kinds.keys()
    for device in [*logistics.devices, *urban.devices]:
        assert device.protocols == ("mqtt",)
        assert device.position is not None
        assert device.label is not None
        assert device.label.ko != device.label.en
    assert {d.area for d in urban.devices if d.kind == "air_station"} == set(DISTRICTS)


@pytest.mark.parametrize(("name", "limit"), [("logistics", 3000), ("urban", 150)])
def test_a_day_costs_few_events(name: str, limit: int) -> None:
    world = city(name, days=5)
    world.fast_forward(0)
    assert events(world) / 5 < limit


def test_the_hub_keeps_up_with_a_packaging_line() -> None:
    world = city("factory", "logistics", days=5)
    world.fast_forward(0)
    flows = next(iter(world.assets.values())).host.flows.flows
    assert flows["pallets"].entered > 200
    assert flows["pallets"].entered - flows["pallets"].left <= 12
    vans = [a for p, a in world.assets.items() if "/van-" in p]
    assert sum(van.get("delivered") for van in vans) > 0.8 * flows["pallets"].entered


@cache
def november() -> dict[str, np.ndarray]:
    return columns("air_station.air", 21, 1800 * NS)


def test_particles_stay_in_seouls_bands() -> None:
    air = november()
    pm10, pm25 = air["pm10"][np.isfinite(air["pm10"])], air["pm25"][np.isfinite(air["pm25"])]
    assert 30 < np.median(pm10) < 75
    assert 15 < np.median(pm25) < 40
    assert 1.3 < np.exp(np.log(np.maximum(pm10, 1)).std()) < 2.0  # geometric standard deviation
    assert 0.4 < np.median(pm25) / np.median(pm10) < 0.65
    assert pm10.max() < 600


def test_particles_are_highest_in_the_late_morning() -> None:
    air = november()
    hour = ((air["t"] + 9 * H) % DAY) // H
    log = np.log(np.maximum(np.nan_to_num(air["pm10"], nan=1.0), 1.0))
    morning, evening = log[(hour >= 9) & (hour <= 11)].mean(), log[(hour >= 14) & (hour <= 19)].mean()
    assert morning > evening + 0.05


def test_summer_air_is_cleaner() -> None:
    july = columns("air_station.air", 10, H, 1_753_000_000 * NS)
    assert np.nanmedian(july["pm10"]) < 0.8 * np.nanmedian(november()["pm10"])
    assert np.nanmedian(july["o3"]) > np.nanmedian(november()["o3"])


def test_the_west_sees_an_air_mass_first() -> None:
    air = november()
    world = city("urban", days=0, only="air_station")
    by_area = {d.area: world.catalog.find(f"{d.path}/air") for d in world.devices if d.kind == "air_station"}

    def series(area: str) -> np.ndarray:
        entry = by_area[area]
        assert entry is not None
        own = air["stream"] == entry.index
        return np.log(np.maximum(np.nan_to_num(air["pm10"][own], nan=40.0), 5.0))

    west, east = series("gangseo"), series("gangdong")
    assert np.corrcoef(west, east)[0, 1] > 0.5
    lags = {lag: np.corrcoef(west[: -lag or None], east[lag:])[0, 1] for lag in range(7)}  # half hours
    assert lags[4] > lags[0]


def test_traffic_makes_no2_and_noise() -> None:
    air = november()
    hour = ((air["t"] + 9 * H) % DAY) // H
    assert np.nanmean(air["no2"][hour == 18]) > 1.5 * np.nanmean(air["no2"][hour == 3])
    noise = columns("noise_node.noise", 7, 900 * NS)
    hour = ((noise["t"] + 9 * H) % DAY) // H
    busy, quiet = (np.nanmean(noise["laeq"][hour == h]) for h in (18, 3))
    assert 5.0 < busy - quiet < 14.0
    assert 60.0 < busy < 78.0


def test_vehicles_peak_on_workday_mornings() -> None:
    flow = columns("crossing.traffic", 14, 900 * NS)
    hour = ((flow["t"] + 9 * H) % DAY) // H
    workday = is_workday(flow["t"])
    morning, night = (
        flow["vehicle_flow"][workday & (hour == 8)].mean(),
        flow["vehicle_flow"][workday & (hour == 3)].mean(),
    )
    assert 4 < morning / night < 12
    assert morning > 1.5 * flow["vehicle_flow"][~workday & (hour == 8)].mean()


def test_a_meter_counts_what_it_shows() -> None:
    load = columns("meter.load", 14, 300 * NS)
    total = 0.0
    for stream in (0, 1):
        own = load["stream"] == stream
        energy = load["energy"][own]
        shown = float(np.nanmean(load["power"][own])) * (len(energy) - 1) / 12.0
        assert energy[-1] - energy[0] == pytest.approx(shown, rel=0.03)
        total += energy[-1] - energy[0]
    assert 280 < total / (420 + 280) / 14 * 30 < 400  # kWh a household and month
