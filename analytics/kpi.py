"""Key figures of production after ISO 22400-2, from states in time and counts.

Formulas as an open ontology of the standard gives them (the standard itself was not at hand): availability APT/PBT,
effectiveness PRI * PQ / APT, quality ratio GQ/PQ, OEE their product, utilisation APT/AUBT, scrap ratio SQ/PQ.
The mapping from equipment states to the standard's time elements stands here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.spec import Name

Element = Literal["production", "setup", "delay", "unplanned", "planned", "off"]

#: common state of equipment -> time element. Minor stops and set-ups are set-up time; waiting for others is delay.
ELEMENT: Mapping[str, Element] = {
    "running": "production",
    "setup": "setup",
    "blocked": "delay",
    "starved": "delay",
    "idle": "delay",
    "failed": "unplanned",
    "maintenance": "planned",
    "stopped": "off",
}


@dataclass(frozen=True, slots=True)
class Tally:
    """Time elements (s) within planned busy time, failures and counts of one or more work units.

    Attributes
    ----------
    busy
        PBT, planned busy time.
    production, setup, delay, unplanned, planned, off
        APT, AUST, ADET, unplanned and planned down time, and time at rest within PBT.
    failures, repair
        FE, and the whole time (s) from failure to repair, PBT or not.
    made, good, scrap
        PQ, GQ, SQ.
    ideal
        Time (s) that ``made`` takes at the planned pace: PRI * PQ.
    """

    busy: float = 0.0
    production: float = 0.0
    setup: float = 0.0
    delay: float = 0.0
    unplanned: float = 0.0
    planned: float = 0.0
    off: float = 0.0
    failures: int = 0
    repair: float = 0.0
    made: float = 0.0
    good: float = 0.0
    scrap: float = 0.0
    ideal: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def availability(self) -> float:
        """APT / PBT."""
        return _ratio(self.production, self.busy)

    @property
    def technical_availability(self) -> float:
        """Share of planned busy time in which the unit was neither failed nor in maintenance."""
        return 1.0 - _ratio(self.unplanned + self.planned, self.busy)

    @property
    def effectiveness(self) -> float:
        """PRI * PQ / APT."""
        return _ratio(self.ideal, self.production)

    @property
    def quality(self) -> float:
        """GQ / PQ."""
        return _ratio(self.good, self.made)

    @property
    def scrap_ratio(self) -> float:
        """SQ / PQ."""
        return _ratio(self.scrap, self.made)

    @property
    def oee(self) -> float:
        """Availability * effectiveness * quality ratio."""
        return self.availability * self.effectiveness * self.quality

    @property
    def utilisation(self) -> float:
        """APT / AUBT: production within the time in which the unit was occupied."""
        return _ratio(self.production, self.production + self.setup + self.delay)

    @property
    def throughput(self) -> float:
        """PQ an hour of the time in which the unit was occupied (AOET)."""
        return _ratio(self.made * 3600.0, self.production + self.setup + self.delay)

    @property
    def mttf(self) -> float:
        """Operating time (s) a failure; the whole operating time where there was none."""
        return (self.production + self.setup) / max(self.failures, 1)

    @property
    def mttr(self) -> float:
        """Time (s) from failure to repair, NaN without a failure."""
        return _ratio(self.repair, float(self.failures))

    @property
    def mtbf(self) -> float:
        """MTTF + MTTR (s)."""
        return self.mttf + (self.mttr if self.failures else 0.0)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def tally(
    states: NDArray[np.int64],
    begin: NDArray[np.int64],
    end: int,
    names: Mapping[int, str],
    busy: NDArray[np.float64],
    whole: float,
    **counts: float,
) -> Tally:
    """Return the tally of one unit.

    Parameters
    ----------
    states, begin : int64[n]
        State codes and when each began (ns), in order of time; the last one lasts to ``end``.
    names
        Name of each code.
    busy : float64[n]
        How much (s) of each state's span lies in planned busy time.
    whole
        Planned busy time (s) in all.
    counts
        ``made``, ``good``, ``scrap``, ``ideal``.
    """
    spent: dict[str, float] = {}
    for code in np.unique(states).tolist():
        element = ELEMENT[names[code]]
        spent[element] = spent.get(element, 0.0) + float(busy[states == code].sum())
    failed = np.array([ELEMENT[names[code]] == "unplanned" for code in states.tolist()], dtype=bool)
    lasted = np.diff(np.append(begin, end)) / 1e9
    return Tally(
        busy=whole,
        failures=int(failed.sum()),
        repair=float(lasted[failed].sum()),
        **spent,
        **counts,
    )


def total(parts: Iterable[Tally]) -> Tally:
    """Return the sum of tallies."""
    out = Tally()
    for part in parts:
        out = out + part
    return out


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure as people see it. ``better`` is +1 where more is better, -1 where less is, 0 where neither."""

    key: str
    name: Name
    unit: str
    better: int


KPIS: tuple[Kpi, ...] = (
    Kpi("availability", Name("가동률", "Availability"), "%", 1),
    Kpi("oee", Name("설비 종합 효율", "OEE"), "%", 1),
    Kpi("mtbf_h", Name("평균 고장 간격", "MTBF"), "h", 1),
    Kpi("mttr_h", Name("평균 수리 시간", "MTTR"), "h", -1),
    Kpi("failures", Name("고장 수", "Failures"), "1", -1),
    Kpi("wear_failures", Name("마모 고장 수", "Failures by wear"), "1", -1),
    Kpi("maintenances", Name("계획 정비 수", "Planned maintenances"), "1", 0),
    Kpi("unplanned_h", Name("비계획 정지", "Unplanned downtime"), "h", -1),
    Kpi("unplanned_wear_h", Name("마모에 의한 비계획 정지", "Unplanned downtime by wear"), "h", -1),
    Kpi("planned_h", Name("계획 정지", "Planned downtime"), "h", -1),
    Kpi("scrap", Name("불량 수", "Scrap"), "1", -1),
    Kpi("good", Name("양품 수", "Good output"), "1", 1),
    Kpi("late", Name("지연 납품", "Late deliveries"), "1", -1),
    Kpi("energy_kwh", Name("전력 사용량", "Energy"), "kW.h", -1),
    Kpi("cost_maintenance", Name("정비 비용", "Maintenance cost"), "KRW", -1),
    Kpi("cost_downtime", Name("정지 비용", "Downtime cost"), "KRW", -1),
    Kpi("cost_scrap", Name("불량 비용", "Scrap cost"), "KRW", -1),
    Kpi("cost_late", Name("지연 비용", "Cost of late deliveries"), "KRW", -1),
    Kpi("cost_energy", Name("전력 비용", "Energy cost"), "KRW", -1),
    Kpi("cost_total", Name("총비용", "Total cost"), "KRW", -1),
)
