"""The formulas of standards.md 1.1 against cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from chamber.checks import dust
from core.clock import NS

R = np.array([20.0, 40.0, 50.0, 100.0])
HOUR = 3600 * NS
nan = np.nan


def test_accuracy_by_hand() -> None:
    mean = np.array([22.0, 30.0, 50.0, 120.0])  # errors 10 %, 25 %, 0 %, 20 %: accuracies 90, 75, 100, 80
    assert dust.accuracy(R, mean) == pytest.approx(86.25)


def test_accuracy_may_be_negative() -> None:
    assert dust.accuracy(np.array([10.0]), np.array([35.0])) == pytest.approx(-150.0)


def test_accuracy_leaves_out_hours_below_the_floor_and_missing_ones() -> None:
    reference = np.array([2.0, 4.999, 5.0, nan, 50.0])
    mean = np.array([9.0, 9.0, 6.0, 7.0, nan])
    assert dust.accuracy(reference, mean, floor=5.0) == pytest.approx(80.0)
    assert dust.judged_hours(reference, mean, 5.0).tolist() == [False, False, True, False, False]


def test_accuracy_never_divides_by_zero() -> None:
    assert dust.accuracy(np.array([0.0, 10.0]), np.array([1.0, 10.0])) == pytest.approx(100.0)
    assert dust.accuracy(np.array([0.0]), np.array([1.0])) is None


@pytest.mark.parametrize("gain", [0.5, 0.8, 0.95, 1.0, 1.2, 1.7])
def test_a_constant_gain_error_costs_its_distance_from_one(gain: float) -> None:
    assert dust.accuracy(R, gain * R) == pytest.approx(100 * (1 - abs(gain - 1)))
    assert dust.r_squared(R, gain * R) == pytest.approx(1.0)


@pytest.mark.parametrize("sigma", [0.05, 0.1, 0.25])
def test_proportional_noise_costs_four_fifths_of_sigma(sigma: float) -> None:
    """The mean of |N(0, 1)| is sqrt(2 / pi) = 0.798."""
    rng = np.random.default_rng(1)
    reference = rng.uniform(10, 80, 200_000)
    noisy = reference * (1 + sigma * rng.standard_normal(reference.size))
    assert dust.accuracy(reference, noisy) == pytest.approx(100 * (1 - 0.80 * sigma), abs=0.15)


def test_r_squared_by_hand() -> None:
    """r of (1,2,3) and (1,3,2): covariance 1/2, variances 1 and 1."""
    assert dust.r_squared(np.array([1.0, 2, 3]), np.array([1.0, 3, 2])) == pytest.approx(0.25)


def test_r_squared_ignores_the_sign_of_the_slope_but_not_missing_pairs() -> None:
    assert dust.r_squared(np.array([1.0, 2, 3, nan, 5]), np.array([3.0, 2, 1, 9, nan])) == pytest.approx(1.0)
    assert dust.r_squared(np.array([1.0, 2, nan]), np.array([1.0, 2, 3])) is None


def test_a_stuck_device_explains_nothing_and_a_constant_reference_says_nothing() -> None:
    assert dust.r_squared(R, np.full(4, 12.0)) == 0.0
    assert dust.r_squared(np.full(4, 12.0), R) is None


def test_relative_precision_by_hand() -> None:
    """Hour 1: 9, 10, 11 -> SD 1, mean 10, 10 %. Hour 2: 20, 20, 20 -> 0 %. Hour 3: 8, -, 12 -> SD 2.828, 28.28 %."""
    x = np.array([[9.0, 20, 8, nan], [10.0, 20, nan, 5], [11.0, 20, 12, nan]])
    expected = 100 - (10 + 0 + 100 * np.sqrt(8) / 10) / 3
    assert dust.relative_precision(x) == pytest.approx(expected)
    assert dust.relative_deviation(x)[:3] == pytest.approx([10, 0, 28.2842712])
    assert np.isnan(dust.relative_deviation(x)[3])


def test_relative_precision_needs_two_units() -> None:
    assert dust.relative_precision(np.array([[1.0, 2.0, 3.0]])) is None
    assert dust.relative_precision(np.empty((0, 3))) is None
    assert dust.relative_precision(np.zeros((3, 3))) is None


def test_data_rate_is_that_of_the_worst_unit() -> None:
    reference = np.array([1.0, 1, 1, 1, nan])
    x = np.array([[1.0, 1, 1, 1, 1], [1, nan, 1, 1, 1], [nan, nan, 1, nan, 1]])
    assert dust.data_rates(x, reference).tolist() == [100.0, 75.0, 25.0]
    assert dust.data_rate(x, reference) == 25.0
    assert dust.data_rate(x, np.full(5, nan)) is None


def test_repeatability_by_hand() -> None:
    """9, 10, 11: sample SD 1 of mean 10."""
    assert dust.repeatability(np.array([9.0, 10, 11])) == pytest.approx(90.0)
    assert dust.repeatability(np.array([9.0, nan, 10, 11])) == pytest.approx(90.0)
    assert dust.repeatability(np.array([5.0])) is None
    assert dust.repeatability(np.zeros(5)) is None


def test_means_need_enough_readings_and_keep_to_their_hours() -> None:
    t = np.array([-1, 0, 1, HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR], dtype=np.int64)
    x = np.array([100.0, 1, 2, 6, 7, nan, 100])
    found = dust.means(t, x, start=0, width=HOUR, n=2, needed=2)
    assert found.readings.tolist() == [3, 1]
    assert found.value[0] == pytest.approx(3.0)
    assert np.isnan(found.value[1])
    assert found.valid == 1


def test_mean_of_units_takes_what_is_valid() -> None:
    x = np.array([[1.0, nan, nan], [3.0, 5.0, nan]])
    assert dust.mean_of_units(x)[:2].tolist() == [2.0, 5.0]
    assert np.isnan(dust.mean_of_units(x)[2])
