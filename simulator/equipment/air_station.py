"""Urban air-quality station: the worked example of an instrument without process or wear.

log PM10 = season + day's course + regional air mass + the station's own wander + traffic nearby (generator and
sizes: assumptions; the course follows the published morning maximum at 10-11 h). The air mass comes with the westerly
wind: what is over Gangseo now is over Gangdong some two hours later. NO2 and CO follow traffic, O3 the daylight and
is consumed by NO2. The index is that of the present values: the official one takes means of 24 h for particles.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.spec import Name
from simulator.asset import Asset
from simulator.channels import Sensor, Stream, enumerated, measured
from simulator.environment import by_table, hour_of_day
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats
from simulator.process.air_index import cai
from simulator.states import COMMON, STATES
from simulator.view import View

# monthly medians of PM10 in Seoul, ug/m3: high in winter and spring, low in August and September (rounded)
_PM10 = (50.0, 48.0, 55.0, 50.0, 46.0, 37.0, 30.0, 27.0, 27.0, 36.0, 46.0, 47.0)
# by hour of the day, relative in logarithm: maximum at 10-11 h, flat 14-20 h
_COURSE = (0.2, 0.0, -0.2, -0.4, -0.5, -0.5, -0.3, 0.1, 0.6, 0.9, 1.0, 0.9,
           0.5, 0.1, -0.3, -0.4, -0.4, -0.4, -0.4, -0.3, -0.1, 0.2, 0.3, 0.3)  # fmt: skip

_EAST, _CENTRE = 127.2, 127.0  # degrees
_PASSAGE_NS = 7 * 3600 * NS  # an air mass takes for a degree of longitude, 88 km

AIR = Stream(
    "air",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured(
            "pm10", "pm10", "ug/m3", 0, 1000,
            Sensor(lag="60s", gain=0.03, noise=1.2, drift=0.8, resolution=0.1, dropout=2e-4),
            ko="미세먼지", en="PM10",
        ),
        measured(
            "pm25", "pm25", "ug/m3", 0, 500,
            Sensor(lag="60s", gain=0.03, noise=0.8, drift=0.5, resolution=0.1, dropout=2e-4),
            ko="초미세먼지", en="PM2.5",
        ),
        measured(
            "o3", "o3", "[ppm]", 0, 0.6, Sensor(lag="40s", noise=7e-4, drift=5e-4, resolution=1e-4),
            ko="오존", en="O3",
        ),
        measured(
            "no2", "no2", "[ppm]", 0, 2, Sensor(lag="40s", noise=6e-4, drift=5e-4, resolution=1e-4),
            ko="이산화질소", en="NO2",
        ),
        measured(
            "co", "co", "[ppm]", 0, 50, Sensor(lag="40s", noise=0.01, drift=0.01, resolution=0.01),
            ko="일산화탄소", en="CO",
        ),
        measured(
            "so2", "so2", "[ppm]", 0, 1, Sensor(lag="40s", noise=3e-4, drift=2e-4, resolution=1e-4),
            ko="아황산가스", en="SO2",
        ),
        measured("cai", "index", "1", 0, 600, ko="통합대기환경지수(순간)", en="Air-quality index of the moment"),
        measured(
            "temperature", "temperature", "Cel", -40, 60,
            Sensor(lag="20s", bias=0.1, noise=0.05, resolution=0.1), ko="기온", en="Air temperature",
        ),
        measured(
            "humidity", "relative-humidity", "%", 0, 100,
            Sensor(lag="20s", bias=0.8, noise=0.4, resolution=0.1), ko="습도", en="Relative humidity",
        ),
    ),
    period=10 * NS,
)  # fmt: skip


class AirStationConfig(EquipmentConfig):
    """A station. ``roadside`` scales what traffic adds."""

    kind: Literal["air_station"] = "air_station"
    roadside: float = Field(default=1.0, ge=0, le=5)

    label: ClassVar[Name] = Name("대기 측정소", "Air quality station")

    def asset(self) -> type[AirStation]:
        """Return the class of a station."""
        return AirStation

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (AIR,)


class AirStation(Asset):
    """Measures all the time."""

    commands = COMMON
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "inlet_clogged": Effect(0.4, label=Name("흡입구 막힘", "Clogged inlet"))
    }

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true concentrations."""
        utc = view.utc
        month = (utc / 86_400e9 - 14.5) / 30.436875
        traffic = view.env("traffic") * view.param("roadside")
        log = np.log(by_table(_PM10, month)) + 0.12 * by_table(_COURSE, hour_of_day(utc)) + 0.45 * _air_mass(view)
        open_inlet = 1.0 - view.fault("inlet_clogged")
        pm10 = np.exp(log + 0.18 * view.slow("local", 6 * 3600.0) + 0.15 * traffic) * open_inlet
        share = np.clip(0.53 + 0.05 * view.slow("share", 24 * 3600.0), 0.3, 0.9)
        no2 = 0.010 + 0.022 * traffic * (1.0 + 0.15 * view.slow("no2", 2 * 3600.0))
        light = view.env("daylight")
        air = {
            "pm10": pm10,
            "pm25": pm10 * share,
            "o3": np.maximum(0.018 + 0.05 * light - 0.25 * no2 * (1.0 - light), 0.001),
            "no2": np.maximum(no2, 0.001),
            "co": 0.3 + 0.25 * traffic + 0.06 * np.clip(view.slow("co", 6 * 3600.0), -3.0, 3.0),
            "so2": 0.0032 + 0.0006 * np.clip(view.slow("so2", 12 * 3600.0), -3.0, 3.0),
        }
        return air | {
            "state": view["state"],
            "cai": cai(air),
            "temperature": view.env("temperature") + 0.5 * view.trait("site"),
            "humidity": np.clip(view.env("humidity"), 5.0, 100.0),
        }


def _air_mass(view: View) -> Floats:
    """Return the regional wander at the stations: the west sees it first."""
    east = np.nan_to_num(view.longitude(), nan=_CENTRE)
    ahead = np.rint(np.clip(_EAST - east, 0.0, 1.0) * _PASSAGE_NS).astype(np.int64)
    return view.weather.at("air_mass", view.t + ahead)
