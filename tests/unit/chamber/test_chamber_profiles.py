from __future__ import annotations

import itertools

import numpy as np
import pytest

from chamber.devices import LowCostPmConfig, growth
from chamber.instruments import instruments, sample_times
from chamber.plan import TestPlan
from chamber.profiles import DAY, HOUR, Air, ornstein_uhlenbeck, wander
from core.clock import NS
from core.quality import BAD_SENSOR, GOOD


def test_the_same_seed_gives_the_same_air_and_any_block_alone_agrees(plan: TestPlan) -> None:
    t = sample_times(plan)
    whole, again = plan.render(plan.start_ns, t), plan.render(plan.start_ns, t)
    part = plan.render(plan.start_ns, t[5000:5100])
    for name in ("pm25", "temperature", "humidity"):
        assert np.array_equal(getattr(whole, name), getattr(again, name))
        assert getattr(part, name) == pytest.approx(getattr(whole, name)[5000:5100], rel=1e-12)


def test_another_seed_gives_other_air(plan: TestPlan) -> None:
    t = sample_times(plan)
    other = plan.model_copy(update={"seed": plan.seed + 1})
    assert not np.allclose(plan.render(plan.start_ns, t).pm25, other.render(plan.start_ns, t).pm25)


def test_steps_hold_their_levels_in_the_judged_segments(plan: TestPlan) -> None:
    t = sample_times(plan)
    air = plan.render(plan.start_ns, t)
    steps = [s for s in plan.segments(plan.start_ns) if s.phase == "chamber"]
    assert [s.level for s in steps] == [30, 80, 150]
    for step in steps:
        inside = (t + plan.start_ns >= step.t0) & (t + plan.start_ns < step.t1)
        assert inside.sum() == 30
        assert air.pm25[inside] == pytest.approx(step.level, rel=0.05)
        assert air.temperature[inside] == pytest.approx(20, abs=1)
        assert air.humidity[inside] == pytest.approx(50, abs=5)


def test_segments_follow_each_other_and_end_with_the_plan(plan: TestPlan) -> None:
    segments = plan.segments(1000)
    assert segments[0].t0 == 1000 + 30 * 60 * NS
    assert all(a.t1 <= b.t0 for a, b in itertools.pairwise(segments))
    assert segments[-1].t1 == 1000 + plan.duration == 1000 + 3 * HOUR + 14 * DAY


def test_outdoor_air_is_plausible_and_peaks_in_the_morning(plan: TestPlan) -> None:
    """Mean of many weeks by hour of the Korean day: highest 10-11 h, lowest 5-6 h (standards.md 6.1)."""
    field = plan.phases[1].model_copy(update={"duration": 400 * DAY, "episodes_per_month": 0.0})
    t = np.arange(0, 400 * DAY, HOUR, dtype=np.int64)
    air = field.build().render(5, plan.start_ns, t)
    by_hour = np.log(air.pm25).reshape(-1, 24).mean(axis=0)
    assert by_hour.argmax() in (10, 11)
    assert by_hour.argmin() in (4, 5, 6)
    assert 15 < np.median(air.pm25) < 32
    assert air.humidity.min() >= 15
    assert air.humidity.max() <= 95


def test_ornstein_uhlenbeck_has_unit_variance_and_its_correlation_time() -> None:
    t = np.arange(0, 20_000 * HOUR, HOUR, dtype=np.int64)
    x = ornstein_uhlenbeck(3, t, HOUR, 30 * HOUR, 20_000 * HOUR)
    assert x.std() == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(x[:-30], x[30:])[0, 1] == pytest.approx(np.exp(-1), abs=0.1)


def test_wander_is_continuous() -> None:
    x = wander(3, np.arange(0, HOUR, NS, dtype=np.int64), 300 * NS)
    assert np.abs(np.diff(x)).max() < 0.05


@pytest.mark.parametrize(
    ("humidity", "factor"), [(50, 1.24), (70, 1.57), (80, 1.97), (85, 2.37), (90, 3.18), (95, 5.61)]
)
def test_growth_agrees_with_the_table_of_the_standards_page(humidity: float, factor: float) -> None:
    assert growth(0.4, np.array([float(humidity)]))[0] == pytest.approx(factor, abs=0.006)


def ideal(**changes: float) -> LowCostPmConfig:
    base = {"gain_spread": 0, "kappa": 0, "cold_slope": 0, "noise": 0, "noise_floor": 0, "offset_spread": 0}
    base |= {"drift": 0, "dropout": 0, "lag": 0}
    who = {"kind": "low_cost_pm", "label": "x", "manufacturer": "m", "model": "x"}
    return LowCostPmConfig.model_validate(who | base | changes)


def steady(n: int, pm25: float = 50.0, temperature: float = 20.0, humidity: float = 50.0) -> Air:
    return Air(np.full(n, pm25), np.full(n, temperature), np.full(n, humidity))


T = np.arange(0, 2000 * 60 * NS, 60 * NS, dtype=np.int64)


def test_a_sensor_without_errors_says_the_truth() -> None:
    x, q = ideal().build().render(1, T, steady(len(T)))
    assert x == pytest.approx(50.0)
    assert set(q.tolist()) == {GOOD}


def test_every_term_of_the_sensor_model_acts_as_written() -> None:
    def mean(air: Air, **changes: float) -> float:
        return float(np.nanmean(ideal(**changes).build().render(1, T, air)[0]))

    n = len(T)
    assert mean(steady(n), gain=1.2) == pytest.approx(60.0)
    assert mean(steady(n, temperature=-5.0), cold_slope=0.02) == pytest.approx(50 * 1.2)
    assert mean(steady(n, temperature=8.0), cold_slope=0.02) == pytest.approx(50.0)
    assert mean(steady(n, humidity=90.0), kappa=0.4) == pytest.approx(50 * 3.18, rel=0.01)
    assert mean(steady(n, pm25=0.0), detection_limit=2.0) == pytest.approx(2.0)
    noisy = ideal(noise=0.1).build().render(1, T, steady(n))[0]
    assert noisy.std() == pytest.approx(5.0, rel=0.1)


def test_dropouts_are_missing_bad_and_last_ten_minutes() -> None:
    x, q = ideal(dropout=0.1).build().render(1, T, steady(len(T)))
    assert np.array_equal(np.isnan(x), q == BAD_SENSOR)
    assert np.isnan(x).mean() == pytest.approx(0.1, abs=0.05)
    assert np.array_equal(q.reshape(-1, 10).min(axis=1), q.reshape(-1, 10).max(axis=1))


def test_lag_follows_a_step_with_its_time_constant() -> None:
    t = np.arange(0, 60 * NS, NS, dtype=np.int64)
    air = steady(60)
    air.pm25[:10] = 0.0
    x, _ = ideal(lag=8).build().render(1, t, air)
    assert x[10 + 7] == pytest.approx(50 * (1 - np.exp(-1)), rel=0.01)


def test_units_differ_and_their_births_fit_the_plan(plan: TestPlan) -> None:
    found = instruments(plan, plan.start_ns, plan.simulated["good"])
    assert [i.spec.path for i in found[:3]] == list(plan.device_under_test.units)
    assert not np.array_equal(found[0].x, found[1].x)
    assert len({i.spec.identity.serial for i in found}) == 5
    assert [i.spec.path for i in instruments(plan, plan.start_ns, None)] == [
        "lab/chamber/reference",
        "lab/chamber/climate",
    ]
