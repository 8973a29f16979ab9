"""The fine dust check: from recorded rows to one verdict per requirement, with its evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from chamber.checks import dust
from chamber.evidence import Judged, Method, Panel, not_tested
from chamber.profiles import Segment
from chamber.sourced import Requirement, Setting, Span
from chamber.texts import say
from core.clock import NS
from core.config import Config
from core.quality import BAD, GOOD, MAJOR, UNCERTAIN
from core.spec import Name

Floats = dust.Floats
Measure = Literal["accuracy", "r2", "data_rate", "relative_precision", "repeatability"]


class DustRequirement(Requirement):
    """A requirement on one of the five items."""

    measure: Measure


class DustConfig(Config):
    """How the five items are measured.

    ``steps`` and ``field`` name the phases for repeatability and for the other four. Settings: ``floor``
    (ug/m3) leaves hours out of accuracy and relative precision; ``completeness`` (share) is what an average
    needs of its readings; below ``min_hours`` or ``min_readings`` an item is NOT-TESTED.
    """

    kind: Literal["dust"]
    steps: str
    field: str
    averaging: Span
    floor: Setting
    completeness: Setting
    min_hours: Setting
    min_readings: Setting
    requirements: Annotated[tuple[DustRequirement, ...], Field(min_length=1)]

    def settings(self) -> dict[str, Setting]:
        """Return the numbers of the method by name."""
        return {name: getattr(self, name) for name in ("floor", "completeness", "min_hours", "min_readings")}

    def build(self, method: Method) -> DustCheck:
        """Return the check."""
        return DustCheck(self, method)


@dataclass(frozen=True, slots=True, eq=False)
class _Hours:
    """Averages of the field phase: ``x: float64[j, i]``, ``reference`` and ``mean``: float64[i]."""

    units: tuple[str, ...]
    x: Floats
    reference: Floats
    mean: Floats


class DustCheck:
    """Judges the recording of fine dust instruments."""

    def __init__(self, config: DustConfig, method: Method) -> None:
        self.config = config
        self.method = method

    def judge(self, recording: Mapping[str, pa.Table], reference: pa.Table) -> Sequence[Judged]:
        """Return one verdict per requirement; tables follow :mod:`core.tables`, keys are device paths."""
        hours = self._hours(recording, reference)
        return [
            self._repeatability(rule, recording)
            if rule.measure == "repeatability"
            else self._field(rule, recording, hours)
            for rule in self.config.requirements
        ]

    def panels(self, recording: Mapping[str, pa.Table], reference: pa.Table) -> Sequence[Panel]:
        """Return what a report draws: the hourly series and each step's readings."""
        hours = self._hours(recording, reference)
        start, width = self._field_start(), self.config.averaging
        t = start + width * np.arange(len(hours.reference), dtype=np.int64)
        series = dict(zip(hours.units, hours.x, strict=True))
        return [Panel(say("panel_field"), t, hours.reference, series, "field"), *self._step_panel(recording, reference)]

    def _step_panel(self, recording: Mapping[str, pa.Table], reference: pa.Table) -> Sequence[Panel]:
        steps = [s for s in self.method.segments if s.phase == self.config.steps]
        if not steps:
            return []
        width = (self.method.period(self.method.reference) or 60 * NS) * 5
        start, end = min(s.t0 for s in steps), max(s.t1 for s in steps)
        n = max(1, (end - start) // width)

        def line(table: pa.Table) -> Floats:
            return dust.means(*self._readings(table), start, width, n, 1).value

        t = start + width * np.arange(n, dtype=np.int64)
        units = {unit: line(table) for unit, table in recording.items()}
        return [Panel(say("panel_steps"), t, line(reference), units, "steps")]

    # field phase

    def _field_start(self) -> int:
        return min((s.t0 for s in self.method.segments if s.phase == self.config.field), default=0)

    def _hours(self, recording: Mapping[str, pa.Table], reference: pa.Table) -> _Hours:
        start, width = self._field_start(), self.config.averaging
        end = max((s.t1 for s in self.method.segments if s.phase == self.config.field), default=start)
        n = (end - start) // width

        def line(device: str, table: pa.Table) -> Floats:
            period = self.method.period(device)
            needed = self.config.completeness.value * width / period if period else 1.0
            return dust.means(*self._readings(table), start, width, n, needed).value

        x = np.array([line(unit, table) for unit, table in recording.items()]).reshape(len(recording), n)
        return _Hours(tuple(recording), x, line(self.method.reference, reference), dust.mean_of_units(x))

    def _field(self, rule: DustRequirement, recording: Mapping[str, pa.Table], hours: _Hours) -> Judged:
        n_ref, both = int(np.isfinite(hours.reference).sum()), np.isfinite(hours.reference) & np.isfinite(hours.mean)
        use = dust.judged_hours(hours.reference, hours.mean, self.config.floor.value)
        enough, have = self.config.min_hours.value, int(both.sum())
        lines: list[Name] = []
        value: float | None
        match rule.measure:
            case "accuracy":
                value, have = dust.accuracy(hours.reference, hours.mean, self.config.floor.value), int(use.sum())
                lines = self._accuracy_lines(hours, both, use)
            case "r2":
                value = dust.r_squared(hours.reference, hours.mean)
                lines = [say("r2_hours", hours=have)]
            case "relative_precision":
                return self._precision(rule, hours, use)
            case _:
                value, have = dust.data_rate(hours.x, hours.reference), n_ref
                lines = self._rate_lines(recording, hours)
        if have < enough:
            return not_tested(rule, [say("few_hours", have=have, need=f"{enough:g}"), *lines])
        if value is None:
            return not_tested(rule, [say("undefined"), *lines])
        return Judged.of(rule, value, lines)

    def _precision(self, rule: DustRequirement, hours: _Hours, use: NDArray[np.bool_]) -> Judged:
        deviation = dust.relative_deviation(hours.x)
        have = int((np.isfinite(deviation) & use).sum())
        reporting = int(np.isfinite(hours.x).any(axis=1).sum())
        if reporting < 2:
            return not_tested(rule, [say("few_units", have=reporting)])
        lines = [say("precision_hours", units=reporting, hours=have, floor=f"{self.config.floor.value:g}")]
        value = dust.relative_precision(hours.x, use)
        if value is None or have < self.config.min_hours.value:
            return not_tested(rule, [say("few_hours", have=have, need=f"{self.config.min_hours.value:g}"), *lines])
        return Judged.of(rule, value, [*lines, say("precision_worst", worst=f"{np.nanmax(deviation[use]):.1f}")])

    def _accuracy_lines(self, hours: _Hours, both: NDArray[np.bool_], use: NDArray[np.bool_]) -> list[Name]:
        bare = dust.accuracy(hours.reference, hours.mean)
        lines = [
            say("accuracy_hours", hours=int(use.sum()), total=len(both)),
            say(
                "accuracy_floor",
                floor=f"{self.config.floor.value:g}",
                left=int(both.sum() - use.sum()),
                bare="-" if bare is None else f"{bare:.2f}",
            ),
        ]
        if use.any():
            bias = 100.0 * (hours.mean[use].mean() / hours.reference[use].mean() - 1.0)
            lines.append(say("accuracy_bias", bias=f"{bias:+.1f}"))
        part = int((both & ~np.isfinite(hours.x).all(axis=0)).sum())
        return [*lines, say("part_units", hours=part)] if part else lines

    def _rate_lines(self, recording: Mapping[str, pa.Table], hours: _Hours) -> list[Name]:
        lines = [say("rate_reference", hours=int(np.isfinite(hours.reference).sum()), total=len(hours.reference))]
        rates = dust.data_rates(hours.x, hours.reference)
        for unit, x, rate in zip(hours.units, hours.x, rates, strict=False):
            bad, uncertain = self._qualities(recording[unit])
            valid = int((np.isfinite(x) & np.isfinite(hours.reference)).sum())
            lines.append(say("rate_unit", unit=unit, valid=valid, rate=f"{rate:.2f}", bad=bad, uncertain=uncertain))
        return lines

    # chamber phase

    def _repeatability(self, rule: DustRequirement, recording: Mapping[str, pa.Table]) -> Judged:
        steps = [s for s in self.method.segments if s.phase == self.config.steps]
        if not steps:
            return not_tested(rule, [say("no_steps")])
        worst: tuple[float, str, Segment, int] | None = None
        short: list[Name] = []
        for unit, table in recording.items():
            t, x = self._readings(table)
            for step in steps:
                readings = x[(t >= step.t0) & (t < step.t1) & np.isfinite(x)]
                value = dust.repeatability(readings)
                if readings.size < self.config.min_readings.value or value is None:
                    need = f"{self.config.min_readings.value:g}"
                    short.append(say("few_readings", unit=unit, level=step.name, have=readings.size, need=need))
                elif worst is None or value < worst[0]:
                    worst = (value, unit, step, readings.size)
        if short or worst is None:
            return not_tested(rule, short or [say("undefined")])
        value, unit, step, count = worst
        return Judged.of(
            rule,
            value,
            [
                say("repeat_worst", unit=unit, level=step.name, count=count),
                say("repeat_scope", units=len(recording), steps=len(steps)),
            ],
        )

    # rows

    def _readings(self, table: pa.Table) -> tuple[NDArray[np.int64], Floats]:
        """Return times and values; what is not GOOD becomes NaN."""
        channel = self.method.channel
        x = table.column(channel).to_numpy().astype(np.float64)
        q = table.column(f"{channel}__q").to_numpy()
        return table.column("t").to_numpy(), np.where((q & MAJOR) == GOOD, x, np.nan)

    def _qualities(self, table: pa.Table) -> tuple[int, int]:
        """Return how many values of the channel are BAD or missing, and UNCERTAIN."""
        q = table.column(f"{self.method.channel}__q").to_numpy() & MAJOR
        x = table.column(self.method.channel).to_numpy()
        bad = (q == BAD) | ~np.isfinite(x)
        return int(bad.sum()), int(((q == UNCERTAIN) & ~bad).sum())
