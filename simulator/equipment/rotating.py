"""What pumps, fans and compressors share: an induction motor with a speed set-point on a shaft in rolling bearings.

Power follows the cube of the speed (affinity law); vibration velocity rises with bearing wear towards the zones of
ISO 20816-3 (group 2, rigid: 1.4 / 2.8 / 4.5 mm/s, a configuration value); motor current by the load curve
I = I_FL sqrt(i0^2 + load^2 (1 - i0^2)); bearing and winding warm up exponentially. The waveform holds the shaft's
harmonics and the impacts of a spalled bearing (``process/bearings.py``) in such heights that its velocity has the
r.m.s. that the stream ``health`` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Work
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import FaultKind, WearFault
from simulator.grid import Floats
from simulator.process.bearings import BEARINGS, PARTS, Part, impacts, spalled, velocity_rms
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
WAVEFORM = Stream(
    "waveform",
    (
        measured(
            "acceleration", "acceleration", "m/s2", -500, 500, Sensor(noise=0.05, resolution=0.001),
            ko="진동 가속도", en="Vibration acceleration", group="health",
        ),
    ),
    period=NS // 2560,
    burst=1024,
    every=10 * NS,
)  # fmt: skip
_HARMONICS = (0.85, 0.45, 0.27)  # of the shaft's vibration velocity: 1x, 2x, 3x; squares add up to 1
_BY_IMPACTS = 0.75  # share of what wear adds that is impacts, the rest shakes with the shaft (assumption)


class RotatingConfig(EquipmentConfig):
    """Motor and bearing of a rotating machine.

    Attributes
    ----------
    waveform
        Adds a burst of vibration (1,024 samples at 2,560 Hz every 10 s).
    bearing_type
        Its geometry.
    spall
        Part that spalls first; ``drawn``: each life its own.
    """

    kind: str
    waveform: bool = False
    bearing_type: Literal["6205", "6203"] = "6205"
    spall: Part | Literal["drawn"] = "drawn"
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
    logs: ClassVar[bool] = True
    config: RotatingConfig

    def on_state(self, old: State, new: State) -> None:
        """Follow the set-point while running, stand still otherwise."""
        speed = self.get("setpoint") * self.get("derate") if new is State.RUNNING else 0.0
        self.put("speed", speed)
        self.ramp("turns", speed * self.config.rated_rpm / 60.0)
        self.ramp("energy", self.power_kw(speed) / 3600.0)
        self.relax("warmth", speed**3)

    def power_kw(self, speed: float) -> float:
        """Return the mean electric power at a speed (1 = rated), with what is wrong now."""
        return self.config.rated_kw * speed**3

    def on_effect(self, fault: str, size: float) -> None:
        """Let the power follow."""
        self.on_state(self.state, self.state)

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


def waveform(view: View, shaft: Floats | float = 0.0) -> dict[str, NDArray[Any]]:
    """Return the true values of the stream ``waveform``; ``shaft`` as for `health`."""
    turns, speed, wear = view["turns"], view["speed"], view.wear("bearing")
    hz = speed * view.param("rated_rpm") / 60.0
    total = rough(view, shaft)
    hit_mm_s = _BY_IMPACTS * (5.5 * wear * wear + 0.9 * wear) + 0.03
    turn_mm_s = np.sqrt(np.maximum(total * total - hit_mm_s * hit_mm_s, 0.0))
    angle = 2.0 * np.pi * (turns - np.floor(turns))
    shaking = np.zeros(view.t.shape)
    for n, share in enumerate(_HARMONICS, 1):
        height = np.sqrt(2.0) * share * turn_mm_s * (2e-3 * np.pi * n) * hz  # m/s2 of a velocity in mm/s
        shaking = shaking + height * np.sin(n * angle + n * view.trait(f"phase {n}"))
    ringing = _spall(view, turns, hz) * hit_mm_s * 1e-3
    return {"acceleration": speed * (shaking + ringing + (0.1 + 0.4 * wear) * view.white("a"))}


def _spall(view: View, turns: Floats, hz: Floats) -> Floats:
    """Return the impacts in m/s2 for 1 m/s r.m.s. of velocity; each machine has its own bearing and part."""
    fixed = view.per_device("spall", lambda config, path: _part_index(config))
    part = np.where(fixed >= 0, fixed, spalled(view, view["bearing.life"]))
    kinds = view.per_device("bearing type", lambda config, path: _type_index(config))
    out = np.zeros(view.t.shape)
    for index, bearing in enumerate(BEARINGS.values()):
        sound, rate = impacts(view, turns, hz, bearing, part)
        out = np.where(kinds == index, sound / velocity_rms(rate), out)
    return np.asarray(np.where(hz > 0, out, 0.0), dtype=np.float64)


def _part_index(config: EquipmentConfig) -> float:
    assert isinstance(config, RotatingConfig)
    return -1.0 if config.spall == "drawn" else float(PARTS.index(config.spall))


def _type_index(config: EquipmentConfig) -> float:
    assert isinstance(config, RotatingConfig)
    return float(list(BEARINGS).index(config.bearing_type))


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
