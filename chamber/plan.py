"""A test plan: which devices, what happens to them, what is measured, and the limits."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from chamber.kinds import CheckConfig, DeviceConfig, ProfileConfig
from chamber.profiles import Air, Segment
from chamber.sourced import Sourced, Span
from core.clock import NS
from core.config import Config, Label, load, parse
from core.seed import key

Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
DevicePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]


class UnderTest(Sourced):
    """The units under test: ``site/area/device`` of each, their stream, and the channel that is judged."""

    units: Annotated[tuple[DevicePath, ...], Field(min_length=1)]
    stream: Word
    channel: Word


class Instrument(Config):
    """An instrument of the chamber: reference or environment."""

    device: DevicePath
    stream: Word


class TestPlan(Config):
    """How one kind of device is tested; one YAML file under ``configs/chamber``."""

    __test__ = False  # not a pytest class

    id: Word
    name: Label
    version: str
    standard: Label
    grade_pass: Label
    grade_fail: Label
    start: datetime
    seed: int = 1
    period: Annotated[Span, Field(gt=0)] = 60 * NS
    device_under_test: UnderTest
    reference: Instrument
    environment: Instrument
    phases: Annotated[tuple[ProfileConfig, ...], Field(min_length=1)]
    check: CheckConfig
    simulated: dict[str, DeviceConfig] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        paths = [*self.device_under_test.units, self.reference.device, self.environment.device]
        if len(set(paths)) != len(paths):
            raise ValueError("units, reference and environment must be different devices")
        names = [phase.name for phase in self.phases]
        if len(set(names)) != len(names):
            raise ValueError("phases must have different names")
        missing = [name for name in (self.check.steps, self.check.field) if name not in names]
        if missing:
            raise ValueError(f"check names a phase that the plan does not have: {missing[0]}")
        if self.start.tzinfo is None:
            raise ValueError("start needs a time zone (for example +09:00)")
        return self

    @property
    def start_ns(self) -> int:
        """Run time of the start in ns UTC."""
        return round(self.start.timestamp()) * NS

    @property
    def duration(self) -> int:
        """Length of all phases in ns."""
        return sum(phase.duration for phase in self.phases)

    def segments(self, start: int) -> tuple[Segment, ...]:
        """Return the judged spans of a test that begins at run time ``start`` (ns)."""
        found: list[Segment] = []
        for phase in self.phases:
            found += phase.build().segments(start)
            start += phase.duration
        return tuple(found)

    def render(self, start: int, t: NDArray[np.int64]) -> Air:
        """Return the air at ``t: int64[n]`` (ns since the test began at run time ``start``)."""
        n = len(t)
        air = Air(np.empty(n), np.empty(n), np.empty(n))
        begin = 0
        for phase in self.phases:
            rows = (t >= begin) & (t < begin + phase.duration)
            if rows.any():
                part = phase.build().render(key(self.seed, phase.name), start + begin, t[rows] - begin)
                air.pm25[rows], air.temperature[rows], air.humidity[rows] = part.pm25, part.temperature, part.humidity
            begin += phase.duration
        return air

    def to_json(self) -> str:
        """Return the plan as canonical JSON, durations in ns."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, indent=1)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def read_plan(path: Path) -> TestPlan:
    """Return the plan of a YAML file; raises ConfigError."""
    return load(path, TestPlan)


def from_json(text: str, where: str) -> TestPlan:
    """Return the plan of :meth:`TestPlan.to_json`; raises ConfigError."""
    return parse(json.loads(text), TestPlan, where)
