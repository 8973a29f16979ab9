"""Urban air-quality station: the worked example of an instrument without process or wear.

What is in the air is in ``simulator.process.air``, the same for the low-cost sensors beside it. The index (CAI) takes
means of 24 h for particles and present values for gases.
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
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind
from simulator.process.air import gases, last_day, particles, site_of
from simulator.process.air_index import cai
from simulator.states import COMMON, STATES
from simulator.view import View

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
        measured("pm10_24h", "pm10", "ug/m3", 0, 1000, Sensor(resolution=0.1),
                 ko="미세먼지(24시간)", en="PM10 of 24 h"),
        measured("pm25_24h", "pm25", "ug/m3", 0, 500, Sensor(resolution=0.1),
                 ko="초미세먼지(24시간)", en="PM2.5 of 24 h"),
        measured("cai", "index", "1", 0, 600, ko="통합대기환경지수", en="Air-quality index (CAI)"),
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
        site, traffic = site_of(view), view.traffic()
        open_inlet = 1.0 - view.fault("inlet_clogged")
        pm10, pm25 = (pm * open_inlet for pm in particles(view.weather, view.t, site, traffic))
        day10, day25 = (pm * open_inlet for pm in last_day(view))
        gas = gases(view, traffic * site.roadside)
        return gas | {
            "state": view["state"],
            "pm10": pm10,
            "pm25": pm25,
            "pm10_24h": day10,
            "pm25_24h": day25,
            "cai": cai(gas | {"pm10": day10, "pm25": day25}),
            "temperature": view.env("temperature") + 0.5 * view.trait("site"),
            "humidity": np.clip(view.env("humidity"), 5.0, 100.0),
        }
