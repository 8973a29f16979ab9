"""Low-cost particle sensor beside an air station: the same air, seen by scattered light.

Its error grows with humidity (particles take up water: kappa-Koehler, see ``simulator.channels.Cross``) and in the
cold: winter measurements in Seoul found the ratio to the reference rising as temperature falls below 5 Cel. The fan
takes up dust and passes less and less air (8,000 h in data sheets of such sensors). Interval: 2 minutes, as Seoul's
S-DoT. Magnitudes are assumptions, the signs are published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.errors import CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Work
from simulator.channels import Cross, Sensor, Stream, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.process.air import particles, site_of
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.component import WearModel
from simulator.wear.fouling import FoulingWear

_COLD = Cross(to="temperature", share=-0.02, ref=5.0, below=5.0)


def _optical(kappa: float, noise: float) -> Sensor:
    wet = Cross(to="humidity", kappa=kappa)
    return Sensor(lag="8s", gain=0.08, bias=1.0, noise=noise, noise_share=0.06, drift=1.5, resolution=1, dropout=2e-3,
                  cross=(wet, _COLD))  # fmt: skip


CITY = Stream(
    "city",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured("pm25", "pm25", "ug/m3", 0, 1000, _optical(0.25, 1.2), ko="초미세먼지(간이)", en="PM2.5 (low-cost)"),
        measured("pm10", "pm10", "ug/m3", 0, 1000, _optical(0.1, 2.5), ko="미세먼지(간이)", en="PM10 (low-cost)"),
        measured("temperature", "temperature", "Cel", -40, 80, Sensor(lag="120s", bias=0.4, noise=0.1, resolution=0.1),
                 ko="기온", en="Air temperature"),
        measured("humidity", "relative-humidity", "%", 0, 100, Sensor(lag="60s", bias=2.0, noise=0.5, resolution=0.1),
                 ko="습도", en="Relative humidity"),
        measured("fan_current", "electric-current", "mA", 0, 200, Sensor(gain=0.02, noise=0.5, resolution=0.1),
                 ko="팬 전류", en="Fan current", group="health"),
    ),
    period=120 * NS,
)  # fmt: skip


class PmSensorConfig(EquipmentConfig):
    """A sensor on a pole. ``roadside`` scales what traffic adds."""

    kind: Literal["pm_sensor"] = "pm_sensor"
    roadside: float = Field(default=1.0, ge=0, le=5)
    fan: FoulingWear = FoulingWear(life_h=1500.0)

    label: ClassVar[Name] = Name("간이 미세먼지 측정기", "Low-cost particle sensor")

    def asset(self) -> type[PmSensor]:
        """Return the class of a sensor."""
        return PmSensor

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (CITY,)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"fan": self.fan}


class PmSensor(Asset):
    """Measures all the time; stopped, its fan stands and it sees next to nothing."""

    commands = (*COMMON, CommandSpec("clean", label=Name("청소", "Clean")))
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "dust_build_up": WearFault("fan", 50.0, Name("팬 먼지 축적", "Dust in the fan")),
        "insect": Effect(2.5, label=Name("곤충 유입", "Insect in the chamber")),  # times more light
    }

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add cleaning."""
        return super().handlers() | {"clean": self._clean}

    def _clean(self, command: Command) -> str:
        if self.state in (State.FAILED, State.MAINTENANCE):
            raise CommandRefused(f"interlock: the sensor is in {STATES[self.state]}")
        if "insect" not in self._effects:
            return "the chamber was clean"
        self.heal("insect")
        return "chamber cleaned"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return what is in the chamber."""
        pm10, pm25 = particles(view.weather, view.t, site_of(view), view.traffic())
        wear, on = view.wear("fan"), view.is_state(State.RUNNING)
        seen = (1.0 - 0.35 * wear * wear) * (0.05 + 0.95 * on) * (1.0 + view.fault("insect"))
        return {
            "state": view["state"],
            "pm25": pm25 * seen,
            "pm10": pm10 * seen,
            "temperature": view.env("temperature") + 1.5 + 3.0 * view.env("daylight"),  # in its housing
            "humidity": np.clip(view.env("humidity") - 3.0, 5.0, 100.0),
            "fan_current": on * (62.0 + 2.0 * view.trait("fan") + 30.0 * wear * wear),
        }
