"""Industrial fan behind a filter: flow with the speed, pressure with its square, power with its cube."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.spec import Name
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.rotating import BEARING_FAULTS, HEALTH, WAVEFORM, Rotating, RotatingConfig, health, waveform
from simulator.faults import Effect, FaultKind
from simulator.states import STATES
from simulator.view import View
from simulator.wear.bearing import BearingWear

AIRFLOW = Stream(
    "airflow",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured(
            "speed", "rotational-speed", "/min", 0, 3600,
            Sensor(noise=1.2, resolution=1), ko="회전수", en="Speed",
        ),
        measured(
            "flow", "volume-flow", "m3/h", 0, 60_000,
            Sensor(lag="3s", gain=0.01, noise=40, drift=30, resolution=10, dropout=1e-5), ko="풍량", en="Air flow",
        ),
        measured(
            "pressure", "differential-pressure", "Pa", 0, 2500,
            Sensor(lag="1s", gain=0.005, bias=2, noise=3, resolution=1), ko="차압", en="Pressure rise",
        ),
        measured(
            "power", "power", "kW", 0, 60,
            Sensor(lag="1s", gain=0.005, noise=0.04, resolution=0.01), ko="전력", en="Power",
        ),
        counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
    ),
)  # fmt: skip


class FanConfig(RotatingConfig):
    """A fan."""

    kind: Literal["fan"] = "fan"
    rated_kw: float = Field(default=11.0, gt=0, le=50)
    rated_rpm: float = Field(default=980.0, gt=100, le=3000)
    full_load_a: float = Field(default=21.0, gt=0, le=120)
    rated_flow: float = Field(default=24_000.0, gt=0, le=50_000)
    rated_pa: float = Field(default=900.0, gt=0, le=2000)
    bearing: BearingWear = BearingWear(life_h=2500.0)

    label: ClassVar[Name] = Name("송풍기", "Fan")

    def asset(self) -> type[Fan]:
        """Return the class of a fan."""
        return Fan

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (AIRFLOW, HEALTH, WAVEFORM) if self.waveform else (AIRFLOW, HEALTH)


class Fan(Rotating):
    """Moves air through a filter that takes pressure as it clogs."""

    faults: ClassVar[Mapping[str, FaultKind]] = {
        **BEARING_FAULTS,
        "imbalance": Effect(2.0, label=Name("불균형", "Imbalance")),  # mm/s at rated speed
        "filter_clogged": Effect(0.5, label=Name("필터 막힘", "Clogged filter")),  # share of the flow lost
    }

    def power_kw(self, speed: float) -> float:
        """A clogged filter takes flow, and with it power."""
        return self.config.rated_kw * speed**3 * (0.35 + 0.55 * (1.0 - self.get("fault.filter_clogged")))

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of a stream."""
        if stream == "waveform":
            return waveform(view, shaft=view.fault("imbalance"))
        open_share = (1.0 - view.fault("filter_clogged")) * (1.0 + 0.03 * view.slow("draught", 900.0))
        speed = view["speed"]
        load = speed * speed * speed * (0.35 + 0.55 * open_share)
        if stream == "health":
            return health(view, load, shaft=view.fault("imbalance"))
        return {
            "state": view["state"],
            "speed": view.param("rated_rpm") * speed,
            "flow": view.param("rated_flow") * speed * open_share,
            "pressure": view.param("rated_pa") * speed * speed * np.maximum(1.35 - 0.35 * open_share * open_share, 0.0),
            "power": view.param("rated_kw") * load,
            "energy": view["energy"],
        }
