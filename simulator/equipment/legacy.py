"""What old machines share: a cycle that repeats by a mechanical clock, a 16-bit counter, one wearing part, a set-point.

They were built before anybody asked for data: no clock, no network but a serial line behind a Modbus gateway, numbers
scaled to integers. The cycle is a continuous phase, so it costs no events. The counter of cycles is the machine's own
and begins again after 65,535, on every protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Duration
from core.spec import CommandSpec, Name, Protocol
from simulator.asset import Asset, Work
from simulator.channels import Channel, counted, enumerated
from simulator.equipment.base import EquipmentConfig
from simulator.grid import Floats
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear
from simulator.wear.component import WearModel

COUNTER = 65_536.0
RESET = CommandSpec("reset", label=Name("계수기 초기화", "Reset the counter"))
STATE_CHANNEL: Channel = enumerated("state", STATES, ko="상태", en="State")
ENERGY: Channel = counted("energy", "energy", "kW.h", ko="전력량", en="Energy")


class LegacyConfig(EquipmentConfig):
    """An old machine. ``part`` is what wears (its name is the kind's); ``cycle`` is a cycle at nominal pace."""

    kind: str
    protocols: tuple[Protocol, ...] = Field(default=("modbus",), min_length=1)
    rated_kw: float = Field(default=20.0, gt=0, le=500)
    cycle: Duration = 30 * NS
    part: BearingWear = BearingWear(life_h=900.0, scatter=0.3, growth=2.5)

    wearing: ClassVar[str] = "part"

    def wears(self) -> dict[str, WearModel]:
        """Return the one wearing part under its name."""
        return {self.wearing: self.part}


class Legacy(Asset):
    """Runs around the clock at a pace."""

    columns: ClassVar[Mapping[str, Column]] = {
        "pace": Step(),  # cycles of nominal length a cycle; 0 at rest
        "set": Step(),
        "cycles": Ramp(),
        "counted_from": Step(),
        "energy": Ramp(),  # kWh
        "warmth": Relax(0.0, 1800.0),  # 1 = as warm as it gets in nominal operation
    }
    commands = (*COMMON, RESET)
    #: share of the rated power drawn on average
    mean_load: ClassVar[float] = 0.5
    config: LegacyConfig

    def begin(self) -> None:
        """Take the configured set-point."""
        self.put("set", self.initial_set())
        super().begin()

    def initial_set(self) -> float:
        """Return the set-point to begin with."""
        return 0.0

    def on_state(self, old: State, new: State) -> None:
        """Cycle while running."""
        pace = 1.0 if new is State.RUNNING else 0.0
        self.put("pace", pace)
        self.ramp("cycles", pace * NS / self.config.cycle)
        self.ramp("energy", self.config.rated_kw * self.mean_load * pace / 3600.0)
        self.relax("warmth", pace)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the reset of the counter."""
        return super().handlers() | {"reset": self._reset}

    def _reset(self, command: Command) -> str:
        self.put("counted_from", float(np.floor(self.get("cycles"))))
        return "counter is 0"

    def _take_set(self, value: float, text: str) -> str:
        self.put("set", value)
        self.adapt_wear()
        return text


def phase(view: View) -> Floats:
    """Return where in its cycle a machine is, 0 to 1."""
    cycles = view["cycles"]
    return np.asarray(cycles - np.floor(cycles), dtype=np.float64)


def count(view: View) -> NDArray[Any]:
    """Return the machine's counter of cycles, which begins again after 65,535."""
    done = np.floor(view["cycles"]) - view["counted_from"]
    return np.asarray(done - COUNTER * np.floor(done / COUNTER), dtype=np.float64)


def hall(view: View) -> Floats:
    """Return the air around a machine in a badly heated hall, Cel."""
    return np.asarray(view.env("temperature") * 0.6 + 9.0, dtype=np.float64)


def within(at: Floats, low: float, high: float) -> Floats:
    """Return 1.0 where a phase lies in [low, high), else 0.0."""
    return np.asarray((at >= low) & (at < high), dtype=np.float64)
