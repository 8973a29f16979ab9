"""Air over the city: the same for every instrument that stands in it.

log PM = season + day's course + air mass + haze + the district's wander + traffic - rain, and Asian dust on PM10 alone
(generator and sizes: assumptions; the course follows the published morning maximum at 10-11 h). Air mass, haze and
dust come with the westerly wind: what is over Gangseo now is over Gangdong some two hours later. NO2 and CO follow
traffic, O3 the daylight, and is consumed by NO2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.clock import NS
from simulator.environment import Environment, by_table, hour_of_day, wetness
from simulator.grid import Floats, Ints
from simulator.view import View

if TYPE_CHECKING:
    from simulator.fleet import Fleet

# monthly medians of PM10 in Seoul without haze, ug/m3: high in winter and spring, low in August and September
_PM10 = (38.0, 37.0, 41.0, 38.0, 36.0, 30.0, 25.0, 22.0, 22.0, 29.0, 37.0, 36.0)
# by hour of the day, relative in logarithm: maximum at 10-11 h, flat 14-20 h
_COURSE = (0.2, 0.0, -0.2, -0.4, -0.5, -0.5, -0.3, 0.1, 0.6, 0.9, 1.0, 0.9,
           0.5, 0.1, -0.3, -0.4, -0.4, -0.4, -0.4, -0.3, -0.1, 0.2, 0.3, 0.3)  # fmt: skip

_EAST, _CENTRE = 127.2, 127.0  # degrees
_PASSAGE_NS = 7 * 3600 * NS  # an air mass takes for a degree of longitude, 88 km
_FINE = 0.52  # share of PM2.5
_DUST_FINE = 0.12  # share of PM2.5 in dust
_WASH = 0.25  # less particles in rain, logarithm


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """Where d instruments stand: district numbers, longitudes [1, d], and what traffic counts there [1, d]."""

    zones: NDArray[np.intp]
    longitude: Floats
    roadside: Floats


def particles(weather: Environment, t: Ints, site: Site, traffic: Floats) -> tuple[Floats, Floats]:
    """Return PM10 and PM2.5 (ug/m3) at ``t: int64[n, d]`` with the given traffic."""
    utc = weather.utc(t)
    month = (utc / 86_400e9 - 14.5) / 30.436875
    east = np.nan_to_num(site.longitude, nan=_CENTRE)
    upwind = t + np.rint(np.clip(_EAST - east, 0.0, 1.0) * _PASSAGE_NS).astype(np.int64)
    local = weather.districts.at(t, site.zones)
    log = np.log(by_table(_PM10, month)) + 0.12 * by_table(_COURSE, hour_of_day(utc))
    log = log + 0.4 * weather.at("air_mass", upwind) + weather.at("haze", upwind) + 0.2 * local
    log = log + 0.15 * (traffic * site.roadside - 0.6) - _WASH * wetness(weather.at("rain", t))
    base, dust = np.exp(log), np.exp(weather.at("dust", upwind)) - 1.0
    share = np.clip(_FINE + 0.05 * weather.at("haze", upwind) - 0.03 * local, 0.3, 0.8)
    return base * (1.0 + dust), base * (share + _DUST_FINE * dust)


def gases(view: View, traffic: Floats) -> dict[str, Floats]:
    """Return O3, NO2, CO and SO2 in ppm."""
    no2 = 0.008 + 0.019 * traffic * (1.0 + 0.15 * view.slow("no2", 2 * 3600.0))
    light = view.env("daylight")
    return {
        "o3": np.maximum(0.02 + 0.055 * light - 0.25 * no2 * (1.0 - light), 0.001),
        "no2": np.maximum(no2, 0.001),
        "co": 0.3 + 0.25 * traffic + 0.06 * np.clip(view.slow("co", 6 * 3600.0), -3.0, 3.0),
        "so2": 0.0032 + 0.0006 * np.clip(view.slow("so2", 12 * 3600.0), -3.0, 3.0),
    }


def site_of(view: View) -> Site:
    """Return where the devices of a view stand."""
    return Site(view.zones, view.longitude(), view.param("roadside"))


def last_day(view: View) -> tuple[Floats, Floats]:
    """Return the means of PM10 and PM2.5 over the last 24 h, by public traffic alone."""
    return view.last_day("pm10", lambda fleet, t: _all(fleet, t)[0]), view.last_day("pm25", lambda f, t: _all(f, t)[1])


def _all(fleet: Fleet, t: Ints) -> tuple[Floats, Floats]:
    """Return the particles at every device of a fleet."""
    site = Site(fleet.zones, fleet.longitude[None], fleet.param("roadside")[None])
    return particles(fleet.weather, t, site, fleet.weather.at("traffic", t))
