"""Form-fill-seal machine, the first of a packaging line: doses, and seals with heated jaws that wear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.spec import Name
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.packaging import LINE, Packaging, PackagingConfig, heated, line
from simulator.faults import Effect, FaultKind, WearFault
from simulator.view import View

LINE_STREAM = Stream(
    "line",
    (
        *LINE,
        measured(
            "fill_weight", "mass", "g", 0, 2000,
            Sensor(bias=0.2, noise=0.3, resolution=0.1, dropout=1e-5), ko="충전 중량", en="Fill weight",
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

    label: ClassVar[Name] = Name("충전기", "Filler")
    wearing: ClassVar[str] = "jaws"

    def asset(self) -> type[Filler]:
        """Return the class of a filler."""
        return Filler

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LINE_STREAM,)


class Filler(Packaging):
    """Doses and seals."""

    faults: ClassVar[Mapping[str, FaultKind]] = {
        "jaw_fouling": WearFault("jaws", 40.0, Name("실링 조 오염", "Fouled sealing jaws")),
        **Packaging.faults,
        "fill_drift": Effect(6.0, label=Name("충전량 편차", "Fill-weight drift")),  # g
        "heater_weak": Effect(12.0, label=Name("히터 저하", "Weak heater")),  # K
    }
    config: FillerConfig

    def spoilt(self) -> float:
        """Packs too light or too heavy, and seals that do not hold."""
        return 0.03 * (self.get("fault.fill_drift") / 6.0) ** 2 + 0.004 * abs(self.get("fault.heater_weak"))

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the machine."""
        wear, made, reel = view.wear("jaws"), view["made"], view.param("reel")
        target = view.param("seal_set") - view.fault("heater_weak") - 3.0 * wear * wear
        hunting = (0.35 + 1.8 * wear) * view.white("seal")  # worn jaws touch unevenly
        dosing = 1.2 * view.white("dose") * (view["speed"] > 0) + 0.8 * view.slow("dose", 3 * 3600.0)
        turns = made / np.maximum(reel, 1.0)
        return {
            **line(view, wear),
            "fill_weight": view.param("target_g") + dosing + view.fault("fill_drift"),
            "seal_temp": heated(view, target) + view["heat"] * hunting,
            "film": np.where(reel > 0, 100.0 * (1.0 - (turns - np.floor(turns))), 100.0),
        }
