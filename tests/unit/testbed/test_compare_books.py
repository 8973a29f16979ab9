"""Calendar, trucks, figures and limits of a comparison, counted by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from core.errors import ConfigError
from testbed.compare.calendar import Calendar
from testbed.compare.comparison import check
from testbed.compare.config import CalendarConfig, CostConfig, OrderConfig, Prices
from testbed.compare.figures import difference, figure
from testbed.compare.ledger import ITEMS, Ledger, late_trucks, prices
from testbed.scenario import read
from tests.compare_plant import SCENARIO, plant, write_plant

H = 3600 * 1_000_000_000


def test_two_shifts_of_three_on_six_days_of_seven() -> None:
    calendar = Calendar(CalendarConfig())
    assert [calendar.works(k) for k in range(3)] == [True, True, False]
    assert [calendar.works(18 + k) for k in range(3)] == [False] * 3, "Sunday"
    assert calendar.works(21)


def test_working_time_of_a_span() -> None:
    calendar = Calendar(CalendarConfig())
    since, until = np.array([15, 0, 16, 20]) * H, np.array([25, 24, 24, 7 * 24]) * H
    assert (calendar.worked(since, until, 21) / 3600).tolist() == [2.0, 16.0, 0.0, 80.0]


def test_trucks_that_wait_for_packs() -> None:
    orders = OrderConfig(kind="x", demand=80.0, truck=16.0, room=30.0)
    assert late_trucks([100.0, 60.0, 80.0], orders) == [0, 0, 0], "20 in the warehouse make up for 60"
    assert late_trucks([100.0, 40.0], orders) == [0, 2], "20 missing: two trucks of 16"
    assert late_trucks([40.0, 200.0, 80.0], orders) == [3, 0, 0]
    assert late_trucks([0.0, 0.0], orders) == [5, 5], "no more than the day's own trucks are late that day"


def test_a_failure_and_a_maintenance_in_the_books() -> None:
    pump = Prices(downtime_h=100, rest_h=1, repair_parts=50, planned_parts=20, repair_h=3, planned_h=2, callout=7)
    costs = CostConfig(labour_h=10.0, kinds={"pump": pump})
    ledger = Ledger(costs)
    ledger.maintenance(2, "p", "pump", 0.0, 2.0)
    ledger.failure(1, "p", "pump", 4.0, 5.0)
    table = ledger.table()
    krw = dict(zip(table.column("item").to_pylist(), table.column("krw").to_pylist(), strict=True))
    assert krw == {
        "downtime": 400.0, "downtime_at_rest": 5.0, "repair_parts": 50.0, "repair_labour": 30.0, "callout": 7.0,
        "planned_downtime_at_rest": 2.0, "planned_parts": 20.0, "planned_labour": 20.0,
    }  # fmt: skip
    assert table.column("t").to_pylist() == sorted(table.column("t").to_pylist())
    assert set(prices(costs, ["pump"])["pump"]) == set(ITEMS)


def test_the_interval_of_a_paired_difference() -> None:
    """Mean -2, standard deviation 1 of four pairs: t(3, 97.5 %) = 3.1824 gives 1.5912 either side."""
    values = np.array([1.0, 2.0, 3.0, 4.0])
    apart = np.array([-3.0, -1.0, -2.0, -2.0])
    told = difference(values + apart, values)
    assert told.mean == -2.0
    assert told.high - told.mean == pytest.approx(3.18245 * math.sqrt(2 / 3) / 2, rel=1e-5)
    assert told.clear
    assert told.percent == pytest.approx(-80.0)
    assert not difference(values, values[::-1]).clear
    assert math.isnan(figure(values[:1]).low)


@pytest.mark.parametrize(
    ("policies", "count", "days", "says"),
    [
        (["periodic", "wishful"], 2, 30, "unknown policy 'wishful'"),
        ([], 2, 30, "no policy is named"),
        (["periodic", "periodic"], 2, 30, "named twice"),
        (["periodic"], 0, 30, "0 seeds"),
        (["periodic"], 2, 3, "3 days are too short"),
    ],
)
def test_what_cannot_be_compared(tmp_path: Path, policies: list[str], count: int, days: int, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as told:
        check(plant(tmp_path), policies, count, days)
    assert "\n" not in str(told.value)
    assert told.value.hint


def test_a_scenario_without_prices_or_wear_or_start_is_told_so(tmp_path: Path) -> None:
    groups = [{"name": "g", "kinds": ["van"]}]
    for i, (change, says) in enumerate(
        [
            ({"compare": None}, "missing key"),
            ({"start": "now"}, "fixed start"),
            ({"analytics": {"groups": groups}}, "wears"),
        ]
    ):
        path = write_plant(tmp_path / str(i), **change)
        with pytest.raises(ConfigError, match=says):
            check(read(path), ["periodic"], 2, 30)
    assert SCENARIO["compare"]
