"""Centrifugal pump with an induction motor: the worked example of a rotating machine.

Flow, head and power follow the affinity laws; vibration velocity rises with bearing wear towards the zones of
ISO 20816-3 (group 2, rigid: 1.4 / 2.8 / 4.5 mm/s, a configuration value); motor current by the load curve
I = I_FL sqrt(i0^2 + load^2 (1 - i0^2)); bearing and winding warm up exponentially. The waveform has 1x and 2x of
the shaft and ringing impacts at the outer-race frequency of a 6205 bearing, whose height follows the wear.
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
from simulator.asset import Asset, Steps, Work
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

BPFO = 3.5848  # impacts a turn, SKF 6205 (CWRU bearing data centre)
_RINGING_HZ = 900.0
_DAMPING = 0.06
_IDLE_CURRENT = 0.35

PROCESS = Stream(
    "process",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured(
            "speed", "rotational-speed", "/min", 0, 3600,
            Sensor(noise=1.5, resolution=1), ko="회전수", en="Speed",
        ),
        measured(
            "flow", "volume-flow", "m3/h", 0, 120,
            Sensor(lag="2s", gain=0.004, noise=0.25, drift=0.15, resolution=0.1, dropout=1e-5), ko="유량", en="Flow",
        ),
        measured(
            "pressure", "pressure", "bar", 0, 16,
            Sensor(lag="1s", gain=0.003, bias=0.02, noise=0.02, resolution=0.01),
            ko="토출 압력", en="Discharge pressure",
        ),
        measured(
            "power", "power", "kW", 0, 60,
            Sensor(lag="1s", gain=0.005, noise=0.05, resolution=0.01), ko="전력", en="Power",
        ),
        counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
    ),
)  # fmt: skip
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
            "current", "electric-current", "A", 0, 120,
            Sensor(gain=0.005, noise=0.08, resolution=0.01), ko="전류", en="Motor current", group="health",
        ),
    ),
)  # fmt: skip
WAVEFORM = Stream(
    "waveform",
    (measured("acceleration", "acceleration", "m/s2", -500, 500, Sensor(noise=0.3, resolution=0.01), group="health"),),
    period=NS // 2560,
    burst=1024,
    every=10 * NS,
)


class PumpConfig(EquipmentConfig):
    """A pump. ``waveform`` adds a burst of vibration (1,024 samples at 2,560 Hz every 10 s)."""

    kind: Literal["pump"] = "pump"
    rated_kw: float = Field(default=15.0, gt=0, le=60)
    rated_rpm: float = Field(default=1480.0, gt=100, le=3600)
    rated_flow: float = Field(default=60.0, gt=0, le=120)
    rated_bar: float = Field(default=6.0, gt=0, le=16)
    full_load_a: float = Field(default=28.0, gt=0, le=120)
    waveform: bool = False
    bearing: BearingWear = BearingWear()

    label: ClassVar[Name] = Name("펌프", "Pump")

    def asset(self) -> type[Pump]:
        """Return the class of a pump."""
        return Pump

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (PROCESS, HEALTH, WAVEFORM) if self.waveform else (PROCESS, HEALTH)

    def wears(self) -> dict[str, WearModel]:
        """Return its one wearing component."""
        return {"bearing": self.bearing}


class Pump(Asset):
    """Runs around the clock at a speed set-point."""

    columns: ClassVar[Mapping[str, Column]] = {
        "speed": Step(),  # 1 = rated
        "setpoint": Step(1.0),
        "turns": Ramp(),  # shaft revolutions
        "energy": Ramp(),  # kWh
        "warmth": Relax(0.0, 1500.0),  # winding, 1 = rated rise
    }
    commands = (*COMMON, DERATE, CommandSpec("set_speed", {"factor": "1"}, Name("속도 설정", "Set speed")))
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "bearing_fatigue": WearFault("bearing", 50.0, Name("베어링 피로", "Bearing fatigue")),
        "lubrication_loss": WearFault("bearing", 15.0, Name("윤활 부족", "Loss of lubrication")),
        "cavitation": Effect(1.0, label=Name("공동 현상", "Cavitation")),
        "blocked_suction": Effect(0.5, label=Name("흡입 막힘", "Blocked suction")),
    }
    config: PumpConfig

    def run(self) -> Steps:
        """Run from the beginning of the world."""
        self.enter(State.RUNNING)
        yield self.env.timeout(0)

    def on_state(self, old: State, new: State) -> None:
        """Follow the set-point while running, stand still otherwise."""
        speed = self.get("setpoint") * self.get("derate") if new is State.RUNNING else 0.0
        self.put("speed", speed)
        self.ramp("turns", speed * self.config.rated_rpm / 60.0)
        self.ramp("energy", self.config.rated_kw * speed**3 / 3600.0)
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

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of a stream."""
        return {"process": _process, "health": _health, "waveform": _waveform}[stream](view)


def _process(view: View) -> dict[str, NDArray[Any]]:
    speed = view["speed"]
    demand = 1.0 + 0.06 * view.slow("demand", 1800.0)
    blocked = 1.0 - view.fault("blocked_suction")
    flow = view.param("rated_flow") * speed * demand * blocked
    lift = 1.25 - 0.25 * (demand * blocked) * (demand * blocked)
    return {
        "state": view["state"],
        "speed": view.param("rated_rpm") * speed,
        "flow": flow * (1.0 - 0.1 * view.fault("cavitation")),
        "pressure": view.param("rated_bar") * speed * speed * lift + 0.15 * view.fault("cavitation") * view.white("p"),
        "power": view.param("rated_kw") * speed * speed * speed * (0.4 + 0.6 * demand * blocked),
        "energy": view["energy"],
    }


def _health(view: View) -> dict[str, NDArray[Any]]:
    speed, wear = view["speed"], view.wear("bearing")
    ambient = view.env("temperature") * 0.5 + 12.0  # a heated hall
    warmth = view["warmth"]
    rough = 0.9 + 0.12 * view.trait("balance") + 5.5 * wear * wear + 0.9 * wear + 1.6 * view.fault("cavitation")
    load = speed * speed * (1.0 + 0.06 * view.slow("demand", 1800.0))
    idle = _IDLE_CURRENT * _IDLE_CURRENT
    turning = speed > 0
    return {
        "vibration": speed * rough * (1.0 + 0.05 * view.slow("vibration", 120.0)) + 0.02,
        "bearing_temp": ambient + warmth * (22.0 + 28.0 * wear * wear * wear),
        "winding_temp": ambient + warmth * 60.0,
        "current": turning
        * view.param("full_load_a")
        * np.sqrt(idle + load * load * (1.0 - idle) * (1.0 + 0.03 * wear)),
    }


def _waveform(view: View) -> dict[str, NDArray[Any]]:
    turns, speed, wear = view["turns"], view["speed"], view.wear("bearing")
    angle = 2.0 * np.pi * (turns - np.floor(turns))
    hit = turns * BPFO
    since = (hit - np.floor(hit)) * 60.0 / (BPFO * np.maximum(speed, 0.01) * view.param("rated_rpm"))  # s after impact
    ring = np.exp(since * (-_DAMPING * 2.0 * np.pi * _RINGING_HZ)) * np.sin(since * (2.0 * np.pi * _RINGING_HZ))
    shaft = 1.2 * np.sin(angle) + 0.5 * np.sin(2.0 * angle + 0.7)
    return {"acceleration": speed * (shaft + (0.5 + 40.0 * wear * wear) * ring + 0.4 * view.white("a"))}
