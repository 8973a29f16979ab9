"""What all domains share: weather, daylight, traffic demand, working shifts. The same for every process of a run.

Fields are knots on a fixed 10-minute grid from the world's beginning, linear in between: a season and a day's
course by table, plus a slow random part, plus spells of weather. Normals and spells are in ``simulator.climate``;
the amplitudes of the day's course and of the random parts are assumptions. What the world's own vehicles add to
traffic is state, not a field: see ``simulator.roads``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core import seed
from core.clock import NS
from simulator.climate import ClimateConfig
from simulator.grid import Floats, Ints
from simulator.holidays import DAY, HOUR, KST, is_workday
from simulator.process.zones import DistrictNoise
from simulator.roads import Roads
from simulator.slow import SlowNoise
from simulator.spells import Spells

KNOT = 600 * NS
_GROUP = 144

# share of the busiest hour, by hour of the day (assumption: two peaks on workdays, one broad on days off)
_WORKDAY = (0.25, 0.17, 0.13, 0.12, 0.16, 0.32, 0.6, 0.88, 1.0, 0.9, 0.82, 0.8,
            0.79, 0.82, 0.84, 0.86, 0.9, 0.97, 1.0, 0.9, 0.74, 0.63, 0.52, 0.38)  # fmt: skip
_DAY_OFF = (0.32, 0.24, 0.19, 0.16, 0.16, 0.2, 0.28, 0.37, 0.48, 0.6, 0.7, 0.76,
            0.8, 0.82, 0.84, 0.84, 0.84, 0.82, 0.78, 0.7, 0.62, 0.54, 0.46, 0.38)  # fmt: skip
# load of the power grid without cooling and heating, share of the year's peak (assumption)
_GRID_WORKDAY = (0.56, 0.54, 0.52, 0.51, 0.51, 0.53, 0.57, 0.62, 0.68, 0.71, 0.72, 0.71,
                 0.68, 0.71, 0.72, 0.72, 0.73, 0.72, 0.7, 0.68, 0.66, 0.64, 0.61, 0.58)  # fmt: skip
_GRID_DAY_OFF = (0.54, 0.51, 0.49, 0.48, 0.47, 0.47, 0.48, 0.49, 0.5, 0.51, 0.52, 0.52,
                 0.51, 0.51, 0.51, 0.51, 0.53, 0.56, 0.58, 0.59, 0.58, 0.57, 0.56, 0.55)  # fmt: skip

# how full public networks are, 0 to 1, by hour of the day (assumption: least at 5, most from 20 to 23)
_ONLINE = (0.55, 0.35, 0.22, 0.15, 0.12, 0.12, 0.2, 0.35, 0.45, 0.45, 0.48, 0.52,
           0.6, 0.55, 0.52, 0.52, 0.55, 0.6, 0.68, 0.76, 0.86, 0.92, 0.9, 0.75)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """A quantity: its course by UTC time, and the size and correlation time of its random part.

    ``course`` gives values at knots; ``relative`` multiplies them by the random part instead of adding it.
    ``felt`` adds what follows from another field, ``feels`` (UTC ns, its values -> change).
    """

    course: Callable[[Ints], Floats]
    sigma: float = 0.0
    tau: int = DAY
    low: float = -np.inf
    high: float = np.inf
    relative: bool = False
    feels: str = ""
    felt: Callable[[Ints, Floats], Floats] | None = None


def hour_of_day(utc: Ints) -> Floats:
    """Return local hours since midnight, 0 <= h < 24, of UTC ns."""
    return np.asarray((utc + KST) % DAY / float(HOUR), dtype=np.float64)


def on_shift(utc: Ints, begin: float = 8.0, end: float = 20.0) -> NDArray[np.bool_]:
    """Return whether UTC ns lie in the working shift of a workday."""
    hour = hour_of_day(utc)
    return np.asarray(is_workday(utc) & (hour >= begin) & (hour < end), dtype=np.bool_)


def by_table(table: tuple[float, ...], position: Floats) -> Floats:
    """Return a cyclic table interpolated at a position in entries (0 = first entry)."""
    values = np.array([*table, table[0]])
    low = np.floor(position).astype(np.intp) % len(table)
    part = position - np.floor(position)
    return np.asarray(values[low] + (values[low + 1] - values[low]) * part, dtype=np.float64)


def _season(utc: Ints) -> Floats:
    """Return the position in the year in months, 0 = middle of January."""
    return np.asarray((utc / float(DAY) - 14.5) / 365.2425 * 12.0, dtype=np.float64)


def _daily(utc: Ints, peak: float) -> Floats:
    return np.asarray(np.cos((hour_of_day(utc) - peak) * (2.0 * np.pi / 24.0)), dtype=np.float64)


def _daylight(utc: Ints) -> Floats:
    """Sine of the sun's elevation at 37.57 N, floored at 0 (declination: Cooper 1969)."""
    day = utc / float(DAY) % 365.2425
    declination = np.deg2rad(23.45) * np.sin((284.0 + day) * (2.0 * np.pi / 365.0))
    latitude = np.deg2rad(37.57)
    noon = 12.54  # local solar noon at 127 E in UTC+9
    turn = (hour_of_day(utc) - noon) * (np.pi / 12.0)
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(turn)
    return np.asarray(np.maximum(height, 0.0), dtype=np.float64)


