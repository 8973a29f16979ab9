"""Belt conveyor of a hub: the worked example of equipment that moves material from a flow to a flow.

Pallets are taken from the first input, ride for the belt's length, and are given to the first output; without an
output they leave. Without an input they arrive at ``arrivals_per_h``, and so they do where an input is named that
nothing in the world fills, e.g. when the hub runs without its factory. The belt changes state by the episode, not by
the pallet: it turns on through gaps shorter than ``idle_stop`` and only then stops to save energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.config import Duration
from core.spec import Name
from simulator.asset import Asset, Steps
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.process.flow import Flow, Item
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

_ROOM = 50
_ARRIVALS_PER_H = 6.0

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
    """A belt. It carries one pallet at a time; the wear of its gearbox follows the time it turns.

    Attributes
    ----------
    arrivals_per_h
        Pallets an hour (Poisson) of a belt without input (default 6), or of a belt whose input nothing fills; an
        input that nothing fills is an error if this is not given.
    idle_stop
        ns that the belt turns on without a pallet.
    """

    kind: Literal["conveyor"] = "conveyor"
    length_m: float = Field(default=18.0, gt=0)
    speed: float = Field(default=0.5, gt=0, le=3)
    rated_kw: float = Field(default=3.0, gt=0)
    arrivals_per_h: float | None = Field(default=None, gt=0, le=600)
    idle_stop: Duration = Field(default=1800 * NS, gt=0)
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

    def begin(self) -> None:
        """Allow the input to be filled by nothing else where a rate of arrivals is given."""
        if self.config.arrivals_per_h is not None:
            for name in self.config.inputs:
                self.host.flows.stand_in(name)
        super().begin()

    def run(self) -> Steps:
        """Take, carry, give."""
        flow = self.inputs[0] if self.inputs else Flow(self.env, self.spec.path, _ROOM)
        if not self.inputs or not self.host.flows.filled(flow.name):
            self.env.process(self._arrivals(flow))
        self.enter(State.STARVED)
        while True:
            item = yield from self.take(flow, self.config.idle_stop / NS)
            slip = 1.0 - self.get("fault.belt_slip")
            yield from self.work(self.config.length_m / (self.config.speed * self.get("derate") * slip))
            self.put("pallets", self.get("pallets") + 1.0)
            if self.outputs:
                yield from self.give(self.outputs[0], item)

    def _arrivals(self, flow: Flow) -> Steps:
        """Let pallets come from outside; they wait outside while there is no room."""
        mean_s, number = 3600.0 / (self.config.arrivals_per_h or _ARRIVALS_PER_H), 0
        while True:
            yield self.seconds(self.draws("arrivals").exponential(mean_s))
            yield flow.put(Item("pallet", number, self.spec.path, self.now))
            number += 1

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
