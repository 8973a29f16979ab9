"""Maintenance policies: run to failure, periodic, condition-based, predictive.

The state a policy is given has, by device: ``age_s`` since the last renewal and ``down`` (1: failed or in
maintenance). It may have ``window`` and ``pool`` (see `Gate`), and what replaces the policy's own settings for that
device: ``every_s`` (interval), ``cost_failure`` and ``cost_planned`` (KRW), ``loss`` (KRW a day that its wear costs
in scrap), ``limit`` (KRW a day above which waiting is dearer than renewing).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from analytics.feedback.gate import Gate, GateConfig
from core.clock import NS
from core.command import Command
from core.config import Config, Duration
from core.finding import Finding, Prognosis, WorkOrder

_DAY_S = 86_400.0
State = Mapping[str, Mapping[str, float]]
Orders = Sequence[WorkOrder | Command]


class RunToFailureConfig(Config):
    """Wait until it breaks."""

    kind: Literal["run_to_failure"] = "run_to_failure"

    def build(self) -> RunToFailure:
        """Return the policy."""
        return RunToFailure()


class RunToFailure:
    """Never orders anything: the yardstick of all others."""

    name = "run_to_failure"

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return nothing."""
        return ()


class PeriodicConfig(Config):
    """Maintain at a fixed age."""

    kind: Literal["periodic"] = "periodic"
    every: Duration = 7 * 86_400 * NS
    gate: GateConfig = GateConfig()

    def build(self) -> Periodic:
        """Return the policy."""
        return Periodic(self)


class Periodic:
    """Renews an asset when its age reaches the interval, the oldest first."""

    name = "periodic"

    def __init__(self, config: PeriodicConfig) -> None:
        self._config = config
        self._gate = Gate(config.gate, self.name)

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return the orders that are due."""
        every_s = self._config.every / NS
        old = [d for d, s in state.items() if s.get("age_s", 0.0) >= s.get("every_s", every_s)]
        old = [d for d in old if self._gate.open(now, d, state[d])]
        old.sort(key=lambda d: -state[d]["age_s"])
        out: list[WorkOrder | Command] = []
        free = max(0, self._gate.free(now, state))
        for device in old:
            if not free:
                break
            if not self._gate.parts(now, state[device]):
                continue
            free -= 1
            days = state[device]["age_s"] / _DAY_S
            out += self._gate.order(now, device, f"{days:.1f} days since the last renewal", now)
        return out


class ConditionConfig(Config):
    """Maintain while an alarm is active."""

    kind: Literal["condition"] = "condition"
    severity: Literal["warning", "alarm"] = "alarm"
    gate: GateConfig = GateConfig()

    def build(self) -> Condition:
        """Return the policy."""
        return Condition(self)


class Condition:
    """Renews an asset whose detectors raise an alarm (zone D of ISO 20816-3, a large deviation)."""

    name = "condition"

    def __init__(self, config: ConditionConfig) -> None:
        self._config = config
        self._gate = Gate(config.gate, self.name)

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return orders for the devices with an active alarm."""
        wanted = ("alarm",) if self._config.severity == "alarm" else ("alarm", "warning")
        free = max(0, self._gate.free(now, state))
        out: list[WorkOrder | Command] = []
        for device, finding in findings.items():
            own = state.get(device, {})
            fit = free and finding.severity in wanted and self._gate.open(now, device, own)
            if fit and self._gate.parts(now, own):
                out += self._gate.order(now, device, finding.text, now)
                free -= 1
        return out


def waiting(p_failure: float, horizon_s: float, own: Mapping[str, float]) -> float:
    """Return what a day of waiting is expected to cost, KRW."""
    risk = p_failure * max(own.get("cost_failure", 0.0) - own.get("cost_planned", 0.0), 0.0)
    return risk * _DAY_S / horizon_s + own.get("loss", 0.0)


