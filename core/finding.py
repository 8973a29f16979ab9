"""What the analysis says: findings, prognoses and the work orders that follow (ISO 13374 SD, PA, AG)."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.command import Severity


@dataclass(frozen=True, slots=True)
class Finding:
    """A detector's statement about a device; ``score`` is high where abnormal.

    ``active`` is False for the statement that ends an earlier one of the same (device, detector).
    """

    id: str
    device: str
    detector: str
    t: int
    score: float
    threshold: float
    severity: Severity
    text: str
    active: bool = True
    evidence: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prognosis:
    """Remaining useful life (s of operation) with its interval, and the chance to fail within a horizon."""

    device: str
    model: str
    t: int
    p_failure: float
    horizon_s: float
    rul_s: float
    lower_s: float
    upper_s: float
    confidence: float = 0.9
    cause: str = ""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """A maintenance command with its reason, parts, crew and time."""

    id: str
    device: str
    action: str
    policy: str
    t: int
    due: int
    reason: str
    parts: tuple[str, ...] = ()
    crew: int = 1
    duration_s: float = 0.0
    saving_krw: float = 0.0
    command: str = ""
