"""Alarms against truth, counted by hand."""

import math

import numpy as np
import pytest

from analytics.alarms import Raised, life_error, raised, score
from analytics.detectors.alarm import AlarmConfig
from analytics.lives import Life

H = 3600 * 1_000_000_000
DAY = 24 * H


def test_two_machines_counted_by_hand() -> None:
    failures = {"a": [20 * DAY, 60 * DAY], "b": []}
    begun = {"a": [0, 21 * DAY], "b": [0]}
    alarms = [
        Raised("a", 18 * DAY, 0),  # right, 48 h ahead
        Raised("a", 30 * DAY, 1),  # false: 30 days before the next failure
        Raised("b", 10 * DAY, 2),  # false
        Raised("b", 69 * DAY, 2),  # nobody knows yet
    ]
    out = score(alarms, failures, begun, (0, 70 * DAY), within=7 * DAY, settle=2 * DAY)
    assert (out["failures"], out["predictable"], out["found"]) == (2, 2, 1)
    assert (out["right"], out["false"], out["undecided"]) == (1, 2, 1)
    assert out["recall"] == 0.5
    assert out["precision"] == pytest.approx(1 / 3)
    assert out["lead_h"] == 48.0
    assert out["false_per_week"] == pytest.approx(2 / 20)


def test_a_failure_of_a_machine_just_seen_is_not_predictable() -> None:
    out = score([], {"a": [DAY]}, {"a": [0]}, (0, 70 * DAY), 7 * DAY, settle=2 * DAY)
    assert (out["failures"], out["predictable"]) == (1, 0)
    assert math.isnan(out["recall"])
    assert out["recall_all"] == 0.0


def test_an_alarm_of_the_life_before_finds_nothing() -> None:
    out = score([Raised("a", 9 * DAY, 0)], {"a": [15 * DAY]}, {"a": [0, 10 * DAY]}, (0, 70 * DAY), 7 * DAY, DAY)
    assert out["found"] == 0


def test_an_alarm_is_an_event_and_begins_anew_with_a_life() -> None:
    lives = [Life("a", 0, 0, 5 * H, "failure"), Life("a", 1, 6 * H, 99 * H, "open")]
    p = np.array([0.1, 0.9, 0.9, 0.6, 0.9, 0.9, 0.0])
    life = np.array([0, 0, 0, 0, 0, 1, 1])
    out = raised(lives, life, np.arange(7) * H, p, AlarmConfig(raise_after=1, clear_after=2, clear_at=0.5), 0.5)
    assert [(a.t // H, a.life) for a in out] == [(1, 0), (5, 1)]


def test_the_error_of_remaining_life_counts_where_it_can_be_told() -> None:
    true = np.array([3600.0, 7200.0, 999_999.0, np.nan])
    out = life_error(np.array([7200.0, 7200.0, 10_000.0, 5.0]), np.zeros(4), np.full(4, 7200.0), true, 10_000.0)
    assert out["rul_rows"] == 2
    assert out["rul_mae_h"] == pytest.approx(0.5)
    assert out["coverage"] == pytest.approx(2 / 3)
