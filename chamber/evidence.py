"""What a check says: verdicts with evidence in two languages, and the panels that a report draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chamber.profiles import Segment
from chamber.sourced import Requirement
from core.ports import Verdict
from core.spec import Name

Outcome = Literal["PASS", "FAIL", "NOT-TESTED"]


@dataclass(frozen=True, slots=True)
class Method:
    """What a check must know beside the rows: the judged channel, who is the reference, when was what.

    ``periods`` are the sampling periods of devices in ns by path (0: on change).
    """

    channel: str
    reference: str
    segments: tuple[Segment, ...]
    periods: Mapping[str, int]

    def period(self, device: str) -> int:
        """Return the sampling period of a device in ns."""
        return self.periods.get(device, 0)


@dataclass(frozen=True, slots=True)
class Judged(Verdict):
    """A verdict with its evidence line by line, in Korean and English."""

    lines: tuple[Name, ...] = ()

    @classmethod
    def of(cls, rule: Requirement, measured: float | None, lines: Sequence[Name]) -> Judged:
        """Return the verdict on a measured value; None is NOT-TESTED."""
        outcome: Outcome = "NOT-TESTED"
        if measured is not None:
            outcome = "PASS" if rule.limit.holds(measured) else "FAIL"
        limit = f"{rule.limit.compare} {rule.limit.value:g}"
        evidence = "\n".join(line.en for line in lines)
        return cls(rule.measure, outcome, measured, limit, rule.unit, evidence, tuple(lines))


def not_tested(rule: Requirement, lines: Sequence[Name]) -> Judged:
    """Return the verdict where there is not enough to judge by."""
    return Judged.of(rule, None, lines)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Lines over time: ``t: int64[n]`` ns, ``reference`` and each unit float64[n] (NaN: gap)."""

    title: Name
    t: NDArray[np.int64]
    reference: NDArray[np.float64]
    units: Mapping[str, NDArray[np.float64]]
    kind: Literal["field", "steps"]
