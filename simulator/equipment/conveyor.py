"""Belt conveyor of a hub: the worked example of equipment that moves material from a flow to a flow.

Pallets are taken from the first input (without inputs they arrive at ``arrivals_per_h``), ride for the belt's
length, and are given to the first output; without an output they leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.spec import Name
from simulator.asset import Asset, Steps
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.process.flow import Item
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

DRIVE = Stream(
    "drive",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured(
            "belt_speed", "speed", "m/s", 0, 3,
            Sensor(noise=0.004, resolution=0.001), ko="벨트 속도", en="Belt speed",
        ),
        measured(
            "current", "electric-current", "A", 0, 40,
            Sensor(lag="500ms", gain=0.005, noise=0.05, resolution=0.01), ko="전류", en="Motor current", group="health",
        ),
        measured(
            "gear_temp", "temperature", "Cel", -20, 150,
            Sensor(lag="20s", bias=0.3, noise=0.1, drift=0.1, resolution=0.1, dropout=1e-5),
            ko="감속기 온도", en="Gearbox temperature", group="health",
        ),
        measured(
            "vibration", "vibration-velocity", "mm/s", 0, 50,
            Sensor(gain=0.02, noise=0.03, resolution=0.01, dropout=1e-4),
            ko="진동 속도", en="Vibration velocity", group="health",
        ),
        counted("pallets", "count", ko="팔레트 수", en="Pallets moved"),
        counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
    ),
)  # fmt: skip


class ConveyorConfig(EquipmentConfig):
    """A belt. It carries one pallet at a time; the wear of its gearbox follows the carrying time."""

    kind: Literal["conveyor"] = "conveyor"
    length_m: float = Field(default=18.0, gt=0)
    speed: float = Field(default=0.5, gt=0, le=3)
    rated_kw: float = Field(default=3.0, gt=0)
    arrivals_per_h: float = Field(default=20.0, gt=0, le=600)
    gearbox: BearingWear = BearingWear(life_h=1500.0)

    label: ClassVar[Name] = Name("컨베이어", "Conveyor")

    def asset(self) -> type[Conveyor]:
        """Return the class of a conveyor."""
        return Conveyor

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (DRIVE,)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"gearbox": self.gearbox}


class Conveyor(Asset):
    """Moves pallets one by one."""

    columns: ClassVar[Mapping[str, Column]] = {
        "speed": Step(),  # m/s
        "pallets": Step(),
        "energy": Ramp(),  # kWh
        "warmth": Relax(0.0, 2400.0),
    }
    commands = (*COMMON, DERATE)
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "gear_fatigue": WearFault("gearbox", 50.0, Name("감속기 피로", "Gearbox fatigue")),
        "belt_slip": Effect(0.3, label=Name("벨트 미끄러짐", "Belt slip")),
    }
    config: ConveyorConfig

    def run(self) -> Steps:
        """Take, carry, give."""
        while True:
            item = yield from self._next()
            slip = 1.0 - self.get("fault.belt_slip")
            yield from self.work(self.config.length_m / (self.config.speed * self.get("derate") * slip))
            self.put("pallets", self.get("pallets") + 1.0)
            if self.outputs:
                yield from self.give(self.outputs[0], item)

    def _next(self) -> Any:
        if self.inputs:
            return (yield from self.take(self.inputs[0]))
        made = int(self.get("pallets"))
        yield from self.up()
        self.enter(State.STARVED)
        yield self.seconds(self.draws("arrivals").exponential(3600.0 / self.config.arrivals_per_h))
        yield from self.up()
        self.enter(State.RUNNING)
        return Item("pallet", made, self.spec.path, self.now)

    def on_state(self, old: State, new: State) -> None:
        """Turn while running."""
        turning = new is State.RUNNING
        self.put("speed", self.config.speed * self.get("derate") if turning else 0.0)
        self.ramp("energy", self.config.rated_kw * (0.8 if turning else 0.02) / 3600.0)
        self.relax("warmth", 1.0 if turning else 0.0)

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the drive."""
        speed, wear = view["speed"], view.wear("gearbox")
        turning = (speed > 0).astype(np.float64)
        load = 1.0 + 0.05 * view.slow("load", 60.0)
        return {
            "state": view["state"],
            "belt_speed": speed * (1.0 - view.fault("belt_slip")),
            "current": turning * view.param("rated_kw") * 2.1 * load * (1.0 + 0.25 * wear) + 0.1,
            "gear_temp": view.env("temperature") * 0.4 + 14.0 + view["warmth"] * (18.0 + 24.0 * wear * wear),
            "vibration": turning * (0.7 + 0.1 * view.trait("fit") + 4.5 * wear * wear + 0.6 * wear) + 0.03,
            "pallets": view["pallets"],
            "energy": view["energy"],
        }
