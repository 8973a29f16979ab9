"""The verdict on a recording: every requirement, the overall outcome, and what it was based on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from chamber.evidence import Judged, Method, Outcome, Panel
from chamber.recording import Recording, stream_of
from core.clock import NS

KST = timezone(timedelta(hours=9))


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Outcome of a plan on a recording; ``panels`` are for the report and not part of the JSON."""

    recording: Recording
    outcome: Outcome
    results: tuple[Judged, ...]
    panels: tuple[Panel, ...]

    def result(self, measure: str) -> Judged:
        """Return the verdict on one requirement; raises KeyError."""
        for result in self.results:
            if result.requirement == measure:
                return result
        raise KeyError(measure)


def judge(recording: Recording) -> Judgement:
    """Judge a recording by its own plan."""
    check = recording.plan.check.build(method_of(recording))
    results = tuple(check.judge(recording.units, recording.reference))
    panels = tuple(check.panels(recording.units, recording.reference))
    return Judgement(recording, overall(results), results, panels)


def overall(results: Sequence[Judged]) -> Outcome:
    """Return FAIL where anything fails, else NOT-TESTED where anything could not be judged, else PASS."""
    outcomes = {result.outcome for result in results}
    if "FAIL" in outcomes:
        return "FAIL"
    return "PASS" if outcomes == {"PASS"} else "NOT-TESTED"


def method_of(recording: Recording) -> Method:
    """Return what the check must know about the recording."""
    plan = recording.plan
    periods = {}
    for role, device in recording.roles().items():
        entry = recording.catalog.find(stream_of(plan, role, device))
        periods[device] = entry.spec.period_ns if entry else 0
    segments = plan.segments(recording.facts.start)
    return Method(plan.device_under_test.channel, plan.reference.device, segments, periods)


def to_json(judgement: Judgement) -> dict[str, Any]:
    """Return the verdict as JSON-ready values."""
    recording, plan, facts = judgement.recording, judgement.recording.plan, judgement.recording.facts
    rules = {rule.measure: rule for rule in plan.check.requirements}
    requirements = []
    for result in judgement.results:
        rule = rules[result.requirement]  # type: ignore[index]
        requirements.append(
            {
                "requirement": result.requirement,
                "name": {"ko": rule.name.ko, "en": rule.name.en},
                "outcome": result.outcome,
                "measured": result.measured,
                "limit": result.limit,
                "unit": result.unit,
                "basis": {"limit": rule.limit.basis, "method": rule.method.basis},
                "evidence": [{"ko": line.ko, "en": line.en} for line in result.lines],
            }
        )
    return {
        "overall": judgement.outcome,
        "requirements": requirements,
        "plan": {"id": plan.id, "version": plan.version, "sha256": plan.digest},
        "recording": {"sha256": recording.digest},
        "devices": [_identity(recording, role, device) for role, device in recording.roles().items()],
        "times": {
            "rows_from": iso(facts.start),
            "rows_to": iso(facts.start + plan.duration),
            "began": iso(facts.began),
            "ended": iso(facts.ended),
        },
        "run": {"device": facts.device, "speed": facts.speed, "seed": plan.seed, "rejected": facts.rejected},
        "versions": facts.versions,
    }


def save_json(judgement: Judgement, path: Path) -> None:
    """Write the verdict."""
    path.write_text(json.dumps(to_json(judgement), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def iso(t: int) -> str:
    """Return ns UTC as ISO 8601 in Korean time, to the second."""
    return datetime.fromtimestamp(t // NS, UTC).astimezone(KST).isoformat()


def _identity(recording: Recording, role: str, device: str) -> dict[str, Any]:
    spec = recording.catalog.devices.get(device)
    transport = recording.facts.transport.get(device)
    return {
        "role": role,
        "device": device,
        "identity": asdict(spec.identity) if spec else None,
        "transport": asdict(transport) if transport else None,
    }
