"""What pumps, fans and compressors share: an induction motor with a speed set-point on a shaft in rolling bearings.

Power follows the cube of the speed (affinity law); vibration velocity rises with bearing wear towards the zones of
ISO 20816-3 (group 2, rigid: 1.4 / 2.8 / 4.5 mm/s, a configuration value); motor current by the load curve
I = I_FL sqrt(i0^2 + load^2 (1 - i0^2)); bearing and winding warm up exponentially.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.command import Command
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Work
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import FaultKind, WearFault
from simulator.grid import Floats
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

IDLE_CURRENT = 0.35  # i0, of the full-load current
BEARING_FAULTS: Mapping[str, FaultKind] = {
    "bearing_fatigue": WearFault("bearing", 50.0, Name("베어링 피로", "Bearing fatigue")),
    "lubrication_loss": WearFault("bearing", 15.0, Name("윤활 부족", "Loss of lubrication")),
}

HEALTH = Stream(
    "health",
    (
        measured(
            "vibration", "vibration-velocity", "mm/s", 0, 50,
            Sensor(gain=0.02, noise=0.04, drift=0.02, resolution=0.01, dropout=1e-4),
            ko="진동 속도", en="Vibration velocity", group="health",
        ),
        measured(
            "bearing_temp", "temperature", "Cel", -20, 150,
            Sensor(lag="30s", bias=0.3, noise=0.08, drift=0.1, resolution=0.1, dropout=1e-5),
            ko="베어링 온도", en="Bearing temperature", group="health",
        ),
        measured(
            "winding_temp", "temperature", "Cel", -20, 180,
            Sensor(lag="20s", bias=0.4, noise=0.1, drift=0.1, resolution=0.1),
            ko="권선 온도", en="Winding temperature", group="health",
        ),
        measured(
            "current", "electric-current", "A", 0, 240,
            Sensor(gain=0.005, noise=0.08, resolution=0.01), ko="전류", en="Motor current", group="health",
        ),
    ),
)  # fmt: skip


class RotatingConfig(EquipmentConfig):
    """Motor and bearing of a rotating machine."""

    kind: str
    rated_kw: float = Field(default=15.0, gt=0, le=120)
    rated_rpm: float = Field(default=1480.0, gt=100, le=3600)
    full_load_a: float = Field(default=28.0, gt=0, le=240)
    bearing: BearingWear = BearingWear()

    def wears(self) -> dict[str, WearModel]:
        """Return the one wearing component."""
        return {"bearing": self.bearing}


class Rotating(Asset):
    """Runs around the clock at a speed set-point."""

    columns: ClassVar[Mapping[str, Column]] = {
        "speed": Step(),  # 1 = rated
        "setpoint": Step(1.0),
        "turns": Ramp(),  # shaft revolutions
        "energy": Ramp(),  # kWh
        "warmth": Relax(0.0, 1500.0),  # winding, 1 = rated rise
    }
    commands = (*COMMON, DERATE, CommandSpec("set_speed", {"factor": "1"}, Name("속도 설정", "Set speed")))
    #: share of the rated power drawn on average at rated speed
    mean_load: ClassVar[float] = 1.0
    config: RotatingConfig

    def on_state(self, old: State, new: State) -> None:
        """Follow the set-point while running, stand still otherwise."""
        speed = self.get("setpoint") * self.get("derate") if new is State.RUNNING else 0.0
        self.put("speed", speed)
        self.ramp("turns", speed * self.config.rated_rpm / 60.0)
        self.ramp("energy", self.config.rated_kw * self.mean_load * speed**3 / 3600.0)
        self.relax("warmth", speed**3)

    def stress(self, component: str) -> float:
        """Bearing life goes with the cube of the load and the speed (ISO 281, p = 3)."""
        return float(self.get("speed") ** 4)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the speed set-point."""
        return super().handlers() | {"set_speed": self._set_speed}

    def _set_speed(self, command: Command) -> str:
        factor = self.number(command, "factor", 0.3, 1.1)
        self.put("setpoint", factor)
        self.on_state(self.state, self.state)
        self.adapt_wear()
        return f"speed set to {factor:.0%}"


def hall(view: View) -> Floats:
    """Return the air around a machine in a heated hall, Cel."""
    return np.asarray(view.env("temperature") * 0.5 + 12.0, dtype=np.float64)


def rough(view: View, shaft: Floats | float = 0.0) -> Floats:
    """Return vibration velocity at rated speed, mm/s r.m.s.: balance, bearing wear, and what ``shaft`` adds."""
    wear = view.wear("bearing")
    return np.asarray(0.9 + 0.12 * view.trait("balance") + 5.5 * wear * wear + 0.9 * wear + shaft, dtype=np.float64)


def motor_current(view: View, load: Floats) -> Floats:
    """Return the motor's current in A at a load (1 = rated), 0 at rest; a worn bearing adds friction."""
    idle = IDLE_CURRENT * IDLE_CURRENT
    drawn = np.sqrt(idle + load * load * (1.0 - idle) * (1.0 + 0.03 * view.wear("bearing")))
    return np.asarray((view["speed"] > 0) * view.param("full_load_a") * drawn, dtype=np.float64)


def health(
    view: View, load: Floats, shaft: Floats | float = 0.0, heat: Floats | float = 0.0
) -> dict[str, NDArray[Any]]:
    """Return the true values of the stream ``health``; ``shaft`` adds mm/s, ``heat`` K at the bearing."""
    wear, warmth, ambient = view.wear("bearing"), view["warmth"], hall(view)
    shaking = view["speed"] * rough(view, shaft) * (1.0 + 0.05 * view.slow("vibration", 120.0))
    return {
        "vibration": shaking + 0.02,
        "bearing_temp": ambient + warmth * (22.0 + 28.0 * wear * wear * wear + heat),
        "winding_temp": ambient + warmth * 60.0,
        "current": motor_current(view, load),
    }
