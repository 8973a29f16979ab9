"""Vision inspection of a packaging line: finds the bad packs that the machines before it let through.

Signal detection: a good pack scores N(0, 1), a bad one N(d, 1) with d = separation x contrast; what scores above the
threshold is rejected. The lamp ages and takes contrast, so bad packs pass (false accepts); dust on the lens looks like
defects, so good packs go (false rejects); the threshold drifts either way until it is calibrated. Separation, ageing
and drift are assumptions. Standing alone it sees packs whose defect rate wanders by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Duration
from core.errors import CommandFailed, CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Work
from simulator.channels import Sensor, Stream, measured
from simulator.equipment.packaging import LINE, Packaging, PackagingConfig, Packs, line, own
from simulator.faults import Effect, FaultKind, WearFault
from simulator.grid import Floats
from simulator.state import Column, Ramp, Step
from simulator.states import STATES, State
from simulator.view import View
from simulator.wear.bearing import BearingWear

_FADING = 0.5  # of the light, over a lamp's life
_HAZE = 0.35  # contrast that a dirty lens takes
_SPECKS = 1.2  # score that a dirty lens adds
_ABOVE = NormalDist().cdf

LINE_STREAM = Stream(
    "line",
    (
        *LINE,
        measured(
            "light", "ratio", "%", 0, 120, Sensor(noise=0.3, resolution=0.1),
            ko="조명 밝기", en="Light", group="health",
        ),
        measured(
            "contrast", "ratio", "%", 0, 120,
            Sensor(gain=0.01, noise=0.6, resolution=0.1, dropout=1e-5), ko="영상 대비", en="Image contrast",
            group="health",
        ),
        measured(
            "threshold", "score", "1", -5, 10, Sensor(resolution=0.01), ko="판정 임계값", en="Decision threshold",
        ),
        measured("score", "score", "1", -10, 20, Sensor(resolution=0.01), ko="평균 점수", en="Mean score"),
        measured("defect_rate", "ratio", "%", 0, 100, Sensor(resolution=0.01), ko="불량 검출률", en="Rejected share"),
    ),
)  # fmt: skip


class InspectionConfig(PackagingConfig):
    """An inspection station.

    Attributes
    ----------
    threshold
        Score above which a pack is rejected.
    separation
        Mean score of a bad pack at full contrast.
    dirty_h, drift_h
        Running hours until the lens is dirty, and until the threshold is one unit off.
    defects
        Share of bad packs where no machine stands before it; wanders by itself.
    clean, recalibrate
        How long an operator needs.
    clean_at, recalibrate_at
        Dirt (1: dirty) and drift of the threshold at which the operator acts by himself; 0: never.
    """

    kind: Literal["inspection"] = "inspection"
    speed: float = Field(default=7200.0, gt=0, le=20_000)
    rated_kw: float = Field(default=1.5, gt=0)
    threshold: float = Field(default=2.7, ge=1, le=5)
    separation: float = Field(default=5.0, gt=0, le=10)
    dirty_h: float = Field(default=300.0, gt=0)
    drift_h: float = Field(default=400.0, gt=0)
    defects: float = Field(default=0.004, ge=0, lt=0.2)
    clean: Duration = 120 * NS
    recalibrate: Duration = 300 * NS
    clean_at: float = Field(default=0.4, ge=0, le=2)
    recalibrate_at: float = Field(default=0.6, ge=0, le=5)
    parts: BearingWear = BearingWear(life_h=1200.0, scatter=0.15, growth=0.5)

    label: ClassVar[Name] = Name("비전 검사기", "Vision inspection")
    wearing: ClassVar[str] = "lamp"

    def asset(self) -> type[Inspection]:
        """Return the class of a station."""
        return Inspection

    def streams(self) -> tuple[Stream, ...]:
        """Return its stream."""
        return (LINE_STREAM,)


class Inspection(Packaging):
    """Judges packs."""

    columns: ClassVar[Mapping[str, Column]] = {
        **Packaging.columns,
        "threshold": Step(),  # as set
        "dirt": Ramp(),  # 1 = dirty
        "offset": Ramp(),  # of the threshold, since the last calibration
        "seen": Step(),  # % of the last packs rejected
        "level": Step(),  # share of bad packs before it
    }
    commands = (
        *Packaging.commands,
        CommandSpec("clean", label=Name("렌즈 청소", "Clean the lens")),
        CommandSpec("recalibrate", label=Name("재보정", "Recalibrate")),
        CommandSpec("set_threshold", {"threshold": "1"}, Name("임계값 설정", "Set threshold")),
    )
    faults: ClassVar[Mapping[str, FaultKind]] = {
        "lamp_ageing": WearFault("lamp", 40.0, Name("조명 노화", "Ageing lamp")),
        **Packaging.faults,
        "lens_dirty": Effect(0.8, label=Name("렌즈 오염", "Dirty lens")),  # 1 = dirty
        "camera_shifted": Effect(1.0, label=Name("카메라 틀어짐", "Shifted camera")),  # score
    }
    config: InspectionConfig
    false_rejects = 0  # hidden: nobody on the line knows
    false_accepts = 0

    def begin(self) -> None:
        """Take the threshold."""
        self.put("threshold", self.config.threshold)
        self.put("level", self.config.defects)
        super().begin()

    def on_state(self, old: State, new: State) -> None:
        """Gather dust and drift while running."""
        super().on_state(old, new)
        running = new is State.RUNNING
        self.ramp("dirt", (1.0 / (self.config.dirty_h * 3600.0)) if running else 0.0)
        self.ramp("offset", (self._way() / (self.config.drift_h * 3600.0)) if running else 0.0)

    def _way(self) -> float:
        """Return which way, and how fast, this camera drifts: about one unit."""
        return float(np.clip(self.trait("drift"), -2.0, 2.0))

    def chances(self) -> tuple[float, float]:
        """Return the chances that a good pack is rejected and that a bad one is accepted, now."""
        dirt = min(self.get("dirt") + self.get("fault.lens_dirty"), 1.5)
        light = 1.0 - _FADING * self.components["lamp"].wear
        limit = self.get("threshold") + self.get("offset") + self.get("fault.camera_shifted")
        separation = self.config.separation * light * (1.0 - _HAZE * min(dirt, 1.0))
        return 1.0 - _ABOVE(limit - _SPECKS * dirt), _ABOVE(limit - separation)

    def _work_on(self, lot: Packs) -> Any:
        """Look after the station before it is too far off."""
        config = self.config
        if 0 < config.clean_at <= self.get("dirt"):
            yield from self.pause(State.SETUP, config.clean / NS, "cleaning")
            self.put("dirt", 0.0, self._table.rate(self._row, "dirt"))
        if 0 < config.recalibrate_at <= abs(self.get("offset")):
            yield from self.pause(State.SETUP, config.recalibrate / NS, "recalibration")
            self.put("offset", 0.0, self._table.rate(self._row, "offset"))
        return (yield from super()._work_on(lot))

    def judge(self, lot: Packs, spliced: int) -> tuple[int, int]:
        """Reject what looks bad."""
        draw = self.draws("judge")
        bad = lot.bad if self.inputs else int(draw.binomial(lot.packs, self._wander()))
        reject, accept = self.chances()
        passed = int(draw.binomial(bad, accept))
        wrong = int(draw.binomial(lot.packs - bad, reject))
        self.false_accepts += passed
        self.false_rejects += wrong
        rejects = bad - passed + wrong
        if lot.packs:
            self.put("level", bad / lot.packs)
            self.put("seen", 100.0 * rejects / lot.packs)
        return rejects, passed

    def _wander(self) -> float:
        """Return the next share of bad packs of a station that stands alone."""
        before = np.log(max(self.get("level"), 1e-5) / max(self.config.defects, 1e-5))
        after = 0.9 * before + 0.25 * self.draws("defects").standard_normal()
        return float(min(self.config.defects * np.exp(after), 0.5))

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add what keeps it seeing."""
        return super().handlers() | {
            "clean": lambda command: self._attend("cleaning", self.config.clean, "dirt", "lens_dirty"),
            "recalibrate": lambda command: self._attend(
                "recalibration", self.config.recalibrate, "offset", "camera_shifted"
            ),
            "set_threshold": lambda command: self.set_point(command, "threshold", "threshold", 1.0, 5.0, ""),
            "maintain": self._maintain_alone,
        }

    def _maintain_alone(self, command: Command) -> Work:
        if self._task:
            raise CommandRefused(f"interlock: {self._task} under way")
        return self._maintain(command)

    def _attend(self, task: str, duration: int, column: str, fault: str) -> Work:
        """Refuse, or let an operator work on the stopped station."""
        if self.state in (State.FAILED, State.MAINTENANCE):
            raise CommandRefused(f"interlock: equipment is in {STATES[self.state]}")
        if reason := self.interlock():
            raise CommandRefused(f"interlock: {reason}")
        self._task = task
        return self._attended(task, duration, column, fault)

    def _attended(self, task: str, duration: int, column: str, fault: str) -> Work:
        before = self.state
        self.enter(State.STOPPED, task)
        yield self.env.timeout(duration)
        self._task = ""
        if self.state is not State.STOPPED:
            raise CommandFailed(f"equipment was in {STATES[self.state]} at the end")
        self.put(column, 0.0, 0.0)
        if fault in self._effects:
            self._end_effect(fault)
        self.enter(before)
        return f"{task} done in {duration / NS:.0f} s"

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return true values of the station."""
        wear = view.wear("lamp")
        dirt = np.minimum(view["dirt"] + view.fault("lens_dirty"), 1.5)
        light: Floats = (1.0 - _FADING * wear) * (1.0 + own(view, "lamp"))
        contrast = light * (1.0 - _HAZE * np.minimum(dirt, 1.0))
        bad = view["level"] * view.param("separation") * contrast
        return {
            **line(view, wear),
            "light": 100.0 * light,
            "contrast": 100.0 * contrast,
            "threshold": view["threshold"] + view["offset"] + view.fault("camera_shifted"),
            "score": bad + _SPECKS * dirt + 0.05 * view.white("score") * (view["speed"] > 0),
            "defect_rate": view["seen"],
        }
