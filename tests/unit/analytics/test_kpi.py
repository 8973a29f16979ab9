"""ISO 22400 figures against cases counted by hand."""

import numpy as np
import pytest

from analytics.kpi import ELEMENT, KPIS, Tally, tally, total
from simulator.states import STATES

NS = 1_000_000_000
H = 3600 * NS


def test_a_day_counted_by_hand() -> None:
    """12 h planned: 7 running, 1 set-up, 1 starved, 2 failed, 1 in maintenance; 2 h more of the failure lie outside."""
    states = np.array([1, 7, 1, 6, 4, 3], dtype=np.int64)
    begin = np.array([0, 4, 5, 8, 9, 13], dtype=np.int64) * H
    busy = np.array([4, 1, 3, 1, 2, 1]) * 3600.0
    one = tally(states, begin, 14 * H, STATES, busy, 12 * 3600.0, made=640, good=600, scrap=40, ideal=6.4 * 3600)
    assert one.production == 7 * 3600
    assert one.availability == pytest.approx(7 / 12)
    assert one.technical_availability == pytest.approx(9 / 12)
    assert one.effectiveness == pytest.approx(6.4 / 7)
    assert one.quality == pytest.approx(0.9375)
    assert one.oee == pytest.approx(7 / 12 * 6.4 / 7 * 0.9375)
    assert one.scrap_ratio == pytest.approx(1 / 16)
    assert one.utilisation == pytest.approx(7 / 9)
    assert one.throughput == pytest.approx(640 / 9)
    assert one.failures == 1
    assert one.mttr == 4 * 3600, "the whole repair, also outside planned time"
    assert one.mttf == 8 * 3600
    assert one.mtbf == 12 * 3600


def test_units_add_up() -> None:
    a = Tally(busy=10.0, production=8.0, failures=1, repair=2.0)
    b = Tally(busy=10.0, production=4.0, failures=3, repair=4.0)
    both = total([a, b])
    assert both.availability == pytest.approx(0.6)
    assert both.mttf == pytest.approx(3.0)
    assert both.mttr == pytest.approx(1.5)


def test_nothing_made_is_no_number_and_no_failure_is_the_whole_time() -> None:
    idle = Tally(busy=10.0, production=8.0)
    assert np.isnan(idle.quality)
    assert np.isnan(idle.oee)
    assert idle.mtbf == 8.0


def test_every_state_of_equipment_has_its_time_element() -> None:
    assert set(ELEMENT) == set(STATES.values())


def test_every_figure_has_both_names() -> None:
    assert all(k.name.ko and k.name.en and k.name.ko != k.name.en for k in KPIS)
    assert len({k.key for k in KPIS}) == len(KPIS)
