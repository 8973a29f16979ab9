"""Weather, calendar and roads: normals, spells, purity."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from core.clock import NS
from core.config import parse
from core.errors import ConfigError
from simulator.climate import ClimateConfig, SpellConfig
from simulator.environment import Environment
from simulator.holidays import DAY, HOUR, KST, is_holiday, is_workday
from simulator.roads import BUSY, Roads
from simulator.spells import Spells, month_of

NEW_YEAR = 1_735_657_200 * NS  # 2025-01-01 in Seoul
YEAR = np.arange(0, 365 * DAY, HOUR, dtype=np.int64)


def local(year: int, month: int, day: int) -> np.ndarray:
    return np.array([(date(year, month, day) - date(1970, 1, 1)).days * DAY - KST + 10 * HOUR])


@pytest.mark.parametrize(
    "day", [(2025, 1, 28), (2025, 10, 6), (2026, 2, 17), (2026, 9, 24), (2027, 5, 13), (2026, 3, 2), (2031, 6, 6)]
)
def test_public_holidays_are_no_workdays(day: tuple[int, int, int]) -> None:
    assert is_holiday(date(*day))
    assert not is_workday(local(*day))[0]


def test_workdays_agree_with_the_calendar() -> None:
    days = [date.fromordinal(date(2026, 1, 1).toordinal() + n) for n in range(365)]
    found = [bool(is_workday(local(d.year, d.month, d.day))[0]) for d in days]
    assert found == [d.weekday() < 5 and not is_holiday(d) for d in days]
    assert month_of(local(2026, 7, 31)).tolist() == [6]


def test_traffic_of_a_holiday_is_that_of_a_sunday() -> None:
    begin = int(local(2026, 9, 20)[0])
    air = Environment(7, begin, 0)
    chuseok, plain = (air.at("traffic", local(2026, 9, d) - begin - 2 * HOUR)[0] for d in (24, 22))
    assert chuseok < 0.7 * plain


def test_monthly_means_follow_the_normals() -> None:
    temperatures, rains = [], []
    for root in range(4):
        air = Environment(root, NEW_YEAR, 0)
        month = month_of(YEAR + NEW_YEAR)
        temperatures.append([air.at("temperature", YEAR)[month == m].mean() for m in range(12)])
        rains.append([air.at("rain", YEAR)[month == m].sum() for m in range(12)])
    normal = ClimateConfig()
    assert np.abs(np.mean(temperatures, axis=0) - normal.temperature).max() < 2.5
    rain = np.mean(rains, axis=0)
    assert rain.sum() == pytest.approx(sum(normal.rain_mm), rel=0.25)
    assert rain[6:8].sum() > 0.35 * rain.sum()


def test_the_weather_of_a_day_does_not_depend_on_where_a_world_begins() -> None:
    utc = NEW_YEAR + YEAR
    one, two = Spells(3, 0, ClimateConfig()), Spells(3, 99, ClimateConfig())
    for kind in ("heat_wave", "cold_wave", "rain", "dust", "haze"):
        size = one.size(kind, utc)
        assert size.tobytes() == two.size(kind, utc).tobytes()
        assert (size > 0).any()
        assert one.size(kind, utc[100:101])[0] == size[100]
    assert not Spells(3, 0, ClimateConfig(chance=False)).size("rain", utc).any()
    hot = month_of(utc)[one.size("heat_wave", utc) > 0]
    assert set(hot.tolist()) <= {4, 5, 6, 7, 8}


def test_a_spell_on_order() -> None:
    spell = parse({"kind": "heat_wave", "at": "1h", "until": "25h", "size": 8}, SpellConfig, "t")
    config = ClimateConfig(chance=False, spells=(spell,))
    usual, hot = Environment(1, NEW_YEAR, 0, ClimateConfig(chance=False)), Environment(1, NEW_YEAR, 0, config)
    t = np.array([0, HOUR, 13 * HOUR, 25 * HOUR, 40 * HOUR])
    assert (hot.at("temperature", t) - usual.at("temperature", t)).round(6).tolist() == [0, 0, 8, 0, 0]
    assert hot.at("mains", t[2:3])[0] < usual.at("mains", t[2:3])[0]  # in January: less heating
    assert (hot.at("traffic", t) == usual.at("traffic", t)).all()


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"spells": [{"kind": "rain", "at": "2h", "until": "1h", "size": 3}]}, "ends"),
        ({"spells": [{"kind": "snow", "at": "0s", "until": "1h", "size": 3}]}, "heat_wave"),
        ({"temperature": [1, 2]}, "temperature"),
        ({"rain_days": [0.0] * 12}, "rain_days"),
    ],
)
def test_a_bad_climate_is_told(bad: dict[str, object], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        parse(bad, ClimateConfig, "t")


def test_roads_count_vehicles_and_forget() -> None:
    roads = Roads()
    roads.change((3, 4), 10, 2 * BUSY)
    roads.change((3, 4), 20, -2 * BUSY)
    t = np.array([[5, 5, 5], [10, 10, 10], [19, 19, 19], [20, 20, 20]])
    assert roads.share(t, np.array([3, 4, -1])).tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]]
    roads.change((3,), 30 * HOUR, BUSY)
    roads.commit(40 * HOUR)
    assert roads.share(np.array([[40 * HOUR]]), np.array([3])).tolist() == [[1]]


def test_near_districts_have_nearly_the_same_air() -> None:
    air = Environment(7, NEW_YEAR, 0)
    t = np.repeat(np.arange(0, 300 * DAY, 3 * HOUR, dtype=np.int64)[:, None], 3, axis=1)
    noise = air.districts.at(t, np.array([22, 21, 9]))  # Gangnam, Seocho, Dobong
    near, far = (np.corrcoef(noise[:, 0], noise[:, n])[0, 1] for n in (1, 2))
    assert near > 0.6
    assert far < near - 0.3
    assert noise.std() == pytest.approx(1.0, abs=0.1)
