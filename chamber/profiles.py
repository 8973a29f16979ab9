"""Stimuli: what the air of the chamber (or of the street beside it) does while a device is tested.

A profile is a pure function of (key, time), so any block of it can be rendered alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from chamber.sourced import Sourced, Span
from core.clock import NS
from core.config import Config, Label
from core.seed import generator, key, normal

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
HOUR = 3600 * NS
DAY = 24 * HOUR
KST = 9 * HOUR
#: diurnal shape of Seoul's dust in [-1, 1] by local hour: highest 10-11 h, level 14-20 h, a small rise after
#: 20 h, lowest 5-6 h (standards.md 6.1: OBS, BBS, KWEATHER; the values between the anchors are assumed)
_DIURNAL = np.array(
    [0.0, -0.2, -0.4, -0.6, -0.8, -1.0, -0.9, -0.4, 0.3, 0.8, 1.0, 0.9,
     0.5, 0.1, -0.1, -0.1, -0.1, -0.1, -0.1, -0.1, 0.1, 0.25, 0.2, 0.1]
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Air:
    """Dry fine dust mass (ug/m3), temperature (Cel) and relative humidity (%), each float64[n]."""

    pm25: Floats
    temperature: Floats
    humidity: Floats


@dataclass(frozen=True, slots=True)
class Segment:
    """A span of a test to be judged, in ns (end exclusive); ``level`` is the set concentration of a step."""

    phase: str
    name: str
    t0: int
    t1: int
    level: float | None = None


class Climate(Config):
    """Set point and steadiness (standard deviation) of a climate chamber."""

    temperature: float = 20.0
    humidity: Annotated[float, Field(gt=0, lt=100)] = 50.0
    temperature_sd: Annotated[float, Field(ge=0)] = 0.15
    humidity_sd: Annotated[float, Field(ge=0)] = 1.0


class StepsConfig(Sourced):
    """Concentration steps in a chamber: each level is approached, settles, and is held."""

    kind: Literal["steps"]
    name: str
    label: Label
    levels: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
    settle: Span
    hold: Span
    climate: Climate = Climate()
    mixing: Span = 120 * NS
    steadiness: Annotated[float, Field(ge=0)] = 0.01

    @property
    def duration(self) -> int:
        """Length of the phase in ns."""
        return len(self.levels) * (self.settle + self.hold)

    def build(self) -> Steps:
        """Return the profile."""
        return Steps(self)


class Steps:
    """First-order approach to each level with the mixing time of the chamber, plus a small wander."""

    def __init__(self, config: StepsConfig) -> None:
        self.config = config

    def segments(self, start: int) -> tuple[Segment, ...]:
        """Return the settled part of every step; ``start`` is the run time of the phase in ns."""
        c, step = self.config, self.config.settle + self.config.hold
        return tuple(
            Segment(c.name, f"{level:g}", start + k * step + c.settle, start + (k + 1) * step, level)
            for k, level in enumerate(c.levels)
        )

    def render(self, root: int, start: int, t: Times) -> Air:
        """Return the air at ``t: int64[n]`` (ns since the phase began)."""
        c = self.config
        step = c.settle + c.hold
        levels = np.array([0.0, *c.levels])
        k = np.clip(t // step, 0, len(c.levels) - 1)
        since = (t - k * step).astype(np.float64)
        pm25 = levels[k + 1] + (levels[k] - levels[k + 1]) * np.exp(-since / c.mixing)
        pm25 = pm25 * (1.0 + c.steadiness * wander(key(root, "level"), t, 5 * 60 * NS))
        climate = c.climate
        return Air(
            pm25,
            climate.temperature + climate.temperature_sd * wander(key(root, "temperature"), t, 10 * 60 * NS),
            climate.humidity + climate.humidity_sd * wander(key(root, "humidity"), t, 10 * 60 * NS),
        )


class OutdoorConfig(Sourced):
    """Weeks beside a monitoring station: diurnal pattern, weather, and episodes of transported dust.

    The generator is that of standards.md 6.1: ``log PM = log median + diurnal h(hour) + OU + episodes``.
    """

    kind: Literal["outdoor"]
    name: str
    label: Label
    duration: Span
    median: Annotated[float, Field(gt=0)] = 22.0
    diurnal: float = 0.12
    sigma: Annotated[float, Field(ge=0)] = 0.45
    tau: Span = 30 * HOUR
    episodes_per_month: Annotated[float, Field(ge=0)] = 2.5
    temperature: float = 4.0
    temperature_swing: float = 4.5
    humidity: Annotated[float, Field(gt=0, lt=100)] = 60.0

    def build(self) -> Outdoor:
        """Return the profile."""
        return Outdoor(self)


class Outdoor:
    """Hourly knots of a log-normal process, interpolated to any time."""

    def __init__(self, config: OutdoorConfig) -> None:
        self.config = config

    def segments(self, start: int) -> tuple[Segment, ...]:
        """Return the whole phase as one span; ``start`` is its run time in ns."""
        c = self.config
        return (Segment(c.name, c.name, start, start + c.duration),)

    def render(self, root: int, start: int, t: Times) -> Air:
        """Return the air at ``t: int64[n]`` (ns since the phase began at run time ``start``)."""
        c = self.config
        hour = ((start + KST + t) % DAY) / HOUR
        shape = np.interp(hour, np.arange(25), np.append(_DIURNAL, _DIURNAL[0]))
        weather = ornstein_uhlenbeck(key(root, "weather"), t, HOUR, c.tau, c.duration)
        log_pm = np.log(c.median) + c.diurnal * shape + c.sigma * weather + self._episodes(root, t)
        warm = ornstein_uhlenbeck(key(root, "warm"), t, HOUR, 2 * DAY, c.duration)
        swing = c.temperature_swing * np.cos(2 * np.pi * (hour - 15.0) / 24.0)
        moist = ornstein_uhlenbeck(key(root, "moist"), t, HOUR, 18 * HOUR, c.duration)
        return Air(
            np.exp(log_pm),
            c.temperature + swing + 3.0 * warm,
            np.clip(c.humidity - 2.5 * swing + 10.0 * moist, 15.0, 95.0),
        )

    def _episodes(self, root: int, t: Times) -> Floats:
        """Return the log factor of transport episodes: Poisson, 1 to 4 days long, 2 to 4 fold at the peak."""
        c = self.config
        rng = generator(root, "episodes")
        total = np.zeros(len(t))
        for _ in range(int(rng.poisson(c.episodes_per_month * c.duration / (30 * DAY)))):
            begin, days, factor = rng.uniform(0, c.duration), rng.uniform(1, 4), rng.uniform(2, 4)
            phase = np.clip((t - begin) / (days * DAY), 0.0, 1.0)
            total += np.log(factor) * np.sin(np.pi * phase) ** 2
        return total


def wander(root: int, t: Times, every: int) -> Floats:
    """Return a slow standard-normal noise at ``t: int64[n]``: knots ``every`` ns, straight between them."""
    low = t // every
    frac = (t - low * every) / every
    keys = np.full(len(t), root, dtype=np.int64)
    return np.asarray((1.0 - frac) * normal(keys, low) + frac * normal(keys, low + 1), dtype=np.float64)


def ornstein_uhlenbeck(root: int, t: Times, every: int, tau: int, duration: int) -> Floats:
    """Return a stationary mean-reverting process of unit variance at ``t: int64[n]`` in [0, duration].

    Exact recursion on knots ``every`` ns, straight lines between them; correlation time ``tau`` ns.
    """
    n = duration // every + 2
    shocks = normal(np.full(n, root, dtype=np.int64), np.arange(n, dtype=np.int64))
    keep = float(np.exp(-every / tau))
    fresh = float(np.sqrt(1.0 - keep * keep))
    knots = np.empty(n)
    knots[0] = shocks[0]
    for i in range(1, n):
        knots[i] = keep * knots[i - 1] + fresh * shocks[i]
    return np.interp(t / every, np.arange(n), knots)
