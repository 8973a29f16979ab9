"""Labeller: reels of labels, a knife that wears, labels that sit a little off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.spec import Name
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.packaging import LINE, Packaging, PackagingConfig, line, own
from simulator.faults import Effect, FaultKind, WearFault
from simulator.view import View

LINE_STREAM = Stream(
    "line",
    (
        *LINE,
        measured(
            "label_offset", "length", "mm", -20, 20,
            Sensor(bias=0.05, noise=0.03, resolution=0.01, dropout=1e-5),
            ko="라벨 위치 오차", en="Label offset", group="health",
        ),
        measured("labels", "ratio", "%", 0, 100, Sensor(resolution=1), ko="라벨 잔량", en="Labels left"),
    ),
)  # fmt: skip


class LabellerConfig(PackagingConfig):
    """A labeller."""

    kind: Literal["labeller"] = "labeller"
    speed: float = Field(default=6600.0, gt=0, le=20_000)
    reel: int = Field(default=8000, ge=0)
    rated_kw: float = Field(default=3.0, gt=0)

    label: ClassVar[Name] = Name("라벨기", "Labeller")
    wearing: ClassVar[str] = "knife"

    def asset(self) -> type[Labeller]:
        """Return the class of a labeller."""
        return Labeller

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LINE_STREAM,)


class Labeller(Packaging):
    """Puts labels on packs."""

    faults: ClassVar[Mapping[str, FaultKind]] = {
        "knife_blunt": WearFault("knife", 40.0, Name("칼날 무뎌짐", "Blunt knife")),
        **Packaging.faults,
        "label_shift": Effect(2.5, label=Name("라벨 밀림", "Shifted labels")),  # mm
    }
    config: LabellerConfig

    def spoilt(self) -> float:
        """Labels that sit too far off."""
        return 0.01 * abs(self.get("fault.label_shift"))

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the machine."""
        wear, reel = view.wear("knife"), view.param("reel")
        turns = view["made"] / np.maximum(reel, 1.0)
        spread = 0.15 * (1.0 + 2.5 * wear) * view.white("label") * (view["speed"] > 0)
        return {
            **line(view, wear),
            "label_offset": 0.2 * view.slow("web", 1800.0)
            + own(view, "web", 10.0)
            + 0.6 * wear * wear
            + spread
            + view.fault("label_shift"),
            "labels": np.where(reel > 0, 100.0 * (1.0 - (turns - np.floor(turns))), 100.0),
        }
