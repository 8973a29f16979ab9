"""The Korean calendar: local time, public holidays, days of work.

Holidays are those of the Regulations on Holidays of Government Offices; lunar ones and substitutes by table for the
years given, others by their fixed dates. Korea Standard Time is UTC+9 all the year.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from core.clock import NS
from simulator.grid import Ints

HOUR = 3600 * NS
DAY = 24 * HOUR
KST = 9 * HOUR
_MONDAY = 4 * DAY  # 1970-01-01 was a Thursday
_YEARS = range(1990, 2101)

_FIXED = ((1, 1), (3, 1), (5, 5), (6, 6), (8, 15), (10, 3), (10, 9), (12, 25))
#: lunar new year, Buddha's birthday, Chuseok, and substitutes of holidays that fall on days off
_MOVING: dict[int, tuple[str, ...]] = {
    2025: ("01-27", "01-28", "01-29", "01-30", "03-03", "05-06", "10-06", "10-07", "10-08"),
    2026: ("02-16", "02-17", "02-18", "03-02", "05-25", "08-17", "09-24", "09-25", "10-05"),
    2027: ("02-08", "02-09", "05-13", "08-16", "09-14", "09-15", "09-16", "10-04", "10-11", "12-27"),
}


def is_holiday(day: date) -> bool:
    """Tell whether a local date is a public holiday (lunar ones: 2025 to 2027 only)."""
    return (day.month, day.day) in _FIXED or day.strftime("%m-%d") in _MOVING.get(day.year, ())


def local_date(utc: int) -> date:
    """Return the date in Korea at UTC ns."""
    return (datetime.fromtimestamp(0, UTC) + timedelta(seconds=(utc + KST) // NS)).date()


def _holidays() -> Ints:
    """Return the number of every holiday's day since 1970-01-01, ascending."""
    days = [date(year, month, day) for year in _YEARS for month, day in _FIXED]
    days += [date.fromisoformat(f"{year}-{day}") for year, moving in _MOVING.items() for day in moving]
    return np.unique(np.array([(day - date(1970, 1, 1)).days for day in days], dtype=np.int64))


_HOLIDAYS = _holidays()


def is_workday(utc: Ints) -> NDArray[np.bool_]:
    """Return whether UTC ns lie on a local Monday to Friday that is no public holiday."""
    day = (utc + KST) // DAY
    place = np.minimum(np.searchsorted(_HOLIDAYS, day), len(_HOLIDAYS) - 1)
    return np.asarray(((utc + KST - _MONDAY) // DAY % 7 < 5) & (_HOLIDAYS[place] != day), dtype=np.bool_)
