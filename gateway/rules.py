"""Edge rules: from a fresh row to a command in milliseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from core.batch import NO_SEQ, Batch
from core.catalog import Catalog, StreamEntry
from core.clock import NS, RunClock
from core.command import Cause, Command
from core.config import Config, Duration
from core.metrics import Metrics
from core.quality import GOOD, MAJOR, UNCERTAIN
from core.spec import LayoutSpec

Op = Literal[">", ">=", "<", "<=", "==", "!="]
_OPS: dict[str, Callable[[Any, float], Any]] = {
    ">": lambda x, v: x > v,
    ">=": lambda x, v: x >= v,
    "<": lambda x, v: x < v,
    "<=": lambda x, v: x <= v,
    "==": lambda x, v: x == v,
    "!=": lambda x, v: x != v,
}


class Condition(Config):
    """A channel compared with a value; the value of an enumeration is its code or its name."""

    channel: str
    op: Op
    value: float | str


class When(Condition):
    """What a rule waits for.

    ``kind`` (equipment kind) or ``device`` (path) chooses devices, ``stream`` narrows to one of their streams.
    ``for``: how long the condition must hold, by the rows' own time. ``hysteresis``: how far below (above) the
    value the channel must go before the rule can fire again.
    """

    kind: str = ""
    device: str = ""
    stream: str = ""
    for_: Duration = Field(0, alias="for")
    hysteresis: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _chooses(self) -> When:
        if bool(self.kind) == bool(self.device):
            raise ValueError("give either kind or device")
        return self


class Then(Config):
    """The command. ``device``: ``same``, or the path of another device."""

    command: str
    args: dict[str, float | str] = Field(default_factory=dict)
    device: str = "same"


class RuleConfig(Config):
    """An edge rule. Spans are run time, except ``max_age`` (wall time).

    ``interlock``: conditions on the same row that must all hold, else nothing happens. ``cooldown``: least time
    between two commands to one device; ``min_interval``: between two commands of the rule at all. ``repeat``: fire
    again after each cooldown while the condition lasts. ``quality``: ``usable`` also judges uncertain values,
    so that a value beyond its instrument's range still stops a machine.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    when: When
    then: Then
    interlock: tuple[Condition, ...] = ()
    max_age: Duration = 2 * NS
    cooldown: Duration = 0
    min_interval: Duration = 0
    expires: Duration = 5 * NS
    repeat: bool = False
    quality: Literal["good", "usable"] = "usable"


@dataclass(slots=True)
class _State:
    """Of one stream: since when the condition holds (run ns, -1: not), whether it has fired since."""

    since: int = -1
    fired: bool = False


