"""Working shifts: when equipment is planned to be busy. ``holidays`` of a shift adds the works' own to the public
ones (founding day, summer shutdown).
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from core.config import Config
from simulator.holidays import DAY, HOUR, KST, is_holiday, local_date


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
