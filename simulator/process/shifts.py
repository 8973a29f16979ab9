"""Working shifts and the Korean calendar: when equipment is planned to be busy.

Holidays are those of the Regulations on Holidays of Government Offices; lunar ones and substitutes by table for the
years given, others by their fixed dates. ``holidays`` of a shift adds the works' own (founding day, summer shutdown).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Literal

from pydantic import Field, model_validator

from core.clock import NS
from core.config import Config
from simulator.environment import DAY, HOUR, KST

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


class ShiftConfig(Config):
    """Planned busy time: from ``begin`` to ``end`` (local hours) on its days.

    Attributes
    ----------
    days
        ``workdays``: Monday to Friday but for holidays; ``daily``: every day.
    holidays
        More days off, ``YYYY-MM-DD``; only for ``workdays``.
    """

    begin: float = Field(default=6.0, ge=0, lt=24)
    end: float = Field(default=22.0, gt=0, le=24)
    days: Literal["workdays", "daily"] = "workdays"
    holidays: tuple[date, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> ShiftConfig:
        if self.end <= self.begin:
            raise ValueError("end must be after begin; a night shift is two entries of equipment or days: daily")
        return self

    def works(self, day: date) -> bool:
        """Tell whether the shift works on a local date."""
        return self.days == "daily" or (day.weekday() < 5 and not is_holiday(day) and day not in self.holidays)

    def span(self, utc: int) -> tuple[int, int]:
        """Return (begin, end) in UTC ns of the shift that is on or the next to come."""
        midnight = (utc + KST) // DAY * DAY - KST
        while True:
            end = midnight + round(self.end * HOUR)
            if self.works(local_date(midnight)) and utc < end:
                return midnight + round(self.begin * HOUR), end
            midnight += DAY