class EdgeRule:
    """One rule over all its streams (``core.ports.Rule``)."""

    def __init__(self, config: RuleConfig, catalog: Catalog, max_age: int) -> None:
        self.config, self.catalog, self.max_age = config, catalog, max_age
        self.name = config.name
        self.held: dict[str, int] = {}
        self._states: dict[int, _State] = {}
        self._last_of: dict[str, int] = {}
        self._last = -(2**63)
        self._mine: dict[int, bool] = {}
        self._columns: dict[str, tuple[int, float] | None] = {}

    def touches(self, layout: LayoutSpec) -> bool:
        """Tell whether rows of a layout can matter to the rule."""
        return self._column(layout, self.config.when) is not None

    def judge(self, batch: Batch, now: int) -> Sequence[Command]:
        """Return the commands that fresh rows call for; ``now`` is run time in ns."""
        column = self._column(batch.layout, self.config.when)
        if column is None:
            return ()
        j, value = column
        good = batch.q[:, j] >= (GOOD if self.config.quality == "good" else UNCERTAIN)
        usable = good & (batch.t >= now - self.max_age) & np.isfinite(batch.x[:, j])
        holds = usable & _OPS[self.config.when.op](batch.x[:, j], value)
        if not self._states and not holds.any():
            return ()
        out: list[Command] = []
        for row in np.flatnonzero(usable).tolist():
            stream = int(batch.stream[row])
            state = self._states.get(stream)
            if state is None and not holds[row]:
                continue
            if state is None:
                if not self._is_mine(stream):
                    continue
                state = self._states[stream] = _State()
            if self._due(state, bool(holds[row]), float(batch.x[row, j]), value, int(batch.t[row])):
                command = self._fire(batch, row, now)
                if command is not None:
                    state.fired = True
                    out.append(command)
        return out

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON-ready values."""
        states = [[stream, *asdict(state).values()] for stream, state in self._states.items()]
        return {"states": states, "last_of": self._last_of, "last": self._last}

    def recall(self, command: Command) -> None:
        """Note a command of this rule that was committed before a restart."""
        cause = command.cause
        if cause is None:
            return
        self._last_of[command.device] = max(cause.t, self._last_of.get(command.device, cause.t))
        self._last = max(self._last, cause.t)
        entry = self.catalog.find(cause.stream)
        if entry is not None:
            self._states[entry.index] = _State(cause.t, True)

    def load(self, state: dict[str, Any]) -> None:
        """Take over the state of :meth:`dump`."""
        self._states = {stream: _State(since, fired) for stream, since, fired in state["states"]}
        self._last_of, self._last = dict(state["last_of"]), state["last"]

    def _due(self, state: _State, holds: bool, x: float, value: float, t: int) -> bool:
        """Move a stream's state by one row; tell whether the rule wants to fire."""
        when = self.config.when
        if holds:
            if state.since < 0:
                state.since = t
        elif self._left(x, value):
            state.since, state.fired = -1, False
            return False
        elif not state.fired:
            state.since = -1
            return False
        return holds and t - state.since >= when.for_ and (not state.fired or self.config.repeat)

    def _left(self, x: float, value: float) -> bool:
        band, op = self.config.when.hysteresis, self.config.when.op
        if op in (">", ">="):
            return x < value - band or (band == 0 and x <= value)
        if op in ("<", "<="):
            return x > value + band or (band == 0 and x >= value)
        return True

    def _fire(self, batch: Batch, row: int, now: int) -> Command | None:
        entry = self.catalog.streams[int(batch.stream[row])]
        device = entry.device if self.config.then.device == "same" else self.config.then.device
        t, seq, sid = int(batch.t[row]), int(batch.seq[row]), int(batch.sid[row])
        if not self._unlocked(batch, row):
            self._hold("interlock")
            return None
        if t - self._last_of.get(device, -(2**63)) < self.config.cooldown:
            self._hold("cooldown")
            return None
        if self.config.min_interval and t - self._last < self.config.min_interval:
            self._hold("min_interval")
            return None
        self._last_of[device] = self._last = t
        ident = command_id(self.name, entry.path, sid, seq if seq != NO_SEQ else t)
        cause = Cause(entry.path, sid, seq, t)
        then = self.config.then
        return Command(
            ident, device, then.command, f"rule:{self.name}", now, now + self.config.expires, dict(then.args), cause
        )

    def _hold(self, why: str) -> None:
        self.held[why] = self.held.get(why, 0) + 1

    def _unlocked(self, batch: Batch, row: int) -> bool:
        """Tell whether every interlock condition holds on the row; a bad or missing channel locks."""
        for condition in self.config.interlock:
            column = self._column(batch.layout, condition)
            if column is None or (batch.q[row, column[0]] & MAJOR) == 0:
                return False
            if not _OPS[condition.op](float(batch.x[row, column[0]]), column[1]):
                return False
        return True

    def _column(self, layout: LayoutSpec, condition: Condition) -> tuple[int, float] | None:
        """Return (column, value) of a condition in a layout, None where it does not apply."""
        key = f"{layout.name}\n{condition.channel}\n{condition.value}"
        if key not in self._columns:
            self._columns[key] = _resolve(layout, condition)
        return self._columns[key]

    def _is_mine(self, stream: int) -> bool:
        known = self._mine.get(stream)
        if known is None:
            known = self._mine[stream] = self._matches(self.catalog.streams[stream])
        return known

    def _matches(self, entry: StreamEntry) -> bool:
        when = self.config.when
        if when.stream and entry.spec.name != when.stream:
            return False
        if when.device:
            return entry.device == when.device
        return self.catalog.devices[entry.device].kind == when.kind


class Rules:
    """All rules of a gateway; layouts that no rule touches cost one look-up."""

    def __init__(self, configs: Sequence[RuleConfig], catalog: Catalog, clock: RunClock, metrics: Metrics) -> None:
        scale = max(1.0, clock.speed)
        self.rules = [EdgeRule(c, catalog, round(c.max_age * scale) if clock.speed else 2**62) for c in configs]
        self.clock, self.metrics = clock, metrics
        self._by_layout: dict[str, list[EdgeRule]] = {}

    def judge(self, batch: Batch) -> list[Command]:
        """Return the commands that a batch calls for."""
        rules = self._by_layout.get(batch.layout.name)
        if rules is None:
            rules = self._by_layout[batch.layout.name] = [r for r in self.rules if r.touches(batch.layout)]
        if not rules:
            return []
        now = self.clock.now()
        at = int(batch.t.max()) if now is None else now
        out = [command for rule in rules for command in rule.judge(batch, at)]
        if out:
            self.metrics.count("rule_commands", len(out))
        return out

    def recall(self, command: Command) -> None:
        """Note a command that was committed before a restart."""
        for rule in self.rules:
            if command.issuer == f"rule:{rule.name}":
                rule.recall(command)

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON-ready values."""
        return {rule.name: rule.dump() for rule in self.rules}

    def load(self, state: dict[str, Any]) -> None:
        """Take over the state of :meth:`dump`; rules that are new or gone do not matter."""
        for rule in self.rules:
            if rule.name in state:
                rule.load(state[rule.name])


def command_id(rule: str, stream: str, sid: int, row: int) -> str:
    """Return the id of the command that a rule derives from a row: the same row gives the same id."""
    digest = hashlib.blake2b(f"{rule}\x1f{stream}\x1f{sid}\x1f{row}".encode(), digest_size=10).hexdigest()
    return f"{rule}-{digest}"


def _resolve(layout: LayoutSpec, condition: Condition) -> tuple[int, float] | None:
    if condition.channel not in layout.columns:
        return None
    j = layout.column(condition.channel)
    value = condition.value
    if isinstance(value, str):
        codes = [code for code, name in (layout.channels[j].states or {}).items() if name == value]
        if not codes:
            return None
        value = codes[0]
    return j, float(value)
