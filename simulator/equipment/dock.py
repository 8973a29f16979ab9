"""Dock door with an RFID gate: every pallet passes through it, and some of its tags are not read.

Link budget of the forward link: P_tag = EIRP + G_tag - PL(d) - polarisation - obstruction, with
PL = 20 log10(4 pi / wavelength) + 10 n log10(d); a tag answers where P_tag exceeds its sensitivity, with lognormal
shadowing of sigma dB, and in K rounds with 1 - (1 - p)^K (Friis; log-distance path loss). Korean band around 920 MHz,
4 W EIRP (36 dBm). Antenna, goods and portal sizes are assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.spec import Name
from simulator.asset import Asset, Steps
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.state import Column, Step
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

_EIRP = 36.0  # dBm
_TAG_GAIN = 2.0  # dB
_POLARISATION = 3.0  # dB
_SENSITIVITY = -18.0  # dBm
_WAVELENGTH = 299_792_458.0 / 920e6  # m
_FIRST_METRE = 20.0 * math.log10(4.0 * math.pi / _WAVELENGTH)  # dB
_PASS_S = 45.0
_LINGER_S = 1800.0

GATE = Stream(
    "gate",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        counted("pallets", "count", ko="통과 팔레트", en="Pallets passed"),
        counted("tags_expected", "count", ko="예정 태그", en="Tags expected"),
        counted("tags_read", "count", ko="판독 태그", en="Tags read"),
        measured("read_rate", "ratio", "%", 0, 100, Sensor(resolution=0.1),
                 ko="판독률", en="Read rate of the last pallet", group="health"),
        measured("rssi", "signal_strength", "dB[mW]", -100, 0, Sensor(noise=1.0, resolution=0.5),
                 ko="수신 세기", en="Strength of the last pallet"),
        measured("temperature", "temperature", "Cel", -40, 60, Sensor(lag="60s", bias=0.2, noise=0.05, resolution=0.1),
                 ko="도크 온도", en="Dock temperature"),
        measured("door_time", "duration", "s", 0, 60, Sensor(noise=0.05, resolution=0.01),
                 ko="문 개방 시간", en="Time to open the door", group="health"),
    ),
    period=5 * NS,
)  # fmt: skip


def tag_power(distance_m: float, exponent: float, obstruction_db: float = 0.0) -> float:
    """Return the mean power at a tag in dBm."""
    loss = _FIRST_METRE + 10.0 * exponent * math.log10(distance_m)
    return _EIRP + _TAG_GAIN - loss - _POLARISATION - obstruction_db


def read_probability(power_dbm: float, sigma_db: float, rounds: int) -> float:
    """Return the chance that a tag is read in one pass."""
    once = NormalDist(0.0, sigma_db).cdf(power_dbm - _SENSITIVITY)
    return float(1.0 - (1.0 - once) ** rounds)


class DockConfig(EquipmentConfig):
    """A dock door.

    Attributes
    ----------
    tags
        Tags on a pallet.
    distance_m, exponent, sigma_db
        From antenna to pallet, and the path loss there.
    obstruction_db
        Loss by the goods (liquid or metal 6 to 15).
    rounds
        Inventory rounds while a pallet is in the gate.
    """

    kind: Literal["dock"] = "dock"
    tags: int = Field(default=48, ge=1, le=1000)
    distance_m: float = Field(default=2.2, gt=0.2, le=10)
    exponent: float = Field(default=2.2, ge=1.5, le=4)
    sigma_db: float = Field(default=4.0, gt=0, le=10)
    obstruction_db: float = Field(default=12.0, ge=0, le=30)
    rounds: int = Field(default=5, ge=1, le=50)
    motor: BearingWear = BearingWear(life_h=1200.0)

    label: ClassVar[Name] = Name("도크 도어", "Dock door")

    def asset(self) -> type[Dock]:
        """Return the class of a dock door."""
        return Dock

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (GATE,)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"door_motor": self.motor}


class Dock(Asset):
    """Passes pallets on, and counts what its gate reads of them."""

    columns: ClassVar[Mapping[str, Column]] = {
        "pallets": Step(),
        "expected": Step(),
        "read": Step(),
        "rate": Step(100.0),
        "rssi": Step(-60.0),
    }
    commands = COMMON
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "door_jamming": WearFault("door_motor", 40.0, Name("문 끼임", "Jamming door")),
        "antenna_detuned": Effect(9.0, label=Name("안테나 이탈", "Detuned antenna")),  # dB
    }
    config: DockConfig

    def run(self) -> Steps:
        """Take, read, give."""
        if not self.inputs:
            self.enter(State.IDLE)
            return
        self.enter(State.STARVED)
        while True:
            item = yield from self.take(self.inputs[0], _LINGER_S)
            yield from self.work(_PASS_S)
            self._scan()
            if self.outputs:
                yield from self.give(self.outputs[0], item)

    def _scan(self) -> None:
        config, draws = self.config, self.draws("gate")
        power = tag_power(config.distance_m, config.exponent, config.obstruction_db + self.get("fault.antenna_detuned"))
        power += float(draws.normal(0.0, 1.5))  # how the pallet is stacked
        seen = int(draws.binomial(config.tags, read_probability(power, config.sigma_db, config.rounds)))
        self.put("pallets", self.get("pallets") + 1.0)
        self.put("expected", self.get("expected") + config.tags)
        self.put("read", self.get("read") + seen)
        self.put("rate", 100.0 * seen / config.tags)
        self.put("rssi", power - 42.0)  # way back: backscatter loss and path, reader's side

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the gate."""
        wear = view.wear("door_motor")
        return {
            "state": view["state"],
            "pallets": view["pallets"],
            "tags_expected": view["expected"],
            "tags_read": view["read"],
            "read_rate": view["rate"],
            "rssi": view["rssi"],
            "temperature": 6.0 + 0.35 * view.env("temperature") + 0.4 * view.slow("door", 1800.0),
            "door_time": 8.0 + 0.3 * view.trait("door") + 6.0 * wear * wear + 0.8 * wear,
        }
