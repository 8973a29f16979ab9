"""One group's models at work: windows in, findings and prognoses out, all assets in one call."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from analytics import attribution, explain
from analytics.config import AnalyticsConfig
from analytics.detectors.alarm import AlarmConfig, Alarms
from analytics.detectors.fleet import Comparing
from analytics.detectors.sequential import Remembering
from analytics.features import columns_named
from analytics.filters import FilterBank, States
from analytics.handover import Handover
from analytics.kinds import AnyDetector
from analytics.lives import UNKNOWN, UP, LifeState, Mark, marks_of_events
from analytics.model import GroupModel
from analytics.monitor import Monitor
from analytics.panel import make_panel
from analytics.shafts import Shafts
from analytics.slots import make_plan
from analytics.windows import Floats, Windows
from core.catalog import Catalog
from core.clock import NS
from core.command import Event
from core.finding import Finding, Prognosis

INPUT = "input"
_BAD_SHARE = 0.5
_UNSEEN = -1  # a life whose begin is not known yet
_TELLING = 0.1  # chance of failure from which a cause is named


class GroupServing:
    """Assets of one group in a live catalog, each with its filters, life and alarms.

    Parameters
    ----------
    model
        Trained models.
    config
        Settings.
    catalog
        Live catalog; call :meth:`extend` when it has grown.
    """

    def __init__(self, model: GroupModel, config: AnalyticsConfig, catalog: Catalog) -> None:
        self.model = model
        self.findings: dict[tuple[str, str], Finding] = {}
        self._config = config
        self._drift = columns_named(model.infos, "drift")
        self._columns = model.columns()
        self._waiting: dict[str, list[Mark]] = defaultdict(list)
        self._told = 0
        self.monitor = Monitor(config.monitor, model.card, model.prognoser.horizon_s if model.prognoser else 1.0)
        self._place(catalog)

    def _place(self, catalog: Catalog) -> None:
        model = self.model
        self.plan = make_plan(catalog, model.kinds, model.quantities, model.slots, model.signals)
        self.shafts = Shafts(model.signals, self.plan) if model.signals else None
        size = len(self.plan.devices)
        self.row = {device: d for d, device in enumerate(self.plan.devices)}
        self.lives = [LifeState(_UNSEEN) for _ in range(size)]
        self.bank = FilterBank(model.filters, size, len(model.slots))
        self._seen_phase = np.full(size, UNKNOWN, dtype=np.int8)
        names = [(d.name, self._config.alarm) for d in model.detectors]
        patient = AlarmConfig(raise_after=3, clear_after=3, clear_at=0.5)
        self.alarms = {name: Alarms(how, size) for name, how in [*names, (INPUT, patient)]}
        self.memories = {d.name: d.memory(size) for d in model.detectors if isinstance(d, Remembering)}
        self._peers = np.unique(np.array(self.plan.kinds, dtype=object), return_inverse=True)[1] if size else None
        self._norm = model.fleet.norm(self.plan.kinds) if size else None

    def extend(self, catalog: Catalog) -> None:
        """Take in devices that were born since; known ones keep their state."""
        old_row, lives, bank, alarms, phase = self.row, self.lives, self.bank, self.alarms, self._seen_phase
        memories = self.memories
        self._place(catalog)
        for device, d in self.row.items():
            before = old_row.get(device)
            if before is None:
                continue
            self.lives[d] = lives[before]
            self._seen_phase[d] = phase[before]
            self.bank.copy_row(d, bank, before)
            for name, alarm in self.alarms.items():
                alarm.copy_row(d, alarms[name], before)
            for name, memory in self.memories.items():
                memory.copy_row(d, memories[name], before)

    def prime(self, handover: Handover) -> None:
        """Go on from the end of a history."""
        self._told = handover.end
        there = {device: i for i, device in enumerate(handover.devices)}
        for life in handover.lives:
            d = self.row.get(life.device)
            if d is None:
                continue
            self.lives[d] = LifeState(life.t0, life.number)
            if life.end != "open":
                self.lives[d].move(Mark(life.t1, life.end))
            self._seen_phase[d] = self.lives[d].phase
            self.bank.copy_row(d, handover.bank, there[life.device])

    def hear(self, events: Iterable[Event]) -> None:
        """Keep events that begin or end lives until their window is scored; what the history has told is known."""
        fresh = [event for event in events if event.t >= self._told]
        self.monitor.outcomes.hear([event for event in fresh if event.device in self.row])
        for device, marks in marks_of_events(fresh).items():
            if device in self.row:
                self._waiting[device] += marks

    def assess(self, now: int) -> tuple[list[Finding], list[Prognosis]]:
        """Judge all assets as the history left them. Levels are averages over many windows: alarms need no wait."""
        up = np.flatnonzero(self._up(now))
        if not len(up):
            return [], []
        states = self.bank.peek(up, now)
        for _ in range(self._config.alarm.raise_after - 1):
            self._score(up, states, now, quiet=True)
        return self._score(up, states, now)

    def windows(
        self, closed: list[Windows], first: int, count: int, last_only: bool = False
    ) -> tuple[list[Finding], list[Prognosis]]:
        """Take in ``count`` windows from ``first`` (ns); prognoses are of the last one.

        ``last_only`` leaves the prognoses of the windows before it out, which nobody would see.
        """
        findings: list[Finding] = []
        prognoses: list[Prognosis] = []
        if not self.plan.devices:
            return findings, prognoses
        panel = make_panel(self.plan, closed, self._config.grid, first, count)
        measured = panel.measured
        for i in range(count):
            begin, end = int(panel.g[i]), int(panel.g[i]) + self._config.grid
            findings += self._live_on(end, panel.phase[:, i])
            self._begin_lives(begin, panel.good[:, i] > 0)
            up = np.flatnonzero(self._up(begin))
            if not len(up):
                continue
            states = self.bank.step(up, end, measured[up, i], panel.on[up, i], panel.good[up, i])
            told, prognoses = self._score(up, states, end, quiet=last_only and i < count - 1)
            findings += told
        return findings, prognoses

    def state(self, now: int) -> dict[str, dict[str, float]]:
        """Return what policies need to know of each device."""
        return {
            device: {
                "age_s": (now - life.since) / NS if life.phase == UP and life.since > _UNSEEN else 0.0,
                "down": float(life.phase != UP),
            }
            for device, life in zip(self.plan.devices, self.lives, strict=True)
        }

    def _begin_lives(self, begin: int, seen: NDArray[np.bool_]) -> None:
        """Let devices without a history begin their life where they are first seen."""
        for d in np.flatnonzero(seen).tolist():
            life = self.lives[d]
            if life.since == _UNSEEN and life.phase == UP:
                life.since = begin
                self.bank.reset(d, begin)

    def _up(self, begin: int) -> NDArray[np.bool_]:
        return np.array([life.phase == UP and _UNSEEN < life.since <= begin for life in self.lives], dtype=bool)

    def _live_on(self, end: int, phase: NDArray[np.int8]) -> list[Finding]:
        """Apply what events and states said up to ``end``; return findings that a renewal ends."""
        changed = (phase != UNKNOWN) & (phase != self._seen_phase)
        first = self._seen_phase == UNKNOWN
        self._seen_phase = np.where(phase != UNKNOWN, phase, self._seen_phase)
        for d in np.flatnonzero(changed & ~(first & (phase == UP))).tolist():
            what = {0: "up", 1: "failure", 2: "maintenance"}[int(phase[d])]
            self._waiting[self.plan.devices[d]].append(Mark(end, what))  # type: ignore[arg-type]
        out: list[Finding] = []
        for device in list(self._waiting):
            marks = sorted(self._waiting.pop(device), key=lambda m: m.t)
            later = [m for m in marks if m.t > end]
            if later:
                self._waiting[device] = later
            d = self.row[device]
            moves = [self.lives[d].move(m) for m in marks if m.t <= end]
            if any(moves):
                self.bank.reset(d, self.lives[d].since)
                out += self._renewed(d, end)
            self.lives[d].closed.clear()
        return out

    def _renewed(self, d: int, end: int) -> list[Finding]:
        ended = [name for name, alarm in self.alarms.items() if alarm.end(d)]
        return [f for name in ended if (f := self._cleared(d, name, end, 0.0, "renewed")) is not None]

    def _score(
        self, up: NDArray[np.intp], states: States, end: int, quiet: bool = False
    ) -> tuple[list[Finding], list[Prognosis]]:
        assert self._norm is not None
        norm = type(self._norm)(self._norm.spread[up], self._norm.typical_s[up])
        x = self.model.features(states, norm)
        self.monitor.inputs.take(x)
        findings: list[Finding] = []
        for detector, columns in zip(self.model.detectors, self._columns, strict=True):
            score = self._scores(detector, up, x[:, columns])
            findings += self._judge(up, detector.name, score, detector.threshold, states, x, end)
        findings += self._judge(up, INPUT, 1.0 - states.good, _BAD_SHARE, states, x, end)
        prognoses = [] if quiet else self._prognoses(up, states, x, end)
        self.monitor.outcomes.take(prognoses)
        return findings, prognoses

    def _scores(self, detector: AnyDetector, up: NDArray[np.intp], x: Floats) -> Floats:
        """Return a detector's scores of one window: with what it remembers, or beside peers, where it wants that."""
        if isinstance(detector, Remembering):
            return detector.follow(self.memories[detector.name], up, x)
        if isinstance(detector, Comparing):
            assert self._peers is not None
            return detector.among(x, self._peers[up])
        return detector.score(x)

    def _judge(
        self, up: NDArray[np.intp], name: str, score: Floats, threshold: float, states: States, x: Floats, end: int
    ) -> list[Finding]:
        every = np.full(len(self.plan.devices), np.nan)
        every[up] = score
        raised, cleared = self.alarms[name].update(every, threshold)
        at = {int(d): i for i, d in enumerate(up)}
        worse = self._worse(name, every, threshold)
        grown = [self._cleared(int(d), name, end, float(every[d]), "has grown worse") for d in worse]
        raised = np.concatenate([raised, worse])
        out = [self._raised(at[int(d)], int(d), name, float(every[d]), threshold, states, x, end) for d in raised]
        told = [self._cleared(int(d), name, end, float(every[d]), "is back to normal") for d in cleared]
        return [f for f in grown if f is not None] + out + [f for f in told if f is not None]

    def _worse(self, name: str, score: Floats, threshold: float) -> NDArray[np.intp]:
        """Return the devices whose finding was a warning so far and has become an alarm."""
        known = [
            d
            for d, device in enumerate(self.plan.devices)
            if (f := self.findings.get((device, name))) is not None and f.severity == "warning" and name != INPUT
        ]
        grown = [d for d in known if np.isfinite(score[d]) and explain.severity_high(name, float(score[d]), threshold)]
        return np.array(grown, dtype=np.intp)

    def _raised(
        self, i: int, d: int, name: str, score: float, threshold: float, states: States, x: Floats, end: int
    ) -> Finding:
        device = self.plan.devices[d]
        what, evidence = explain.deviation(states, i, self.model.slots, x[i, self._drift])
        text = explain.finding_text(name, score, what)
        if name == INPUT:
            text = f"{score:.0%} of the values are missing or BAD: the assessment rests on older ones"
            evidence = {"missing": score}
        severe = name != INPUT and explain.severity_high(name, score, threshold)
        key = hashlib.blake2b(f"{device}|{name}|{end}".encode(), digest_size=8).hexdigest()
        finding = Finding(
            id=f"fi-{key}",
            device=device,
            detector=name,
            t=end,
            score=round(score, 4),
            threshold=round(threshold, 4),
            severity="alarm" if severe else "warning",
            text=text,
            evidence=explain.newest(evidence),
        )
        self.findings[(device, name)] = finding
        return finding

    def _cleared(self, d: int, name: str, end: int, score: float, text: str) -> Finding | None:
        known = self.findings.pop((self.plan.devices[d], name), None)
        if known is None:
            return None
        return Finding(
            f"{known.id}-end", known.device, name, end, round(score, 4), known.threshold, "info", text, active=False
        )

    def _cause(self, states: States, i: int, x: Floats) -> str:
        """Return what stands out, and the failure mode that it points to."""
        drift = x[i, self._drift]
        what = explain.deviation(states, i, self.model.slots, drift)[0]
        mode = attribution.words(attribution.shares(drift, self.model.slots)) if what else ""
        return f"{what}: {mode}" if mode else what

    def _prognoses(self, up: NDArray[np.intp], states: States, x: Floats, end: int) -> list[Prognosis]:
        model = self.model.prognoser
        if model is None:
            return []
        outlook = model.predict(x)
        columns = (outlook.p_failure, outlook.rul_s, outlook.lower_s, outlook.upper_s)
        values = np.stack(columns, axis=1).round(4).tolist()
        out = []
        for i, (p, rul, lower, upper) in enumerate(values):
            cause = self._cause(states, i, x) if p >= _TELLING else ""
            device, confidence = self.plan.devices[up[i]], model.config.confidence
            out.append(
                Prognosis(device, self.model.name, end, p, model.horizon_s, rul, lower, upper, confidence, cause)
            )
        return out
