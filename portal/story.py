"""The story of a run: notes joined into cases, from the first finding to what the equipment did about it.

A *condition* case belongs to a device whose state is in question: finding, prognosis, work order, command,
result. A *reaction* case is a command without such a question (an edge rule that extends a green), counted.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal

from core.command import FINAL, Command, CommandResult, Event
from core.finding import Finding, Prognosis, WorkOrder
from core.ports import Note
from portal.render import note_fields

KEEP_CASES = 60
KEEP_COMMANDS = 2_000
LIKELY = 0.5  # chance of failure from which a prognosis alone opens a case
Phase = Literal["watch", "planned", "acting", "solved", "failed", "cleared", "broken"]
_MENDED = ("repaired", "maintained")
_ORDER = ("finding", "prognosis", "order", "command", "result", "event")


@dataclass(slots=True)
class Case:
    """One thread of the story; ``steps`` keeps the latest note of each kind as JSON-ready fields."""

    id: int
    device: str
    kind: Literal["condition", "reaction"]
    opened: int
    updated: int
    phase: Phase = "watch"
    count: int = 1
    order_command: str = ""
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def view(self) -> dict[str, Any]:
        """Return JSON-ready values, steps in the order of the loop; times are ms since the epoch."""
        steps = [{"step": name, **self.steps[name]} for name in _ORDER if name in self.steps]
        return {
            "id": self.id,
            "device": self.device,
            "kind": self.kind,
            "opened": self.opened // 1_000_000,
            "updated": self.updated // 1_000_000,
            "phase": self.phase,
            "count": self.count,
            "steps": steps,
        }


class Story:
    """Cases, newest last, bounded; :meth:`tell` takes one note in constant time."""

    def __init__(self) -> None:
        self.cases: OrderedDict[int, Case] = OrderedDict()
        self._open: dict[str, Case] = {}
        self._reactions: dict[tuple[str, str, str], Case] = {}
        self._by_command: OrderedDict[str, Case] = OrderedDict()
        self._next = 1

    def tell(self, note: Note) -> bool:
        """Take one note in; tell whether a case changed."""
        match note:
            case Finding():
                return self._finding(note)
            case Prognosis():
                return self._prognosis(note)
            case WorkOrder():
                case_ = self._condition(note.device, note.t)
                case_.order_command, case_.phase = note.command, "planned"
                self._step(case_, "order", note, note.t)
            case Command():
                self._command(note)
            case CommandResult():
                return self._result(note)
            case Event():
                return self._event(note)
        return True

    def views(self, limit: int = KEEP_CASES) -> list[dict[str, Any]]:
        """Return the cases that moved last, the latest first."""
        ranked = sorted(self.cases.values(), key=lambda c: c.updated, reverse=True)
        return [case_.view() for case_ in ranked[:limit]]

    def _finding(self, note: Finding) -> bool:
        if not note.active:
            known = self._open.get(note.device)
            if known is None:
                return False
            if known.phase == "watch":
                self._close(known, "cleared", note.t)
            return True
        known = self._open.get(note.device)
        fresh = known is None
        case_ = known or self._condition(note.device, note.t)
        if not fresh and "finding" in case_.steps:
            case_.count += 1
            held = case_.steps["finding"]
            if held["score"] >= note.score:
                case_.updated = note.t
                return True
            note_first = held["t"]
            self._step(case_, "finding", note, note.t)
            case_.steps["finding"]["t"] = note_first  # the story tells when it was first seen
            return True
        self._step(case_, "finding", note, note.t)
        return True

    def _prognosis(self, note: Prognosis) -> bool:
        case_ = self._open.get(note.device)
        if case_ is None:
            if note.p_failure < LIKELY:
                return False
            case_ = self._condition(note.device, note.t)
        if case_.phase in ("planned", "acting"):
            return False  # what led to the order stays in the story
        self._step(case_, "prognosis", note, note.t)
        return True

    def _command(self, note: Command) -> None:
        case_ = self._open.get(note.device)
        if case_ is None or note.issuer.startswith("rule:"):
            key = (note.device, note.issuer, note.name)
            held = self._reactions.get(key)
            if held is not None and held.id in self.cases:
                case_ = held
                case_.count += 1
                case_.steps.pop("result", None)
            else:
                case_ = self._reactions[key] = self._new(note.device, "reaction", note.t)
        case_.phase = "acting"
        self._step(case_, "command", note, note.t)
        self._by_command[note.id] = case_
        while len(self._by_command) > KEEP_COMMANDS:
            self._by_command.popitem(last=False)

    def _result(self, note: CommandResult) -> bool:
        case_ = self._by_command.get(note.id)
        if case_ is None or case_.steps.get("command", {}).get("id") != note.id:
            return False
        self._step(case_, "result", note, note.t)
        if note.status not in FINAL:
            return True
        ok = note.status == "done"
        if case_.kind == "reaction":
            case_.phase = "solved" if ok else "failed"
        elif ok and note.id != case_.order_command and case_.order_command:
            case_.phase = "planned"  # a measure on the way (derating), the order itself is still open
        else:
            self._close(case_, "solved" if ok else "failed", note.t)
        return True

    def _event(self, note: Event) -> bool:
        case_ = self._open.get(note.device)
        if note.name == "failure":
            case_ = case_ or self._condition(note.device, note.t)
            case_.phase = "broken"
        elif case_ is None or note.name not in ("maintenance", *_MENDED):
            return False
        elif note.name == "maintenance":
            case_.phase = "acting"
        self._step(case_, "event", note, note.t)
        if note.name in _MENDED:
            self._close(case_, "solved", note.t)
        return True

    def _condition(self, device: str, t: int) -> Case:
        case_ = self._open.get(device)
        if case_ is None:
            case_ = self._open[device] = self._new(device, "condition", t)
        return case_

    def _new(self, device: str, kind: Literal["condition", "reaction"], t: int) -> Case:
        case_ = Case(self._next, device, kind, t, t)
        self._next += 1
        self.cases[case_.id] = case_
        while len(self.cases) > KEEP_CASES:
            _, gone = self.cases.popitem(last=False)
            self._open = {d: c for d, c in self._open.items() if c is not gone}
            self._reactions = {k: c for k, c in self._reactions.items() if c is not gone}
        return case_

    def _close(self, case_: Case, phase: Phase, t: int) -> None:
        case_.phase, case_.updated = phase, max(case_.updated, t)
        if self._open.get(case_.device) is case_:
            del self._open[case_.device]

    @staticmethod
    def _step(case_: Case, step: str, note: Note, t: int) -> None:
        case_.steps[step] = note_fields(note)
        case_.updated = max(case_.updated, t)
