"""Capper: screws caps on with chucks whose jaws wear and slip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from core.command import Command
from core.spec import CommandSpec, Name
from simulator.asset import Work
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.packaging import LINE, Packaging, PackagingConfig, line, own
from simulator.faults import Effect, FaultKind, WearFault
from simulator.state import Column, Step
from simulator.view import View

LINE_STREAM = Stream(
    "line",
    (
        *LINE,
        measured(
            "cap_torque", "torque", "N.m", 0, 6,
            Sensor(gain=0.01, noise=0.02, resolution=0.01, dropout=1e-5),
            ko="캡 토크", en="Cap torque", group="health",
        ),
    ),
)  # fmt: skip


class CapperConfig(PackagingConfig):
    """A capper."""

    kind: Literal["capper"] = "capper"
    speed: float = Field(default=6600.0, gt=0, le=20_000)
    jam: float = Field(default=9000.0, ge=0)
    rated_kw: float = Field(default=4.0, gt=0)
    torque: float = Field(default=1.8, gt=0, le=5)

    label: ClassVar[Name] = Name("캡핑기", "Capper")
    wearing: ClassVar[str] = "chucks"

    def asset(self) -> type[Capper]:
        """Return the class of a capper."""
        return Capper

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LINE_STREAM,)


class Capper(Packaging):
    """Closes packs. More torque wears the chucks, less leaves caps loose."""

    columns: ClassVar[Mapping[str, Column]] = {**Packaging.columns, "torque_set": Step()}
    commands = (
        *Packaging.commands,
        CommandSpec("set_torque", {"torque": "N.m"}, Name("캡 토크 설정", "Set cap torque")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "chuck_wear": WearFault("chucks", 40.0, Name("척 마모", "Chuck wear")),
        **Packaging.faults,
        "chuck_slip": Effect(0.4, label=Name("척 미끄러짐", "Slipping chucks")),  # share of the torque lost
    }
    config: CapperConfig

    def begin(self) -> None:
        """Take the recipe."""
        self.put("torque_set", self.config.torque)
        super().begin()

    def spoilt(self) -> float:
        """Caps that sit too loose, or are torn."""
        off = abs(self.get("torque_set") / self.config.torque - 1.0)
        return 0.1 * self.get("fault.chuck_slip") + 0.2 * max(off - 0.1, 0.0)

    def stress(self, component: str) -> float:
        """Chucks wear with the square of the torque (assumption)."""
        return float(super().stress(component) * (self.get("torque_set") / self.config.torque) ** 2)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the torque."""
        return super().handlers() | {"set_torque": self._set_torque}

    def _set_torque(self, command: Command) -> str:
        low, high = 0.5 * self.config.torque, min(1.5 * self.config.torque, 6.0)
        return self.set_point(command, "torque", "torque_set", low, high, "N.m")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the machine."""
        wear = view.wear("chucks")
        grip = (1.0 - 0.25 * wear * wear) * (1.0 - view.fault("chuck_slip")) * (1.0 + own(view, "grip"))
        spread = 0.05 * (1.0 + 3.0 * wear) * view.white("cap") * (view["speed"] > 0)
        return {**line(view, wear), "cap_torque": view["torque_set"] * grip + spread}
