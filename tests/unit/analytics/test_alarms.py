import numpy as np
import pytest

from analytics.detectors.alarm import AlarmConfig, Alarms
from analytics.detectors.zones import ZonesConfig, zone


def steps(scores, **how):
    alarms = Alarms(AlarmConfig(**how), 1)
    out = []
    for k, s in enumerate(scores):
        raised, cleared = alarms.update(np.array([s], dtype=float), 1.0)
        out += [(k, "raised")] * len(raised) + [(k, "cleared")] * len(cleared)
    return out


def test_an_alarm_is_an_event_and_not_a_flicker():
    flicker = [2, 0.9, 2, 0.9, 2, 0.9] * 5
    assert steps(flicker, raise_after=3, clear_after=2) == []
    assert steps([2, 2, 2, *flicker], raise_after=3, clear_after=2, clear_at=0.8) == [(2, "raised")]
    assert steps([2, 2, 2, 0.5, 0.5, 0.5], raise_after=3, clear_after=2) == [(2, "raised"), (4, "cleared")]


def test_unknown_scores_change_nothing():
    assert steps([2, np.nan, 2, np.nan, 2], raise_after=3) == [(4, "raised")]


@pytest.mark.parametrize(("level", "letter"), [(0.5, "A"), (1.5, "B"), (3.0, "C"), (4.6, "D"), (30.0, "D")])
def test_zones_of_group_2_rigid(level, letter):
    assert zone(float(ZonesConfig().build(0).score(np.array([[level]]))[0])) == letter


def test_zones_take_other_limits_and_the_worst_channel():
    detector = ZonesConfig(limits=(1.0, 2.0, 3.0)).build(0)
    assert detector.score(np.array([[0.5, 2.5, np.nan]]))[0] == pytest.approx(2.5)
