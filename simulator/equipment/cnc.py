"""Milling machine whose tool wears and whose failures obey the rules of AI4I 2020 (see ``process/milling.py``).

It cuts lots of parts of one grade. Before a lot the operator replaces a tool at its service limit; a tool that is
worn out or overstrained within a lot breaks. Poor heat dissipation and spindle power outside its limits trip the
machine until it is reset. Derating slows the spindle: the cycle gets longer, the tool lasts longer (Taylor); the
controller scales its limits with it, so derating itself trips nothing. A speed set-point is the operator's: the rules
judge the speed and power that it leads to.
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
from simulator.body import Steps
from simulator.channels import Sensor, Stream, counted, enumerated, measured
from simulator.faults import Effect, FaultKind, WearFault
from simulator.process import milling
from simulator.process.making import Maker, MakerConfig
from simulator.process.milling import GRADES, MEAN_PART, Grade
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import COMMON, DERATE, STATES, State
from simulator.view import View
from simulator.wear.component import Component, WearModel
from simulator.wear.tool import ToolWear

GRADE_STATES = {0: "none"} | {grade.code: name for name, grade in GRADES.items()}

SPINDLE = Stream(
    "spindle",
    (
        enumerated("state", STATES, ko="상태", en="State"),
        enumerated("grade", GRADE_STATES, ko="등급", en="Grade of the part"),
        measured(
            "air_temp", "temperature", "Cel", -20, 60,
            Sensor(lag="30s", bias=0.1, noise=0.03, resolution=0.1), ko="실내 온도", en="Air temperature",
        ),
        measured(
            "process_temp", "temperature", "Cel", -20, 120,
            Sensor(lag="10s", bias=0.1, noise=0.05, resolution=0.1, dropout=1e-5),
            ko="공정 온도", en="Process temperature",
        ),
        measured(
            "spindle_speed", "rotational-speed", "/min", 0, 4000,
            Sensor(noise=2, resolution=1), ko="주축 회전수", en="Spindle speed",
        ),
        measured(
            "torque", "torque", "N.m", 0, 120,
            Sensor(lag="500ms", gain=0.005, noise=0.3, resolution=0.1), ko="토크", en="Torque",
        ),
        measured(
            "power", "power", "kW", 0, 20,
            Sensor(lag="500ms", gain=0.005, noise=0.03, resolution=0.01), ko="주축 동력", en="Spindle power",
        ),
        counted("parts", "count", ko="양품 수", en="Good parts"),
        counted("scrap", "count", ko="불량 수", en="Scrapped parts"),
        counted("energy", "energy", "kW.h", ko="전력량", en="Energy"),
        measured(
            "tool_wear", "duration", "min", 0, 600,
            Sensor(resolution=1), ko="공구 마모", en="Tool wear", group="health",
        ),
        measured(
            "vibration", "vibration-velocity", "mm/s", 0, 50,
            Sensor(gain=0.02, noise=0.06, resolution=0.01, dropout=1e-4),
            ko="진동 속도", en="Vibration velocity", group="health",
        ),
    ),
)  # fmt: skip


class CncConfig(MakerConfig):
    """A milling machine.

    Attributes
    ----------
    cycle
        Time a part takes at full speed.
    lot
        Parts of one grade in a row.
    setup, tool_change, reset
        Time between lots, to put in a new tool, and to reset a trip.
    change_at_min
        Tool wear at which the operator replaces the tool before a lot; 0: never.
    """

    kind: Literal["cnc"] = "cnc"
    cycle: Duration = 900 * NS
    lot: int = Field(default=8, ge=1)
    setup: Duration = 360 * NS
    tool_change: Duration = 900 * NS
    reset: Duration = 600 * NS
    change_at_min: float = Field(default=200.0, ge=0)
    base_kw: float = Field(default=0.8, ge=0)
    tool: ToolWear = ToolWear()

    label: ClassVar[Name] = Name("가공기", "Milling machine")

    def asset(self) -> type[Cnc]:
        """Return the class of a milling machine."""
        return Cnc

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (SPINDLE,)

    def wears(self) -> dict[str, WearModel]:
        """Return its tool."""
        return {"tool": self.tool}


class Cnc(Maker):
    """Cuts lots of parts."""

    columns: ClassVar[Mapping[str, Column]] = {
        **Maker.columns,
        "grade": Step(),
        "rpm": Step(),
        "torque": Step(),
        "excess": Relax(0.0, 240.0),  # K, process above air
        "energy": Ramp(),  # kWh
        "parts": Step(),
        "scrap": Step(),
    }
    commands = (*COMMON, DERATE, CommandSpec("set_speed", {"factor": "1"}, Name("속도 설정", "Set speed")))
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "tool_chipping": WearFault("tool", 20.0, Name("공구 치핑", "Tool chipping")),
        "coolant_loss": Effect(1.5, label=Name("절삭유 부족", "Loss of coolant")),  # K less between process and air
        "chatter": Effect(3.0, label=Name("채터 진동", "Chatter")),  # mm/s
    }
    config: CncConfig
    _part = MEAN_PART
    _grade: Grade = GRADES["low"]
    _set_to = 1.0  # speed set-point

    def pace(self) -> float:
        """Return parts a second."""
        return self.get("derate") * self._set_to * NS / self.config.cycle

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add the speed."""
        return super().handlers() | {"set_speed": self._set_speed}

    def _set_speed(self, command: Command) -> str:
        self._set_to = self.number(command, "factor", 0.5, 1.3)
        self.on_state(self.state, self.state)
        self.adapt_wear()
        return f"speed set to {self._set_to:.0%}, for the rules from the next part on"

    def run(self) -> Steps:
        """Set up, cut a lot, and so on."""
        while True:
            yield from self.on_duty()
            yield from self._set_up()
            good, scrap = self.get("parts"), self.get("scrap")
            for _ in range(self.config.lot):
                yield from self._cut()
            made, bad = self.get("parts") - good, self.get("scrap") - scrap
            self.tell_lot(GRADE_STATES[self._grade.code], round(made), round(bad), 3600.0 * NS / self.config.cycle)

    def _set_up(self) -> Steps:
        draw = self.draws("grade").random()
        shares = np.cumsum([grade.share for grade in GRADES.values()])
        self._grade = list(GRADES.values())[int(np.searchsorted(shares[:-1], draw, side="right"))]
        change = 0 < self.config.change_at_min <= self.components["tool"].age_s / 60.0
        time = self.config.setup + (self.config.tool_change if change else 0)
        yield from self.set_up(time / NS, "setup", GRADE_STATES[self._grade.code])
        if change:
            self._replace_tool()
        self.put("grade", float(self._grade.code))

    def _replace_tool(self) -> None:
        """Put in a new tool, unless somebody did meanwhile."""
        tool = self.components["tool"]
        if tool.age_s / 60.0 >= self.config.change_at_min:
            self.host.truth.life(self.spec.path, tool, self.now, "maintenance")
            self._renew([tool])
            self.adapt_wear()
            self.tell("tool-changed", "tool replaced at its service limit")

    def _cut(self) -> Steps:
        draw = self.draws("part")
        drawn = milling.draw_part(draw, self._part)
        self._part = milling.Part(drawn.torque, drawn.rpm, drawn.excess)
        where, chance = draw.random(), draw.random()
        self.on_state(State.SETUP, self.state)  # take the new part's speed and torque
        tool = self.components["tool"]
        number = tool.life.number
        felt = milling.Part(drawn.torque, drawn.rpm * self._set_to, drawn.excess - self.get("fault.coolant_loss"))
        mode = milling.failure_mode(felt, tool.age_s / 60.0, self._grade)
        if mode is None and chance < milling.RANDOM_CHANCE:
            mode = milling.RANDOM
        if mode is None:
            yield from self.make(1.0)
        else:
            yield from self.make(where)
            yield from self._fault(mode)
            yield from self.make(1.0 - where)
        count = "parts" if tool.life.number == number else "scrap"
        self.put(count, self.get(count) + 1.0)

    def _fault(self, mode: str) -> Steps:
        """Break the tool, or trip until reset."""
        if mode == milling.OVERSTRAIN:
            self.components["tool"].fail(mode)
            return
        began = self.now
        self.enter(State.FAILED)
        self.tell("failure", f"spindle tripped: {mode}", "alarm")
        yield self.seconds(self.config.reset / NS)
        self.host.truth.fault(self.spec.path, mode, "spindle", began, self.now, "rule")
        self.enter(State.RUNNING)
        self.tell("repaired", f"reset after {mode}")

    def _fail(self, component: Component) -> None:
        if component.mode == "wear":
            component.mode = milling.TOOL_WEAR
        super()._fail(component)

    def _renew(self, components: list[Component]) -> None:
        """Put in new tools; only planned maintenance mends anything else."""
        if self.state is State.MAINTENANCE:
            super()._renew(components)
            return
        for component in components:
            component.install()
            self.host.truth.ended(self.spec.path, component.name, self.now)

    def repair_s(self, component: Component) -> float:
        """A broken tool is changed, not repaired."""
        return self.config.tool_change / NS

    def on_state(self, old: State, new: State) -> None:
        """Turn while cutting, at rest otherwise."""
        super().on_state(old, new)
        cutting, part, derate = new is State.RUNNING, self._part, self.get("derate") * self._set_to
        self.put("rpm", part.rpm * derate if cutting else 0.0)
        self.put("torque", part.torque if cutting else 0.0)
        kw = self.config.base_kw + (part.power_w * derate / 1000.0 if cutting else 0.0)
        self.ramp("energy", kw / 3600.0)
        self.relax("excess", part.excess - self.get("fault.coolant_loss") if cutting else 0.0)

    def on_effect(self, fault: str, size: float) -> None:
        """Let the temperatures follow."""
        self.on_state(self.state, self.state)

    def stress(self, component: str) -> float:
        """Return min of tool wear a min: by the grade, and by Taylor's law with the speed."""
        nominal = self._grade.wear_min * 60.0 * NS / self.config.cycle
        return float(nominal * (self.get("derate") * self._set_to) ** (1.0 / self.config.tool.taylor))

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values at the spindle."""
        rpm, wear = view["rpm"], view.wear("tool")
        torque = view["torque"] * (1.0 + 0.015 * view.white("cut"))
        air = view.env("temperature") * 0.25 + 20.0 + 0.4 * view.slow("air", 3600.0)
        turning = rpm > 0
        shaking = (
            0.7 + 0.1 * view.trait("bed") + 0.012 * torque + 0.8 * wear + 2.2 * wear * wear + view.fault("chatter")
        )
        return {
            "state": view["state"],
            "grade": view["grade"],
            "air_temp": air,
            "process_temp": air + view["excess"],
            "spindle_speed": rpm,
            "torque": torque,
            "power": torque * rpm * (2.0 * np.pi / 60_000.0),
            "parts": view["parts"],
            "scrap": view["scrap"],
            "energy": view["energy"],
            "tool_wear": view["tool.age"] / 60.0,
            "vibration": turning * shaking * (1.0 + 0.06 * view.slow("vibration", 120.0)) + 0.02,
        }
