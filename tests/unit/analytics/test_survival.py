"""The survival baseline: known curves come back, censoring and late entry do not bias them."""

import numpy as np
import pytest

from analytics.config import GroupConfig
from analytics.features import ASSET_FEATURES, age_column
from analytics.prognosis.survival import SurvivalConfig, kaplan_meier, weibull
from core.errors import ModelError

HOUR = 3600.0


def lives(n, beta=2.5, eta=100.0, seed=0):
    return eta * np.random.default_rng(seed).weibull(beta, n)


def test_the_curve_of_drawn_lives_comes_back():
    beta, eta = weibull(np.zeros(4000), lives(4000), np.ones(4000, dtype=bool))
    assert beta == pytest.approx(2.5, rel=0.05)
    assert eta == pytest.approx(100.0, rel=0.03)


def test_planned_maintenance_and_late_entry_do_not_bias_it():
    rng = np.random.default_rng(1)
    t, stop, entry = lives(12000, seed=2), rng.uniform(20, 150, 12000), rng.uniform(0, 60, 12000)
    failed, end = t <= stop, np.minimum(t, stop)
    seen = end > entry
    beta, eta = weibull(entry[seen], end[seen], failed[seen])
    assert beta == pytest.approx(2.5, rel=0.06)
    assert eta == pytest.approx(100.0, rel=0.04)
    naive = weibull(np.zeros(failed.sum()), end[failed], np.ones(failed.sum(), dtype=bool))
    assert abs(naive[1] - 100.0) > 5 * abs(eta - 100.0)  # leaving the survivors out is what biases


def test_kaplan_meier_by_hand():
    """Six lives: 1, 2+, 3, 3, 4+, 5; + is censored: 5/6, then 2 of 4 die, then the last."""
    end = np.array([1.0, 2.0, 3.0, 3.0, 4.0, 5.0])
    failed = np.array([1, 0, 1, 1, 0, 1], dtype=bool)
    t, s = kaplan_meier(np.zeros(6), end, failed)
    assert t.tolist() == [1.0, 3.0, 5.0]
    np.testing.assert_allclose(s, [5 / 6, 5 / 6 * 0.5, 0.0])
    _, late = kaplan_meier(np.array([0, 0, 0, 0, 0, 2.0]), end, failed)
    np.testing.assert_allclose(late, [4 / 5, 4 / 5 * 0.5, 0.0])


def rows(groups=60, seed=0, censor_h=None):
    """Return (x, y, group): ages every 5 h of lives with eta = 100 h."""
    x, y, group = [], [], []
    for g, life in enumerate(lives(groups, beta=4.0, seed=seed)):
        end = life if censor_h is None else min(life, censor_h)
        for age in np.arange(0.0, end, 5.0):
            row = np.zeros(len(ASSET_FEATURES) + 4)
            row[age_column()] = age
            x.append(row)
            y.append((life - age) * HOUR if end == life else np.inf)
            group.append(g)
    return np.array(x), np.array(y), np.array(group)


def test_chance_and_remaining_life_follow_from_the_age():
    x, y, group = rows()
    model = SurvivalConfig(horizon="10h", cap="150h").build(0).fit(x, y, group)
    beta, eta = model.curve[0], model.curve[1] / HOUR
    at = np.zeros((2, x.shape[1]))
    at[1, age_column()] = 90.0
    outlook = model.predict(at)
    expected = 1 - np.exp((90 / eta) ** beta - (100 / eta) ** beta)
    assert outlook.p_failure[1] == pytest.approx(expected)
    assert outlook.rul_s[0] / HOUR == pytest.approx(eta * np.log(2) ** (1 / beta))
    assert outlook.rul_s[1] < outlook.rul_s[0] / 3
    assert model.metrics["km_gap"] < 0.15
    assert 0.8 < model.metrics["coverage"] < 0.98


def test_a_row_without_an_age_gets_that_of_the_average_row():
    x, y, group = rows()
    model = SurvivalConfig(horizon="10h").build(0).fit(x, y, group)
    blind, average = np.full((1, x.shape[1]), np.nan), np.zeros((1, x.shape[1]))
    average[0, age_column()] = x[:, age_column()].mean()
    assert model.predict(blind).rul_s == pytest.approx(model.predict(average).rul_s)


def test_nothing_to_learn_from_is_said_in_one_line():
    with pytest.raises(ModelError, match="no life ended in a failure"):
        weibull(np.zeros(3), np.ones(3), np.zeros(3, dtype=bool))
    x, y, group = rows(6)
    x[:, age_column()] = np.nan
    with pytest.raises(ModelError, match="no row has an age"):
        SurvivalConfig(horizon="10h").build(0).fit(x, y, group)


def test_it_is_chosen_in_yaml_and_boosted_trees_stay_the_default():
    assert GroupConfig.model_validate({"prognosis": {"kind": "survival"}}).prognosis == SurvivalConfig()
    assert GroupConfig.model_validate({"prognosis": {"horizon": "10h"}}).prognosis.kind == "boosted"
    with pytest.raises(ValueError, match="prophecy"):
        GroupConfig.model_validate({"prognosis": {"kind": "prophecy"}})
