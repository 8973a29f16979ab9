"""Form-fill-seal machine, the first of a packaging line: doses, and seals with heated jaws that wear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.command import Command
from core.spec import CommandSpec, Name
from simulator.asset import Work
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.packaging import LINE, Packaging, PackagingConfig, heated, line, own
from simulator.faults import Effect, FaultKind, WearFault
from simulator.state import Column, Step
from simulator.view import View

_WINDOW_K = 6.0  # around the recipe's temperature in which seals hold (assumption)
_WARM = 0.9  # share of the temperature rise below which the jaws seal nothing

LINE_STREAM = Stream(
    "line",
    (
        *LINE,
        measured(
            "fill_weight", "mass", "g", 0, 2000,
            Sensor(bias=0.2, noise=0.3, resolution=0.1, dropout=1e-5), ko="충진 중량", en="Fill weight",
        ),
        measured(
            "seal_temp", "temperature", "Cel", 0, 250,
            Sensor(lag="5s", bias=0.4, noise=0.15, drift=0.2, resolution=0.1, dropout=1e-5),
            ko="실링 온도", en="Seal temperature", group="health",
        ),
        measured("film", "ratio", "%", 0, 100, Sensor(resolution=1), ko="필름 잔량", en="Film left"),
    ),
)  # fmt: skip


class FillerConfig(PackagingConfig):
    """A filler."""

    kind: Literal["filler"] = "filler"
    reel: int = Field(default=6000, ge=0)
    target_g: float = Field(default=1000.0, gt=0, le=1800)
    seal_set: float = Field(default=165.0, gt=0, le=230)
    rated_kw: float = Field(default=9.0, gt=0)

    label: ClassVar[Name] = Name("충진기", "Filler")
    wearing: ClassVar[str] = "jaws"

    def asset(self) -> type[Filler]:
        """Return the class of a filler."""
        return Filler

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LINE_STREAM,)


class Filler(Packaging):
    """Doses and seals. Hotter jaws wear faster, colder ones do not seal; cold after maintenance they must warm up."""

    columns: ClassVar[Mapping[str, Column]] = {**Packaging.columns, "seal_set": Step(), "weight_set": Step()}
    commands = (
        *Packaging.commands,
        CommandSpec("set_seal", {"temperature": "Cel"}, Name("실링 온도 설정", "Set seal temperature")),
        CommandSpec("set_weight", {"mass": "g"}, Name("충진 중량 설정", "Set fill weight")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "jaw_fouling": WearFault("jaws", 40.0, Name("실링 조 오염", "Fouled sealing jaws")),
        **Packaging.faults,
        "fill_drift": Effect(6.0, label=Name("충진량 편차", "Fill-weight drift")),  # g
        "heater_weak": Effect(12.0, label=Name("히터 저하", "Weak heater")),  # K
    }
    config: FillerConfig

    def begin(self) -> None:
        """Take the recipe."""
        self.put("seal_set", self.config.seal_set)
        self.put("weight_set", self.config.target_g)
        super().begin()

    def spoilt(self) -> float:
        """Packs too light or too heavy, and seals that do not hold."""
        off_g = self.get("fault.fill_drift") + self.get("weight_set") - self.config.target_g
        off_k = abs(self.get("seal_set") - self.get("fault.heater_weak") - self.config.seal_set)
        weak = abs(self.get("fault.heater_weak"))
        return 0.03 * (off_g / 6.0) ** 2 + 0.004 * max(weak, off_k - _WINDOW_K if off_k > _WINDOW_K else 0.0)

    def stress(self, component: str) -> float:
        """Jaws wear twice as fast for every 15 K more (assumption)."""
        return float(super().stress(component) * 2.0 ** ((self.get("seal_set") - self.config.seal_set) / 15.0))

    def heating(self) -> float:
        """Half of the power heats the jaws."""
        return 0.5 + 0.5 * (self.get("seal_set") - 20.0) / (self.config.seal_set - 20.0 or 1.0)

    def interlock(self) -> str:
        """Add cold jaws."""
        cold = "jaws are cold: wait until they are warm" if self.get("heat") < _WARM else ""
        return super().interlock() or cold

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the recipe."""
        return super().handlers() | {"set_seal": self._set_seal, "set_weight": self._set_weight}

    def _set_seal(self, command: Command) -> str:
        low, high = self.config.seal_set - 25.0, min(self.config.seal_set + 20.0, 240.0)
        return self.set_point(command, "temperature", "seal_set", low, high, "Cel")

    def _set_weight(self, command: Command) -> str:
        target = self.config.target_g
        return self.set_point(command, "mass", "weight_set", 0.95 * target, 1.05 * target, "g")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the machine."""
        wear, made, reel = view.wear("jaws"), view["made"], view.param("reel")
        target = view["seal_set"] - view.fault("heater_weak") - 3.0 * wear * wear + own(view, "heater", 80.0)
        hunting = (0.35 + 1.8 * wear) * view.white("seal")  # worn jaws touch unevenly
        dosing = 1.2 * view.white("dose") * (view["speed"] > 0) + 0.8 * view.slow("dose", 3 * 3600.0)
        turns = made / np.maximum(reel, 1.0)
        return {
            **line(view, wear),
            "fill_weight": view["weight_set"] + own(view, "dose", 40.0) + dosing + view.fault("fill_drift"),
            "seal_temp": heated(view, target) + view["heat"] * hunting,
            "film": np.where(reel > 0, 100.0 * (1.0 - (turns - np.floor(turns))), 100.0),
        }
