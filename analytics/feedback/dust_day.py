"""Measures on a day of fine dust: begun when the city's PM2.5 stays high, ended when it has clearly fallen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field

from analytics.feedback.measures import Bounds, BoundsConfig, Orders, State, having
from core.clock import NS
from core.config import Config, Duration
from core.finding import Finding, Prognosis

_CITY = "city"


class DustMeasure(Config):
    """What equipment of a kind does on such a day: command with arguments, and arguments that end it (none: nothing
    is sent at the end)."""

    kind: str
    command: str = "derate"
    args: dict[str, float | str] = {"factor": 0.8}
    undo: dict[str, float | str] | None = {"factor": 1.0}


class DustDayConfig(Config):
    """Settings of :class:`DustDay`.

    Attributes
    ----------
    at, end
        PM2.5 (ug/m3) at which the measures begin and below which they end. 75 for two hours and 35 are Korea's
        advisory as far as secondary sources give it: settings, not claims.
    over
        Time constant of the mean over the stations' median.
    measures
        What to do.
    """

    kind: Literal["dust_day"] = "dust_day"
    at: float = Field(default=75.0, gt=0)
    end: float = Field(default=35.0, gt=0)
    over: Duration = 3600 * NS
    measures: tuple[DustMeasure, ...] = (DustMeasure(kind="conveyor"),)
    bounds: BoundsConfig = BoundsConfig()

    @property
    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """Return what the policy looks at."""
        return {m.kind: ("state",) for m in self.measures} | {"air_station": ("pm25",)}

    def build(self) -> DustDay:
        """Return the policy."""
        return DustDay(self)


class DustDay:
    """Commands the same measures to all equipment of the named kinds."""

    name = "dust_day"

    def __init__(self, config: DustDayConfig) -> None:
        self._config = config
        self._bounds = Bounds(config.bounds, self.name)
        self._mean: tuple[int, float] | None = None

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return the commands that begin or end the measures."""
        stations = having(state, "air_station.pm25")
        if not stations:
            return []
        level = self._follow(now, float(np.median([own["air_station.pm25"] for _, own in stations])))
        turn = self._bounds.turn(now, _CITY, level >= self._config.at, level < self._config.end)
        reason = f"PM2.5 {level:.0f} µg/m³ (median of {len(stations)} stations)"
        out: Orders = []
        for measure in self._config.measures if turn else ():
            args = measure.args if turn == "begin" else measure.undo
            for device, _ in having(state, f"{measure.kind}.state"):
                if args is not None:
                    out += self._bounds.order(now, device, measure.command, args, reason)
        return out

    def _follow(self, now: int, value: float) -> float:
        if self._mean is None:
            self._mean = (now, value)
        then, mean = self._mean
        mean += float(1.0 - np.exp((then - now) / self._config.over)) * (value - mean)
        self._mean = (now, mean)
        return mean