def _congestion(utc: Ints) -> Floats:
    return by_table(_ONLINE, hour_of_day(utc))


def _traffic(utc: Ints) -> Floats:
    hour = hour_of_day(utc)
    return np.where(is_workday(utc), by_table(_WORKDAY, hour), by_table(_DAY_OFF, hour))


def _mains(utc: Ints) -> Floats:
    hour = hour_of_day(utc)
    return np.where(is_workday(utc), by_table(_GRID_WORKDAY, hour), by_table(_GRID_DAY_OFF, hour))


def _weather_load(utc: Ints, cel: Floats) -> Floats:
    """Return what cooling above 22 Cel and heating below 10 Cel add to the grid's load (assumption)."""
    return np.asarray(0.018 * np.maximum(cel - 22.0, 0.0) + 0.008 * np.maximum(10.0 - cel, 0.0), dtype=np.float64)


def wetness(rain: Floats) -> Floats:
    """Return how wet roads and air are by rain, 0 to 1; from 1 mm/h on they are as wet as they get."""
    return np.asarray(np.clip(rain, 0.0, 1.0), dtype=np.float64)


def fields(climate: ClimateConfig, spells: Spells) -> dict[str, Field]:
    """Return every field by name; a new one is one line here."""

    def temperature(utc: Ints) -> Floats:
        normal = by_table(climate.temperature, _season(utc)) + climate.day_swing * _daily(utc, 15.0)
        return np.asarray(normal + spells.size("heat_wave", utc) - spells.size("cold_wave", utc), dtype=np.float64)

    def humidity(utc: Ints) -> Floats:
        return np.asarray(by_table(climate.humidity, _season(utc)) - 12.0 * _daily(utc, 15.0), dtype=np.float64)

    return {
        "rain": Field(lambda utc: spells.size("rain", utc)),  # mm/h
        "temperature": Field(temperature, 3.0, 60 * HOUR),  # Cel
        "humidity": Field(
            humidity, 10.0, 24 * HOUR, 10.0, 100.0, feels="rain", felt=lambda _, rain: 15.0 * wetness(rain)
        ),  # %
        "daylight": Field(_daylight, 0.25, 6 * HOUR, 0.0, 1.0, relative=True),  # 1
        "wind": Field(lambda utc: 2.4 + 0.8 * _daily(utc, 15.0), 0.4, 8 * HOUR, 0.1, 25.0, relative=True),  # m/s
        # wander of the regional background of particles, standard deviations
        "air_mass": Field(lambda utc: np.zeros(utc.shape), 1.0, 30 * HOUR),
        "dust": Field(lambda utc: spells.factor("dust", utc)),  # logarithm of the factor on PM10
        "haze": Field(lambda utc: spells.factor("haze", utc)),  # logarithm of the factor on all particles
        "traffic": Field(_traffic, 0.08, 2 * HOUR, 0.0, 1.5, relative=True),  # share of the busiest hour
        "congestion": Field(_congestion, 0.15, HOUR, 0.0, 1.0, relative=True),  # load of public networks
        # load of the power grid, share of the year's peak
        "mains": Field(_mains, 0.015, 3 * HOUR, 0.3, 1.15, feels="temperature", felt=_weather_load),
    }


