import numpy as np
import pytest

from analytics.labels import time_to_failure, usable
from analytics.lives import (  # fmt: skip
    FAILED,
    MAINTENANCE,
    UNKNOWN,
    UP,
    Life,
    Mark,
    lives_of,
    marks_of_events,
    marks_of_phases,
    phase_of,
)
from core.clock import NS
from core.command import Event


def spans(lives):
    return [(life.t0, life.t1, life.end) for life in lives]


def test_lives_are_cut_at_failures_and_planned_maintenance():
    events = [
        Event("d", "failure", "", 100),
        Event("d", "repaired", "", 130),
        Event("d", "maintenance", "", 200),
        Event("d", "maintained", "", 210),
        Event("d", "door_opened", "", 220),
    ]
    lives = lives_of("d", marks_of_events(events)["d"], 0, 300)
    assert spans(lives) == [(0, 100, "failure"), (130, 200, "maintenance"), (210, 300, "open")]
    assert [life.number for life in lives] == [0, 1, 2]


def test_states_alone_are_enough():
    g = np.arange(6, dtype=np.int64) * 60
    phase = np.array([UP, UNKNOWN, FAILED, FAILED, UP, MAINTENANCE], dtype=np.int8)
    lives = lives_of("d", marks_of_phases(g, phase, 60), 0, 360)
    assert spans(lives) == [(0, 180, "failure"), (300, 360, "maintenance")]


def test_events_and_states_of_the_same_failure_count_once():
    marks = [Mark(170, "failure"), Mark(250, "up"), *marks_of_phases(np.array([0, 60, 120, 180, 240]),
             np.array([UP, UP, FAILED, FAILED, UP], dtype=np.int8), 60)]  # fmt: skip
    assert spans(lives_of("d", marks, 0, 300)) == [(0, 170, "failure"), (250, 300, "open")]


def test_a_failure_during_maintenance_ends_no_second_life():
    marks = [Mark(10, "maintenance"), Mark(20, "failure"), Mark(30, "up")]
    assert spans(lives_of("d", marks, 0, 50)) == [(0, 10, "maintenance"), (30, 50, "open")]


def test_an_asset_first_seen_broken_has_no_life_before():
    marks = marks_of_phases(np.array([0, 60, 120]), np.array([FAILED, FAILED, UP], dtype=np.int8), 60)
    assert spans(lives_of("d", marks, 0, 180)) == [(0, 60, "failure"), (180, 180, "open")]


def test_state_names_become_phases():
    assert phase_of({0: "Running", 3: "failed", 4: "maintenance"}) == {0: UP, 3: FAILED, 4: MAINTENANCE}


def test_censored_windows_are_used_only_where_survival_is_known():
    t = np.array([0, 50 * NS])
    y, known = time_to_failure(t, Life("d", 0, 0, 100 * NS, "maintenance"))
    assert np.isinf(y).all()
    assert known.tolist() == [100.0, 50.0]
    assert usable(y, known, horizon_s=30, cap_s=60).tolist() == [True, False]
    y, known = time_to_failure(t, Life("d", 0, 0, 100 * NS, "failure"))
    assert y.tolist() == [100.0, 50.0]
    assert usable(y, known, 30, 60).all()


@pytest.mark.parametrize("end", [99, 101])
def test_marks_after_the_data_are_not_seen(end):
    lives = lives_of("d", [Mark(100, "failure")], 0, end)
    assert lives[-1].end == ("open" if end < 100 else "failure")