class PredictiveConfig(Config):
    """Maintain when a failure within the horizon costs more than the maintenance now.

    Attributes
    ----------
    cost_failure, cost_planned
        KRW of a failure (repair, lost production) and of planned maintenance (work, parts, part life given away).
    p_failure
        Chance at which to act; 0: where the expected cost of waiting passes that of acting.
    persist
        Windows in a row that must say so.
    urgent
        Chance from which not to wait for a time when production stands still anyway.
    """

    kind: Literal["predictive"] = "predictive"
    cost_failure: float = Field(default=12_000_000.0, gt=0)
    cost_planned: float = Field(default=3_000_000.0, gt=0)
    p_failure: float = Field(default=0.0, ge=0, le=1)
    persist: int = Field(default=3, ge=1)
    urgent: float = Field(default=1.0, gt=0, le=1)
    gate: GateConfig = GateConfig()

    @property
    def threshold(self) -> float:
        """Chance of failure at which to act: cost_planned / cost_failure unless set."""
        return self.p_failure or min(0.95, self.cost_planned / self.cost_failure)

    def build(self) -> Predictive:
        """Return the policy."""
        return Predictive(self)


class Predictive:
    """Renews the assets that are most likely to fail, the likeliest first."""

    name = "predictive"

    def __init__(self, config: PredictiveConfig) -> None:
        self._config = config
        self._gate = Gate(config.gate, self.name)
        self._held: dict[str, tuple[int, int]] = {}

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return orders for the assets whose expected cost of waiting is too high for long enough."""
        due = [p for p in prognoses.values() if self._persists(p, state) >= self._config.persist]
        urgent = self._config.urgent
        due = [p for p in due if self._gate.open(now, p.device, state.get(p.device, {}), p.p_failure >= urgent)]
        due.sort(key=lambda p: (-p.p_failure, p.device))
        out: list[WorkOrder | Command] = []
        free = max(0, self._gate.free(now, state))
        for prognosis in due:
            own = state.get(prognosis.device, {})
            if free and self._gate.parts(now, own):
                out += self._order(now, prognosis, own)
                self._held.pop(prognosis.device, None)
                free -= 1
        return out

    def _persists(self, prognosis: Prognosis, state: State) -> int:
        """Return for how many prognoses in a row the chance has been too high."""
        held, last = self._held.get(prognosis.device, (0, -1))
        if prognosis.t != last:
            held = held + 1 if self._too_dear(prognosis, state.get(prognosis.device, {})) else 0
            self._held[prognosis.device] = (held, prognosis.t)
        return held

    def _too_dear(self, prognosis: Prognosis, own: Mapping[str, float]) -> bool:
        """Tell whether waiting costs more than renewing.

        With a ``limit`` this is the rule of Makis and Jardine (1992): renew as soon as what waiting costs a day,
        p (C_f - C_p) / horizon and what wear loses, passes the least long-run cost a day. Otherwise p alone counts.
        """
        if "limit" not in own:
            return prognosis.p_failure >= self._threshold(own)
        return waiting(prognosis.p_failure, prognosis.horizon_s, own) >= own["limit"]

    def _threshold(self, own: Mapping[str, float]) -> float:
        """Return the chance at which to act: by the machine's own costs where they are known."""
        if self._config.p_failure or not own.get("cost_failure"):
            return self._config.threshold
        return min(0.95, own.get("cost_planned", self._config.cost_planned) / own["cost_failure"])

    def _order(self, now: int, prognosis: Prognosis, own: Mapping[str, float]) -> list[WorkOrder | Command]:
        failure = own.get("cost_failure", self._config.cost_failure)
        saving = prognosis.p_failure * failure - own.get("cost_planned", self._config.cost_planned)
        because = f"; {prognosis.cause}" if prognosis.cause else ""
        reason = (
            f"{prognosis.p_failure:.0%} chance to fail within {prognosis.horizon_s / 3600:.0f} h, "
            f"about {prognosis.rul_s / 3600:.0f} h left "
            f"({prognosis.lower_s / 3600:.0f} to {prognosis.upper_s / 3600:.0f} h){because}"
        )
        return self._gate.order(now, prognosis.device, reason, now + round(prognosis.lower_s * NS), round(saving))
