from __future__ import annotations

import numpy as np
import pytest
import simpy

from core import seed
from core.clock import NS
from simulator.environment import FIELDS, Environment, on_shift
from simulator.holidays import DAY, is_workday
from simulator.process.flow import FlowBus, Item
from simulator.slow import SlowNoise
from simulator.wear.bearing import BearingWear
from simulator.wear.component import PathPool

START = 1_763_791_200 * NS  # Saturday 2025-11-22 15:00 in Seoul


def test_slow_noise_is_stationary_and_correlated_as_stated() -> None:
    keys = np.array([seed.key(1, n) for n in range(40)], dtype=np.int64)
    noise = SlowNoise(keys, 400, 100, 0)
    t = np.arange(0, 200_000, 100, dtype=np.int64)[:, None] + np.zeros(40, dtype=np.int64)
    x = noise.at(t, np.arange(40))
    assert x.std() == pytest.approx(1.0, abs=0.05)
    assert (x[4:] * x[:-4]).mean() == pytest.approx(np.exp(-1), abs=0.05)


def test_slow_noise_does_not_depend_on_how_it_is_reached() -> None:
    keys = np.array([3, 4], dtype=np.int64)
    far, near = SlowNoise(keys, 400, 100, -1000), SlowNoise(keys, 400, 100, -1000)
    t = np.array([[90_000, 90_050]], dtype=np.int64)
    for s in range(0, 90_000, 777):
        near.at(np.array([[s, s]], dtype=np.int64), np.arange(2))
        near.trim(s)
    assert far.at(t, np.arange(2)).tobytes() == near.at(t, np.arange(2)).tobytes()


def test_weather_has_seasons_days_and_limits() -> None:
    july = 1_752_000_000 * NS
    winter, summer = (Environment(5, s, 0) for s in (START, july))
    t = np.arange(0, 20 * DAY, 600 * NS, dtype=np.int64)
    assert summer.at("temperature", t).mean() - winter.at("temperature", t).mean() > 15
    for name, field in FIELDS.items():
        values = winter.at(name, t)
        assert values.min() >= field.low
        assert values.max() <= field.high
    noon = summer.at("daylight", np.array([(27 - 9) * 3600 * NS + (DAY - july % DAY)]))
    assert summer.at("daylight", t).max() > 0.8
    assert noon >= 0


def test_shifts_follow_the_local_calendar() -> None:
    saturday = np.array([START])
    monday_9h = np.array([START + 42 * 3600 * NS])
    assert not is_workday(saturday)[0]
    assert is_workday(monday_9h)[0]
    assert on_shift(monday_9h)[0]
    assert not on_shift(monday_9h - 2 * 3600 * NS)[0]


def test_bearing_wear_is_monotone_and_fails_at_its_life() -> None:
    model = BearingWear(life_h=100)
    lives = []
    for n in range(300):
        path = model.path(seed.generator(1, "b", n))
        assert (np.diff(path.levels) >= 0).all()
        pool = PathPool()
        pool.add(path)
        ages = np.array([0.0, path.life_s * 0.999, path.life_s])
        wear = pool.wear(np.zeros(3), ages)
        assert wear[0] == 0
        assert wear[1] < 1.0 <= wear[2] + 1e-9
        lives.append(path.life_s / 3600)
    assert np.median(lives) == pytest.approx(100, rel=0.1)
    assert np.std(np.log(lives)) == pytest.approx(0.25, abs=0.08)


def test_flow_blocks_when_full_and_counts() -> None:
    env = simpy.Environment()
    bus = FlowBus(env, {"p": 2})
    flow = bus.output("p")
    items = [Item("pallet", n, "d", 0) for n in range(3)]
    puts = [flow.put(item) for item in items]
    env.run()
    assert [p.triggered for p in puts] == [True, True, False]
    assert flow.full
    got = flow.get()
    env.run()
    assert got.value == items[0]
    assert (flow.entered, flow.left, len(flow)) == (3, 1, 2)
