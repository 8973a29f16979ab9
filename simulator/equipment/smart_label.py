"""Smart label on a parcel: sealed until it is opened, and how warm it has been on the way.

A parcel is sealed and cooled, travels, is handed over, opened and its label used again. What is too warm for a while
is told once (excursion). Between hand-overs the label is near the set-point of the chain; a hand-over lets in outside
air. Times and magnitudes are assumptions; limits are those of goods kept at 2 to 8 Cel.
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
from simulator.asset import Asset, Steps, Work
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.state import Column, Relax, Step
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

SEAL = {0: "sealed", 1: "opened", 2: "tampered"}
_HAND_OVER_S = 900.0
_OPEN_S = 1800.0
_LEGS = 3

LABEL = Stream(
    "label",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        enumerated("seal", SEAL, ko="봉인", en="Seal"),
        measured("temperature", "temperature", "Cel", -30, 60, Sensor(lag="90s", bias=0.2, noise=0.05, resolution=0.1),
                 ko="포장 온도", en="Temperature of the parcel", accuracy=0.5),
        counted("excursions", "count", ko="온도 이탈 횟수", en="Excursions"),
        counted("parcels", "count", ko="배송 건수", en="Parcels"),
        measured("battery", "voltage", "V", 0, 4, Sensor(noise=0.005, resolution=0.01),
                 ko="전지 전압", en="Battery voltage", group="health"),
    ),
    period=60 * NS,
)  # fmt: skip


class SmartLabelConfig(EquipmentConfig):
    """A label.

    Attributes
    ----------
    celsius, limit
        Set-point of its chain, and from where on it is too warm.
    leg_h
        Mean hours between hand-overs.
    """

    kind: Literal["smart_label"] = "smart_label"
    celsius: float = Field(default=4.0, ge=-25, le=25)
    limit: float = Field(default=8.0, ge=-25, le=40)
    leg_h: float = Field(default=3.0, gt=0.2, le=72)
    cell: BearingWear = BearingWear(life_h=2500.0, growth=1.5)

    label: ClassVar[Name] = Name("스마트 라벨", "Smart label")

    def asset(self) -> type[SmartLabel]:
        """Return the class of a label."""
        return SmartLabel

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LABEL,)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"cell": self.cell}


class SmartLabel(Asset):
    """Travels with one parcel after the other."""

    columns: ClassVar[Mapping[str, Column]] = {
        "seal": Step(),
        "warm": Relax(0.0, 1200.0),  # K above the set-point, by hand-overs
        "excursions": Step(),
        "parcels": Step(),
    }
    commands = (*COMMON, CommandSpec("reseal", label=Name("재봉인", "Reseal")))
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "cell_draining": WearFault("cell", 40.0, Name("전지 방전", "Draining cell")),
        "opened_on_the_way": Effect(1.0, label=Name("무단 개봉", "Opened on the way")),
        "left_outside": Effect(1.0, label=Name("외부 방치", "Left outside")),  # share of the outside's warmth
    }
    config: SmartLabelConfig

    def run(self) -> Steps:
        """Travel, be handed over, be opened, begin again."""
        self.enter(State.RUNNING)
        draws = self.draws("ways")
        while True:
            self.put("seal", 0.0)
            for _ in range(_LEGS):
                yield from self.work(3600.0 * self.config.leg_h * float(draws.uniform(0.5, 1.5)))
                yield from self._outside(_HAND_OVER_S * float(draws.uniform(0.3, 1.7)), 0.35)
            self.put("seal", 1.0)
            self.put("parcels", self.get("parcels") + 1.0)
            self.tell("opened", f"parcel={self.get('parcels'):.0f}")
            yield from self._outside(_OPEN_S, 1.0)

    def _outside(self, s: float, share: float) -> Steps:
        self._warm(share)
        yield from self.work(s)
        self._look()
        self._warm(0.0)

    def _warm(self, share: float) -> None:
        """Let in a share of the outside's warmth."""
        share = max(share, self.get("fault.left_outside"))
        lift = self.host.weather.now("temperature", self.now) - self.config.celsius
        self.relax("warm", share * lift)

    def _look(self) -> None:
        """Tell that a sealed parcel has become too warm."""
        warm = self.config.celsius + self.get("warm")
        if self.get("seal") != 1.0 and warm > self.config.limit:
            self.put("excursions", self.get("excursions") + 1.0)
            self.tell("excursion", f"parcel is at {warm:.1f} Cel, limit {self.config.limit:g} Cel", "warning")

    def on_effect(self, fault: str, size: float) -> None:
        """Break the seal; warm up outside."""
        if fault == "opened_on_the_way" and size and self.get("seal") == 0.0:
            self.put("seal", 2.0)
            self.tell("tampered", "the seal was broken on the way", "alarm")
        if fault == "left_outside":
            self._look()
            self._warm(0.0)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add a new seal."""
        return super().handlers() | {"reseal": self._reseal}

    def _reseal(self, command: Command) -> str:
        if self.get("seal") == 0.0:
            raise CommandRefused("interlock: the parcel is sealed")
        if self.get("fault.opened_on_the_way"):
            raise CommandRefused("interlock: the seal is torn")
        self.put("seal", 0.0)
        return "sealed"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values."""
        wear = view.wear("cell")
        cold = np.minimum(view.env("temperature"), 0.0) * 0.004
        return {
            "state": view["state"],
            "seal": view["seal"],
            "temperature": view.param("celsius") + view["warm"] + 0.3 * view.slow("box", 1800.0),
            "excursions": view["excursions"],
            "parcels": view["parcels"],
            "battery": 3.05 - 0.7 * wear * wear + cold,
        }
