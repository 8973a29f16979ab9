"""The names of a `generic` entry and the formulas over them: checked once, with YAML paths, then ready to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from core.clock import NS
from simulator import formula
from simulator.environment import FIELDS, by_table, hour_of_day
from simulator.equipment.behaviours import Behaviour, Daily, Level, Profile, Random
from simulator.equipment.definition import ChannelConfig
from simulator.formula import Formula, Value
from simulator.holidays import is_workday
from simulator.state import Column, Ramp, Relax, Step
from simulator.states import STATES
from simulator.view import View

if TYPE_CHECKING:
    from simulator.equipment.generic import GenericConfig

Loc = tuple[str | int, ...]
#: units of the environment's fields that have one
_ENV_UNITS = {"temperature": "Cel", "humidity": "%", "wind": "m/s"}
_CLOCK = ("hour", "workday")
_HERE = ("here.lat", "here.lon")
STATE = "state"


def fail(loc: Loc, what: str, value: object = None) -> NoReturn:
    """Raise a validation error at a place below the entry."""
    error = PydanticCustomError("value_error", "{what}", {"what": what})
    raise ValidationError.from_exception_data("generic", [InitErrorDetails(type=error, loc=loc, input=value)])


@dataclass(slots=True)
class Scope:
    """Everything that has a name in an entry: behaviours with their YAML places, and the compiled formulas."""

    config: GenericConfig
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    places: dict[str, Loc] = field(default_factory=dict)
    formulas: dict[str, Formula] = field(default_factory=dict)
    interlocks: dict[str, Formula] = field(default_factory=dict)

    def states(self, name: str) -> Mapping[int, str] | None:
        """Return the state names of a channel, None where it has none."""
        if name == STATE:
            return STATES
        found = self.behaviours.get(name)
        return found.states.codes if found is not None and found.states is not None else None

    def columns(self) -> dict[str, Column]:
        """Return the state columns that set-points, counters and states need."""
        out: dict[str, Column] = {}
        for name, b in self.behaviours.items():
            if b.setpoint is not None:
                s = b.setpoint
                out[name] = Relax(s.initial, s.lag / NS) if s.lag else Step(s.initial)
            elif b.counter is not None:
                out[name] = Ramp(b.counter.initial)
            elif b.states is not None:
                out[name] = Step(float(list(b.states.of).index(b.states.first)))
        return out

    def held(self, name: str) -> bool:
        """Tell whether a name is known to events: a column of the state table."""
        b = self.behaviours.get(name)
        return name == STATE or (b is not None and (b.setpoint or b.counter or b.states) is not None)

    def levels(self) -> dict[str, Level]:
        """Return the targets and rates of set-points and counters that follow a level."""
        out: dict[str, Level] = {}
        for name, b in self.behaviours.items():
            level = b.setpoint.target if b.setpoint is not None else b.counter.rate if b.counter is not None else None
            if level is not None:
                out[name] = level
        return out

    def unit(self, name: str) -> str | None:
        """Return the unit of a name, None where it has none worth checking."""
        head, _, tail = name.partition(".")
        if head == "env":
            return _ENV_UNITS.get(tail)
        b = self.behaviours.get(name)
        return b.unit if isinstance(b, ChannelConfig) and b.unit != "1" else None

    # --- checks ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Compile every formula and check every name; raises ValidationError with its place."""
        for name, b in self.behaviours.items():
            if b.formula is not None:
                where = (*self.places[name], "formula")
                self.formulas[name] = self._compiled(b.formula, where, self.knows)
                self._check_unit(name, where)
        self._check_circles()
        for name, level in self.levels().items():
            inner = ("setpoint", "target") if self.behaviours[name].setpoint else ("counter", "rate")
            self.check_level(level, (*self.places[name], *inner))
        for name, part in self.config.parts.items():
            self.check_level(part.rate, ("parts", name, "rate"))
        for name, command in self.config.commands.items():
            if command.only_if is not None:
                self.interlocks[name] = self._compiled(
                    command.only_if, ("commands", name, "only_if"), self._known_to_events
                )

    def knows(self, name: str) -> bool:
        """Tell whether a formula may read a name."""
        head, _, tail = name.partition(".")
        c = self.config
        heads: dict[str, Iterable[str]] = {
            "env": FIELDS, "wear": c.parts, "fault": c.faults, "param": c.params,
        }  # fmt: skip
        if tail:
            return head == "trait" or name in _HERE or tail in heads.get(head, ())
        return name in self.behaviours or name in _CLOCK or name == STATE

    def _known_to_events(self, name: str) -> bool:
        return self.knows(name) and ("." in name or name in _CLOCK or self.held(name)) and not name.startswith("trait")

    def _compiled(self, text: str, where: Loc, known: Callable[[str], bool]) -> Formula:
        for name in formula.names_of(formula.parse(text)):
            if not known(name):
                near = get_close_matches(name, self._all(), n=1)
                hint = f"; did you mean {near[0]}?" if near and near[0] != name else ""
                told = "cannot be read here" if self.knows(name) else "is not known"
                fail(where, f"{name} {told}{hint}", text)
        try:
            return formula.compiled(text, self.states)
        except ValueError as error:
            fail(where, str(error), text)

    def _all(self) -> list[str]:
        c = self.config
        dotted = [
            f"{head}.{name}"
            for head, names in (("env", FIELDS), ("wear", c.parts), ("fault", c.faults), ("param", c.params))
            for name in names
        ]
        return [*self.behaviours, STATE, *_CLOCK, *_HERE, *dotted]

    def _check_unit(self, name: str, where: Loc) -> None:
        made = self.formulas[name]
        try:
            unit = formula.unit_of(made.tree, self.unit)
        except ValueError as error:
            fail(where, str(error), made.text)
        wanted = self.unit(name)
        if unit is not None and wanted is not None and unit != wanted:
            fail(where, f"gives {unit}, but {name} is in {wanted}", made.text)

    def _check_circles(self) -> None:
        done: set[str] = set()

        def walk(name: str, way: tuple[str, ...]) -> None:
            if name in way:
                circle = " -> ".join([*way[way.index(name) :], name])
                fail((*self.places[name], "formula"), f"goes round in a circle: {circle}")
            if name in done or name not in self.formulas:
                return
            for other in self.formulas[name].names:
                walk(other, (*way, name))
            done.add(name)

        for name in self.formulas:
            walk(name, ())

    def check_level(self, level: Level | None, where: Loc) -> None:
        """Check a level by state."""
        if not isinstance(level, dict):
            return
        if len(level) != 1:
            fail(where, "give one channel and its states")
        ((channel, by),) = level.items()
        self.check_states({channel: ""}, where, each=list(by))

    def check_states(self, wanted: Mapping[str, str], where: Loc, each: list[str] | None = None) -> None:
        """Check that channels have states, and these."""
        for channel, state in wanted.items():
            known = self.states(channel)
            if known is None:
                having = [n for n in (*self.behaviours, STATE) if self.states(n)]
                fail(where, f"{channel!r} has no states; these have: {', '.join(having)}")
            for name in each or [state]:
                if name not in known.values():
                    fail((*where, channel), f"no state {name!r}; there are {', '.join(known.values())}")


