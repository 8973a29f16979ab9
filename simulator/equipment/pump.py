"""Centrifugal pump: the worked example of a rotating machine (motor and bearing: ``rotating.py``).

Flow, head and power follow the affinity laws.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from core.spec import Name
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.rotating import BEARING_FAULTS, HEALTH, WAVEFORM, Rotating, RotatingConfig, health, waveform
from simulator.faults import Effect, FaultKind
from simulator.states import STATES
from simulator.view import View

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


class PumpConfig(RotatingConfig):
    """A pump."""

    kind: Literal["pump"] = "pump"
    rated_kw: float = Field(default=15.0, gt=0, le=60)
    rated_flow: float = Field(default=60.0, gt=0, le=120)
    rated_bar: float = Field(default=6.0, gt=0, le=16)

    label: ClassVar[Name] = Name("펌프", "Pump")

    def asset(self) -> type[Pump]:
        """Return the class of a pump."""
        return Pump

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (PROCESS, HEALTH, WAVEFORM) if self.waveform else (PROCESS, HEALTH)


class Pump(Rotating):
    """Runs around the clock at a speed set-point."""

    faults: ClassVar[Mapping[str, FaultKind]] = {
        **BEARING_FAULTS,
        "cavitation": Effect(1.0, label=Name("공동 현상", "Cavitation")),
        "blocked_suction": Effect(0.5, label=Name("흡입 막힘", "Blocked suction")),
    }

    def power_kw(self, speed: float) -> float:
        """Less flow takes less power."""
        return self.config.rated_kw * speed**3 * (0.4 + 0.6 * (1.0 - self.get("fault.blocked_suction")))

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
    speed = view["speed"]
    load = speed * speed * (1.0 + 0.06 * view.slow("demand", 1800.0))
    return health(view, load, shaft=1.6 * view.fault("cavitation"))


def _waveform(view: View) -> dict[str, NDArray[Any]]:
    return waveform(view, shaft=1.6 * view.fault("cavitation"))
