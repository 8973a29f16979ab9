"""Case packer and palletiser, the last of a packaging line: sucks packs into glued cases, gives pallets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import Field

from core.command import Command
from core.spec import CommandSpec, Name
from simulator.asset import Steps, Work
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.packaging import LINE, Packaging, PackagingConfig, Packs, heated, line, own
from simulator.faults import Effect, FaultKind, WearFault
from simulator.state import Column, Step
from simulator.view import View

LINE_STREAM = Stream(
    "line",
    (
        *LINE,
        measured(
            "vacuum", "pressure", "kPa", 0, 101,
            Sensor(lag="500ms", bias=0.3, noise=0.3, resolution=0.1, dropout=1e-5),
            ko="진공압", en="Vacuum below ambient", group="health",
        ),
        measured(
            "glue_temp", "temperature", "Cel", 0, 250,
            Sensor(lag="10s", bias=0.4, noise=0.2, drift=0.2, resolution=0.1), ko="접착제 온도", en="Glue temperature",
        ),
    ),
)  # fmt: skip


class CasePackerConfig(PackagingConfig):
    """A case packer. What it takes becomes pallets of about ``pallet`` packs."""

    kind: Literal["case_packer"] = "case_packer"
    speed: float = Field(default=7000.0, gt=0, le=20_000)
    jam: float = Field(default=9000.0, ge=0)
    reject: float = Field(default=0.001, ge=0, lt=0.5)
    rated_kw: float = Field(default=7.0, gt=0)
    glue_set: float = Field(default=170.0, gt=0, le=230)

    label: ClassVar[Name] = Name("케이스 포장기", "Case packer")
    wearing: ClassVar[str] = "cups"

    def asset(self) -> type[CasePacker]:
        """Return the class of a case packer."""
        return CasePacker

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LINE_STREAM,)


class CasePacker(Packaging):
    """Packs cases onto pallets. Glue that is too cold does not hold."""

    makes: ClassVar[str] = "pallet"
    columns: ClassVar[Mapping[str, Column]] = {**Packaging.columns, "glue_set": Step()}
    commands = (
        *Packaging.commands,
        CommandSpec("set_glue", {"temperature": "Cel"}, Name("접착제 온도 설정", "Set glue temperature")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "cups_torn": WearFault("cups", 40.0, Name("흡착컵 손상", "Torn suction cups")),
        **Packaging.faults,
        "vacuum_leak": Effect(20.0, label=Name("진공 누설", "Vacuum leak")),  # kPa
    }
    config: CasePackerConfig
    _on_pallet = Packs(0)  # that is being stacked

    def begin(self) -> None:
        """Take the recipe."""
        self.put("glue_set", self.config.glue_set)
        super().begin()

    def spoilt(self) -> float:
        """Packs that fall from the gripper, cases that come open."""
        cold = max(self.config.glue_set - self.get("glue_set") - 5.0, 0.0)
        return 0.002 * self.get("fault.vacuum_leak") + 0.001 * cold

    def heating(self) -> float:
        """A third of the power heats the glue."""
        return 0.67 + 0.33 * (self.get("glue_set") - 20.0) / (self.config.glue_set - 20.0 or 1.0)

    def portions(self, packs: int) -> list[int]:
        """Return the packs of every pallet, as even as can be."""
        n = max(1, round(packs / self.config.pallet))
        return [packs // n + (i < packs % n) for i in range(n)]

    def hand_on(self, made: Packs) -> Steps:
        """Stack packs; a pallet goes when it is full, or as near to it as what comes allows."""
        held = self._on_pallet
        self._on_pallet = Packs(held.packs + made.packs, held.bad + made.bad, made.product, True)
        if self._on_pallet.packs + made.packs // 2 >= self.config.pallet - self.config.pallet // 20:
            full, self._on_pallet = self._on_pallet, Packs(0)
            yield from super().hand_on(full)

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the glue."""
        return super().handlers() | {"set_glue": self._set_glue}

    def _set_glue(self, command: Command) -> str:
        low, high = self.config.glue_set - 30.0, self.config.glue_set + 15.0
        return self.set_point(command, "temperature", "glue_set", low, high, "Cel")

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the machine."""
        wear, running = view.wear("cups"), view["speed"] > 0
        held = 62.0 - 14.0 * wear * wear - view.fault("vacuum_leak") + (0.5 + 2.0 * wear) * view.white("grip")
        return {
            **line(view, wear),
            "vacuum": running * held * (1.0 + own(view, "pump")),
            "glue_temp": heated(view, view["glue_set"] + own(view, "glue", 60.0)) + 0.6 * view.slow("glue", 120.0),
        }