#: the fields by name, e.g. for a formula to be checked
FIELDS: dict[str, Field] = fields(ClimateConfig(), Spells(0, 0, ClimateConfig()))


class Environment:
    """The shared fields of one world.

    Parameters
    ----------
    root
        Root seed.
    start
        UTC ns of simulated time 0.
    epoch
        Simulated ns of the world's beginning.
    climate
        Normals and spells.

    Attributes
    ----------
    roads
        What the world's own vehicles add to traffic.
    districts
        Wander of the air, of its own in each district but alike in near ones, standard deviations.
    """

    def __init__(self, root: int, start: int, epoch: int, climate: ClimateConfig | None = None) -> None:
        self.roads = Roads()
        self.epoch = epoch
        self.districts = DistrictNoise(root, "air", epoch)
        climate = climate or ClimateConfig()
        self._start = start
        self._epoch = epoch
        self._fields = fields(climate, Spells(root, start, climate))
        self._knots: dict[str, Floats] = dict.fromkeys(self._fields, np.empty(0))
        self._random = {
            name: SlowNoise(np.array([seed.key(root, "environment", name)]), field.tau, KNOT, epoch)
            for name, field in self._fields.items()
        }

    def at(self, name: str, t: Ints) -> Floats:
        """Return a field at simulated ns, any shape."""
        since = t - self._epoch
        knot = since // KNOT
        part = (since - knot * KNOT) / float(KNOT)
        values = self._reach(name, int(np.max(knot)) + 1)
        low = values[knot]
        return np.asarray(low + (values[knot + 1] - low) * part, dtype=np.float64)

    def now(self, name: str, t: int) -> float:
        """Return a field at one simulated ns, for events."""
        since = t - self._epoch
        knot = since // KNOT
        part = (since - knot * KNOT) / float(KNOT)
        values = self._reach(name, knot + 1)
        low = float(values[knot])
        return low + (float(values[knot + 1]) - low) * part

    def traffic(self, t: Ints, zones: NDArray[np.intp]) -> Floats:
        """Return demand and our vehicles together at ``t: int64[n, d]``, reached by events; ``zones: intp[d]``."""
        return self.at("traffic", t) + self.roads.share(t, zones)

    def utc(self, t: Ints) -> Ints:
        """Return UTC ns of simulated ns."""
        return np.asarray(t + self._start, dtype=np.int64)

    def _reach(self, name: str, knot: int) -> Floats:
        values = self._knots[name]
        if len(values) <= knot:
            begins = range(len(values), knot + 1, _GROUP)
            values = self._knots[name] = np.concatenate([values, *(self._group(name, begin) for begin in begins)])
        return values

    def _group(self, name: str, begin: int) -> Floats:
        field = self._fields[name]
        t = self._epoch + np.arange(begin, begin + _GROUP, dtype=np.int64) * KNOT
        value = field.course(t + self._start)
        if field.felt is not None:
            value = value + field.felt(t + self._start, self._reach(field.feels, begin + _GROUP - 1)[begin:][:_GROUP])
        if field.sigma:
            random = self._random[name].at(t[:, None], np.zeros(1, dtype=np.intp))[:, 0] * field.sigma
            value = value * (1.0 + random) if field.relative else value + random
        return np.asarray(np.clip(value, field.low, field.high), dtype=np.float64)
