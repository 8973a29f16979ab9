"""The filters and features: one recursion for history and live, and never a look ahead."""

from itertools import pairwise

import numpy as np
import pytest

from analytics.features import Norm, describe, evaluate
from analytics.filters import FilterBank, FilterConfig, States
from analytics.slots import Slot
from core.clock import NS

CONFIG = FilterConfig(fast=5, slow=30, baseline=20, baseline_min=5)
GRID = 60 * NS
SLOTS = [Slot("vibration-velocity", "vibration-velocity", "mm/s"), Slot("temperature", "temperature", "Cel")]


def series(n=200, seed=0, missing=0.1):
    rng = np.random.default_rng(seed)
    x = rng.normal(5.0, 1.0, (n, 2))
    x[rng.random(n) < missing] = np.nan
    return np.arange(1, n + 1, dtype=np.int64) * GRID, x, np.ones(n), np.ones(n)


def run(x, end, cuts=()):
    bank = FilterBank(CONFIG, 1, 2)
    bank.reset(0, 0)
    parts = [bank.run(0, end[s], x[s], np.ones(len(end[s])), np.ones(len(end[s]))) for s in slices(len(end), cuts)]
    return States.join(parts)


def slices(n, cuts):
    edges = [0, *cuts, n]
    return [slice(a, b) for a, b in pairwise(edges)]


def equal(a, b):
    for name in States.__slots__:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


@pytest.mark.parametrize("cuts", [(1, 2, 3, 77), (100,), tuple(range(1, 200))])
def test_cutting_time_changes_no_bit(cuts):
    end, x, _, _ = series()
    equal(run(x, end), run(x, end, cuts))


def test_the_future_changes_nothing():
    end, x, _, _ = series()
    other = x.copy()
    other[120:] = 99.0
    a, b = run(x, end), run(other, end)
    for name in States.__slots__:
        np.testing.assert_array_equal(getattr(a, name)[:120], getattr(b, name)[:120], err_msg=name)


def test_many_assets_step_like_one_alone():
    end, x, on, good = series()
    fleet = FilterBank(CONFIG, 3, 2)
    for d in range(3):
        fleet.reset(d, 0)
    steps = [
        fleet.step(np.arange(3), int(e), np.tile(v, (3, 1)), np.full(3, o), np.full(3, q))
        for e, v, o, q in zip(end, x, on, good, strict=True)
    ]
    alone = run(x, end)
    np.testing.assert_array_equal(np.stack([s.level[2] for s in steps]), alone.level)
    np.testing.assert_array_equal(np.stack([s.base[1] for s in steps]), alone.base)


def test_the_level_is_a_mean_at_first_and_missing_values_are_left_out():
    x = np.array([[2.0, np.nan], [2.0, 4.0], [np.nan, 4.0]])
    states = run(x, np.arange(1, 4, dtype=np.int64) * GRID)
    np.testing.assert_allclose(states.level[:, 0], [2, 2, 2])
    assert np.isnan(states.level[0, 1])
    np.testing.assert_allclose(states.level[1:, 1], [4, 4])


def test_the_baseline_is_learned_once_and_stands():
    n = 100
    x = np.concatenate([np.full((20, 2), 3.0), np.full((n - 20, 2), 9.0)])
    states = run(x, np.arange(1, n + 1, dtype=np.int64) * GRID)
    assert np.isnan(states.base[3]).all()
    assert np.allclose(states.base[4:], 3.0)
    assert states.level[-1, 0] == pytest.approx(9.0, rel=1e-3)


def test_a_single_spike_does_not_move_the_level():
    end, x, _, _ = series(missing=0.0)
    x[:] = 5.0
    spiked = x.copy()
    spiked[50] = 500.0
    np.testing.assert_allclose(run(spiked, end).level[51:], 5.0)


def test_the_trend_of_a_straight_line_is_its_slope():
    n = 400
    x = np.tile((0.01 * np.arange(n))[:, None], (1, 2))
    states = run(x, np.arange(1, n + 1, dtype=np.int64) * GRID)
    slope = (states.level - states.slow)[20:, 0] / states.steps_apart[20:]
    np.testing.assert_allclose(slope, 0.01, rtol=0.05)


def test_features_have_names_units_and_formulas():
    infos = describe(SLOTS)
    end, x, _, _ = series(20)
    states = run(x, end)
    norm = Norm(np.ones((20, 2)), np.full(20, 3600.0))
    matrix = evaluate(states, norm, 60.0)
    assert matrix.shape == (20, len(infos))
    assert all(i.name and i.unit and i.formula for i in infos)
    assert len({i.name for i in infos}) == len(infos)
    names = [i.name for i in infos]
    np.testing.assert_allclose(matrix[:, names.index("age")], end / NS / 3600)
    np.testing.assert_allclose(matrix[:, names.index("age_ratio")], end / NS / 3600)
    np.testing.assert_allclose(matrix[:, names.index("temperature.level")], states.level[:, 1])


def test_peek_tells_what_the_last_window_told():
    end, x, _, _ = series(50, missing=0.0)
    bank = FilterBank(CONFIG, 1, 2)
    bank.reset(0, 0)
    last = bank.run(0, end, x, np.ones(50), np.ones(50)).take(np.array([49]))
    peeked = bank.peek(np.array([0]), int(end[-1]))
    for name in ("level", "slow", "base", "age_s", "duty", "steps_apart"):
        np.testing.assert_allclose(getattr(peeked, name), getattr(last, name), rtol=1e-12, err_msg=name)