class Reading:
    """The values of one block: every name computed once."""

    def __init__(self, scope: Scope, view: View) -> None:
        self._scope, self._view = scope, view
        self._made: dict[str, Any] = {}

    def __call__(self, name: str) -> Value:
        """Return the values of a name, float64[n, d] or [1, d]."""
        if name not in self._made:
            self._made[name] = self._value(name)
        return self._made[name]  # type: ignore[no-any-return]

    def _value(self, name: str) -> Value:
        b = self._scope.behaviours.get(name)
        if b is None:
            return self._outside(name)
        if b.formula is not None:
            return self._scope.formulas[name](self)
        if b.random is not None:
            return self._random(name, b.random)
        if b.daily is not None:
            return daily(b.daily, hour_of_day(self._view.utc))
        if b.profile is not None:
            return profile(b.profile, hour_of_day(self._view.utc), is_workday(self._view.utc))
        return self._view[name]

    def _random(self, name: str, r: Random) -> Value:
        out = r.mean + r.sigma * self._view.slow(name, r.tau / NS)
        return out + r.spread * self._view.trait(f"mean {name}") if r.spread else out

    def _outside(self, name: str) -> Value:
        view = self._view
        head, _, tail = name.partition(".")
        readers: dict[str, Callable[[str], Value]] = {
            "env": view.env, "wear": view.wear, "fault": view.fault, "trait": view.trait,
            "param": lambda of: view.per_device(name, lambda config, _: config.params[of]),  # type: ignore[attr-defined]
        }  # fmt: skip
        if tail and head in readers:
            return readers[head](tail)
        if name == "here.lat":
            return view.latitude()
        if name == "here.lon":
            return view.longitude()
        if name == "hour":
            return hour_of_day(view.utc)
        if name == "workday":
            return np.asarray(is_workday(view.utc), dtype=np.float64)
        return view[name]


def daily(d: Daily, hour: Value) -> Value:
    """Return a daily cosine at local hours."""
    return d.mean + d.swing * np.cos((hour - d.peak) * (2.0 * np.pi / 24.0))


def profile(p: Profile, hour: Any, workday: Any) -> Value:
    """Return a profile at local hours."""
    work = by_table(p.workday, hour)
    return work if p.day_off is None else np.where(workday, work, by_table(p.day_off, hour))
