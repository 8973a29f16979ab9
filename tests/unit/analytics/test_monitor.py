"""Drift of inputs and errors of chances: seen when they are there, silent when they are not."""

import numpy as np
import pytest

from analytics.features import FeatureInfo
from analytics.monitor import InputMonitor, Monitor, MonitorConfig, OutcomeMonitor, reference
from core.clock import NS
from core.command import Event
from core.finding import Prognosis

INFOS = [FeatureInfo(n, "1", "x") for n in ("a", "b", "c", "age")]
HOUR = 3600 * NS


def table(n, shift=0.0, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, 4))
    x[:, 0] += shift
    x[::10, 2] = np.nan
    return x


def card():
    return {"reference": reference(table(5000), np.ones(5000), INFOS), "data_end": 0}


def test_like_inputs_do_not_drift():
    monitor = InputMonitor(card())
    monitor.take(table(3000, seed=1))
    assert max(d.psi for d in monitor.drifts()) < 0.02
    assert max(d.ks for d in monitor.drifts()) < 0.05


def test_the_index_is_that_of_the_definition():
    monitor = InputMonitor(card())
    monitor.take(np.repeat([[0.0, 0.0, np.nan, 0.0]], 1000, axis=0))  # everything in one bin, or missing
    found = {d.name: d for d in monitor.drifts()}
    floor = 1e-3
    expected = (1 - 0.1) * np.log(1 / 0.1) + 9 * (floor - 0.1) * np.log(floor / 0.1)
    assert found["a"].psi == pytest.approx(expected, rel=0.05)
    assert found["c"].psi > 2  # a sensor that went silent
    assert "age" not in found  # grows by nature


def test_a_shift_is_told_once_and_taken_back():
    monitor = Monitor(MonitorConfig(rows=500, share=0.3), card(), 86_400.0)
    monitor.inputs.take(table(400, shift=2.0, seed=2))
    assert monitor.tell("m", 1) == []  # too few rows yet
    monitor.inputs.take(table(400, shift=2.0, seed=3))
    (event,) = monitor.tell("m", 2)
    assert event.name == "retrain"
    assert "1 of 3 inputs" in event.text
    assert monitor.tell("m", 3) == []
    monitor.inputs.take(table(40_000, seed=4))
    assert [e.name for e in monitor.tell("m", 4)] == ["fits"]


def prognosis(device, t, p):
    return Prognosis(device, "m", t, p, 24 * 3600.0, 1.0, 0.0, 2.0)


def test_outcomes_are_paired_with_what_was_said():
    monitor = OutcomeMonitor(24 * 3600.0)
    for k in range(48):
        monitor.take(
            [prognosis("good", k * HOUR, 0.1), prognosis("bad", k * HOUR, 0.9), prognosis("kept", k * HOUR, 0.8)]
        )
    monitor.hear([Event("kept", "maintained", "", 48 * HOUR), Event("bad", "failure", "", 50 * HOUR)])
    pairs = {}
    for device, p, failed in monitor.pairs:
        pairs.setdefault((device, failed), []).append(p)
    assert len(pairs["good", False]) == 24
    assert len(pairs["bad", False]) == 26  # said more than a day before
    assert len(pairs["bad", True]) == 22  # of hours 26 to 47
    assert ("kept", True) not in pairs
    assert len(pairs["kept", False]) == 24
    brier, of_mean, count = monitor.brier()
    assert count == sum(map(len, pairs.values()))
    assert brier == pytest.approx((24 * 0.01 + 26 * 0.81 + 22 * 0.01 + 24 * 0.64) / count)
    assert 0 < of_mean < 0.25


def test_chances_worse_than_the_mean_ask_for_training():
    monitor = Monitor(MonitorConfig(outcomes=50), {"data_end": 0}, 24 * 3600.0)
    for k in range(120):
        monitor.outcomes.take([prognosis("a", k * HOUR, 0.95), prognosis("b", k * HOUR, 0.05)])
    monitor.outcomes.hear([Event("b", "failure", "", 120 * HOUR)])
    assert "Brier" in monitor.reason(0)
