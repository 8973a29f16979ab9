"""Sound level node at a road: LAeq from the traffic, and its octave bands.

L = busy level + 10 log10(traffic), above a background; wet roads are louder; horns and sirens by chance. The spectrum
is the normalised traffic noise spectrum of EN 1793-3, summed to octaves (A-weighted levels against the total); that of
works is white. Levels are assumptions;
roadside limits in Korea are 68 dB(A) by day and 58 dB(A) by night.
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
from simulator.channels import Channel, Sensor, Stream, enumerated, measured
from simulator.environment import wetness
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats
from simulator.process.sound import a_weighting, energy_sum
from simulator.state import Column
from simulator.states import COMMON, STATES
from simulator.view import View

#: octave band (Hz) -> A-weighted level against the total, dB
BANDS = {125: -14.6, 250: -10.3, 500: -7.3, 1000: -4.0, 2000: -6.5, 4000: -11.5}
_LN = np.log(10.0) / 10.0
_WET_DB = 2.5  # a wet road against a dry one (assumption)
_CALL_NS = 15 * NS  # length of a horn or siren
_CALL_SHARE = 0.02


def _band(hz: int) -> Channel:
    return measured(
        f"la_{hz}", "sound_level", "dB", 0, 140, Sensor(bias=0.2, noise=0.4, resolution=0.1),
        ko=f"{hz} Hz 옥타브", en=f"Octave {hz} Hz",
    )  # fmt: skip


NOISE = Stream(
    "noise",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured(
            "laeq", "sound_level", "dB", 25, 140, Sensor(bias=0.3, noise=0.3, drift=0.2, resolution=0.1, dropout=1e-4),
            ko="등가 소음도", en="LAeq of 1 s", accuracy=1.4,
        ),
        measured("la_slow", "sound_level", "dB", 25, 140, Sensor(lag="60s", bias=0.3, drift=0.2, resolution=0.1),
                 ko="평균 소음도", en="Level of a minute", accuracy=1.4),
    ),
)  # fmt: skip
OCTAVES = Stream("octaves", tuple(_band(hz) for hz in BANDS), period=10 * NS)

#: spectrum of works, equally strong in each band before A-weighting: A-weighted level against the total, dB
WORKS = {hz: float(a_weighting(hz) - energy_sum(*(a_weighting(f) for f in BANDS))) for hz in BANDS}


class NoiseNodeConfig(EquipmentConfig):
    """A node: level at the busiest hour, and without traffic."""

    kind: Literal["noise_node"] = "noise_node"
    busy_db: float = Field(default=71.0, ge=40, le=100)
    background_db: float = Field(default=46.0, ge=20, le=80)

    label: ClassVar[Name] = Name("소음 측정기", "Noise node")

    def asset(self) -> type[NoiseNode]:
        """Return the class of a node."""
        return NoiseNode

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (NOISE, OCTAVES)


class NoiseNode(Asset):
    """Measures all the time."""

    columns: ClassVar[Mapping[str, Column]] = {}
    commands = COMMON
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "microphone_aged": Effect(4.0, label=Name("마이크 노화", "Aged microphone")),  # dB too low
        "works": Effect(12.0, label=Name("공사 소음", "Road works")),  # dB more
    }

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true levels."""
        aged = view.fault("microphone_aged")
        works = view.param("busy_db") + view.fault("works")  # their level; the node hears it while they last
        on = view.fault("works") > 0
        level = _level(view)
        if stream == "noise":
            level = np.where(on, energy_sum(level, works), level) - aged
            return {"state": view["state"], "laeq": level, "la_slow": level}
        out = {}
        for hz, share in BANDS.items():
            wander = 1.2 * view.slow(f"band {hz}", 300.0) + 0.8 * view.trait(f"band {hz}")
            road = level + share
            out[f"la_{hz}"] = np.where(on, energy_sum(road, works + WORKS[hz]), road) + wander - aged
        return out


def _level(view: View) -> Floats:
    traffic = np.maximum(view.traffic(), 0.01)
    wet = _WET_DB * wetness(view.env("rain"))
    road = wet + view.param("busy_db") + np.log(traffic) / _LN + 1.8 * view.slow("cars", 8.0)
    call = view.t // _CALL_NS
    loud = np.where(view.hashed("call", call) < _CALL_SHARE * traffic, 9.0 + 5.0 * view.hashed("size", call), 0.0)
    return energy_sum(road + loud, view.param("background_db"))
