"""Long-run cost of renewal policies against cases with a known answer."""

import math

import numpy as np
import pytest

from analytics.renewal import FAILED, OPEN, RENEWED, Track, at_age, at_limit, cost_rate


def track(
    life: float, entry: float = 0.0, failed: bool = True, loss: float = 0.0, risk=None, every: float = 1.0
) -> Track:
    age = np.arange(entry + every, life + 1e-9, every)
    risks = np.zeros(len(age)) if risk is None else np.array([risk(life - a) for a in age])
    return Track("pump", entry, life, failed, age, np.full(len(age), loss), risks, np.ones(len(age), dtype=bool))


def rate(cycles, failure=100.0, renewal=10.0) -> float:
    return cost_rate([c for c in cycles if c is not None], failure, renewal)


def test_lives_that_end_alike_cost_a_failure_each() -> None:
    lives = [track(20.0) for _ in range(50)]
    assert rate(at_age(t, math.inf) for t in lives) == pytest.approx(100.0 / 20.0, rel=0.05)


def test_renewal_before_every_failure_costs_a_renewal_each() -> None:
    lives = [track(20.0 + k % 10) for k in range(50)]
    cycles = [at_age(t, 10.0) for t in lives]
    assert {c.end for c in cycles if c} == {RENEWED}
    assert rate(cycles) == pytest.approx(10.0 / 10.0, rel=0.1)


def test_a_loss_a_day_is_added_as_it_is() -> None:
    plain, lossy = ([track(20.0, loss=x, every=0.25) for _ in range(30)] for x in (0.0, 7.0))
    assert rate(at_age(t, 10.0) for t in lossy) - rate(at_age(t, 10.0) for t in plain) == pytest.approx(7.0, rel=0.05)


def test_old_machines_do_not_shorten_lives() -> None:
    """Exponential lives of 50 days: those seen only from some age on tell the same rate of failures."""
    rng = np.random.default_rng(1)
    whole, cut = [], []
    for life in rng.exponential(50.0, 3000):
        if life > 2:
            whole.append(track(life, every=50.0))
        entry = rng.uniform(0, 60)
        if life > entry + 1:
            cut.append(track(life, entry=entry, every=50.0))
    assert rate(at_age(t, math.inf) for t in cut) == pytest.approx(100.0 / 50.0, rel=0.15)
    assert rate(at_age(t, math.inf) for t in whole) == pytest.approx(100.0 / 50.0, rel=0.15)


def test_a_machine_older_than_the_interval_says_nothing_of_it() -> None:
    assert at_age(track(30.0, entry=12.0), 10.0) is None
    assert at_age(track(30.0, entry=5.0), 10.0) is not None


def test_an_open_life_is_neither_failure_nor_renewal() -> None:
    cycle = at_age(track(8.0, failed=False), 10.0)
    assert cycle is not None
    assert cycle.end == OPEN


def test_a_warning_that_comes_in_time_is_worth_more_than_any_fixed_age() -> None:
    """Lives of very different length that show themselves five days before their end (Makis and Jardine's case)."""
    rng = np.random.default_rng(2)
    lives = [track(float(x), risk=lambda left: 1.0 if left <= 5 else 0.0) for x in rng.uniform(10, 100, 400)]
    fixed = min(rate(at_age(t, a) for t in lives) for a in np.arange(5.0, 100.0, 5.0))
    seen = rate(at_limit(t, 3.0, 90.0, 3.0) for t in lives)
    assert {c.end for t in lives if (c := at_limit(t, 3.0, 90.0, 3.0))} == {RENEWED}
    assert seen < 0.5 * fixed


def test_a_limit_that_is_never_reached_runs_to_failure() -> None:
    cycle = at_limit(track(20.0), 1.0, 90.0, 3.0)
    assert cycle is not None
    assert cycle.end == FAILED
