"""Screw compressor that holds the pressure of a compressed-air net between two limits by loading and unloading.

A load cycle takes ``cycle``; its loaded share follows the demand for air. While unloaded a screw compressor still
draws about 30 % of its power (a configuration value). The cycle is a continuous phase, so it costs no events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Duration
from core.spec import CommandSpec, Name
from simulator.asset import Work
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.equipment.rotating import (
    BEARING_FAULTS,
    HEALTH,
    WAVEFORM,
    Rotating,
    RotatingConfig,
    hall,
    health,
    waveform,
)
from simulator.faults import Effect, FaultKind
from simulator.grid import Floats
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear

MEAN_DUTY = 0.62

AIR = Stream(
    "air",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        measured(
            "speed", "rotational-speed", "/min", 0, 4000,
            Sensor(noise=2, resolution=1), ko="회전수", en="Speed",
        ),
        measured(
            "pressure", "pressure", "bar", 0, 16,
            Sensor(lag="1s", gain=0.002, bias=0.02, noise=0.01, resolution=0.01), ko="토출 압력", en="Net pressure",
        ),
        measured(
            "duty", "ratio", "%", 0, 100,
            Sensor(lag="30s", noise=0.5, resolution=0.1), ko="부하율", en="Loaded share",
        ),
        measured(
            "discharge_temp", "temperature", "Cel", -20, 150,
            Sensor(lag="20s", bias=0.4, noise=0.1, drift=0.1, resolution=0.1, dropout=1e-5),
            ko="토출 온도", en="Discharge temperature",
        ),
        measured(
            "power", "power", "kW", 0, 150,
            Sensor(lag="1s", gain=0.005, noise=0.1, resolution=0.01), ko="전력", en="Power",
        ),
        counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
    ),
)  # fmt: skip


class CompressorConfig(RotatingConfig):
    """A compressor. ``band_bar`` lies between loading and unloading; ``lockout`` is the shortest time at rest."""

    kind: Literal["compressor"] = "compressor"
    rated_kw: float = Field(default=37.0, gt=0, le=120)
    rated_rpm: float = Field(default=2950.0, gt=100, le=3600)
    full_load_a: float = Field(default=68.0, gt=0, le=240)
    set_bar: float = Field(default=7.0, ge=4, le=12)
    band_bar: float = Field(default=0.6, gt=0, le=2)
    cycle: Duration = 90 * NS
    lockout: Duration = 30 * NS
    unloaded: float = Field(default=0.3, ge=0, lt=1)
    bearing: BearingWear = BearingWear(life_h=2200.0)

    label: ClassVar[Name] = Name("공기압축기", "Compressor")

    def asset(self) -> type[Compressor]:
        """Return the class of a compressor."""
        return Compressor

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return (AIR, HEALTH, WAVEFORM) if self.waveform else (AIR, HEALTH)


class Compressor(Rotating):
    """Loads and unloads around its pressure set-point; after a stop it must rest before it starts again."""

    columns: ClassVar[Mapping[str, Column]] = {
        **Rotating.columns,
        "set_bar": Step(),
        "cycles": Ramp(),
        "charge": Relax(0.0, 60.0),  # of the net, 1 = at pressure
    }
    commands = (*Rotating.commands, CommandSpec("set_pressure", {"pressure": "bar"}, Name("압력 설정", "Set pressure")))
    faults: ClassVar[Mapping[str, FaultKind]] = {
        **BEARING_FAULTS,
        "air_leak": Effect(0.2, label=Name("공기 누설", "Air leak")),  # more loaded share
        "cooler_fouled": Effect(18.0, label=Name("냉각기 오염", "Fouled cooler")),  # K more at the discharge
    }
    config: CompressorConfig
    _rest_since: int = -(1 << 62)

    def begin(self) -> None:
        """Take the configured pressure."""
        self.put("set_bar", self.config.set_bar)
        super().begin()

    def on_state(self, old: State, new: State) -> None:
        """Fill the net while running; remember when it came to rest."""
        super().on_state(old, new)
        running = new is State.RUNNING
        if old is State.RUNNING and not running:
            self._rest_since = self.now
        self.ramp("cycles", NS / self.config.cycle if running else 0.0)
        self.relax("charge", 1.0 if running else 0.0)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the pressure set-point and the rest that the motor needs."""
        return super().handlers() | {"set_pressure": self._set_pressure}

    def interlock(self) -> str:
        """Let the motor rest after a stop."""
        left = self._rest_since + self.config.lockout - self.now
        return f"motor must rest for another {left / NS:.0f} s" if left > 0 else ""

    def _set_pressure(self, command: Command) -> str:
        pressure = self.number(command, "pressure", 4.0, 12.0)
        self.put("set_bar", pressure)
        self.on_state(self.state, self.state)
        self.adapt_wear()
        return f"pressure set to {pressure:g} bar"

    def power_kw(self, speed: float) -> float:
        """A screw displaces the same with every turn; a leak keeps it loaded for longer; pressure takes power."""
        duty = min(max(MEAN_DUTY + self.get("fault.air_leak"), 0.1), 0.95)
        loaded = duty + (1.0 - duty) * self.config.unloaded
        return self.config.rated_kw * speed * loaded * self.get("set_bar") / self.config.set_bar

    def stress(self, component: str) -> float:
        """The load on the bearings goes with the pressure."""
        return super().stress(component) * float((self.get("set_bar") / self.config.set_bar) ** 3)

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of a stream."""
        if stream == "waveform":
            return waveform(view)
        duty = np.clip(MEAN_DUTY + 0.1 * view.slow("demand", 3600.0) + view.fault("air_leak"), 0.1, 0.95)
        phase = view["cycles"] - np.floor(view["cycles"])
        loaded = phase < duty
        idle = view.param("unloaded")
        load = view["speed"] * np.where(loaded, 1.0, idle) * (view["set_bar"] / view.param("set_bar"))
        if stream == "health":
            return health(view, load, heat=0.15 * view.fault("cooler_fouled"))
        return _air(view, duty, phase, loaded, load)


def _air(view: View, duty: Floats, phase: Floats, loaded: NDArray[np.bool_], load: Floats) -> dict[str, NDArray[Any]]:
    rise = np.where(loaded, phase / duty, (1.0 - phase) / (1.0 - duty))  # up while loaded, down while not
    pressure = view["set_bar"] + view.param("band_bar") * (rise - 0.5)
    running = view["speed"] > 0
    return {
        "state": view["state"],
        "speed": view.param("rated_rpm") * view["speed"],
        "pressure": view["charge"] * pressure,
        "duty": running * duty * 100.0,
        "discharge_temp": hall(view) + view["warmth"] * (40.0 + 14.0 * duty + view.fault("cooler_fouled")),
        "power": view.param("rated_kw") * load,
        "energy": view["energy"],
    }
