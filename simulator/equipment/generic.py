"""Equipment declared in YAML alone: channels and their behaviours, wear, faults, commands, events.

Everything that a kind written in Python has, put together from a few behaviours: see `behaviours.py` for what a channel
can do, `definition.py` for the sections, `simulator/formula.py` for formulas, and ``docs/own-equipment.md`` for an
example. Entries of one ``type`` share their definition and may differ in ``params``, names, places and sensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

import numpy as np
import simpy
from numpy.typing import NDArray
from pydantic import Field, model_validator

from core.clock import NS
from core.command import Command
from core.errors import CommandRefused
from core.spec import CommandSpec, Name
from simulator.asset import Asset, Steps, Work
from simulator.channels import Channel, Stream, enumerated
from simulator.environment import hour_of_day
from simulator.equipment.base import EquipmentConfig
from simulator.equipment.behaviours import NAME, Behaviour, level_at
from simulator.equipment.definition import (
    ArgConfig,
    CommandDefinition,
    EventDefinition,
    FaultDefinition,
    Ident,
    PartConfig,
    ReportConfig,
)
from simulator.equipment.scope import STATE, Loc, Reading, Scope, fail
from simulator.formula import Value
from simulator.holidays import is_workday
from simulator.states import COMMON, STATES, State
from simulator.view import View
from simulator.wear.component import WearModel

#: said here, since `type` is a key of the config
AssetClass = type[Asset]
_TAKEN = {c.name for c in COMMON} | {"rebirth", "replay"}
_SHARED = {"variables", "reports", "parts", "faults", "commands", "events"}


class GenericConfig(EquipmentConfig):
    """Equipment without code.

    Attributes
    ----------
    type
        What it is: the kind that rules, models and pages see, and the first part of its layouts' names.
    params
        Numbers that formulas read as ``param.<name>``.
    variables
        Behaviours that are not reported; formulas read them as channels.
    reports
        Streams with their channels.
    state
        Whether the first stream begins with the channel ``state`` (a bare instrument has none).
    parts
        What wears: read as ``wear.<name>``, 0 new to 1 failed.
    """

    kind: Literal["generic"] = "generic"
    type: str = Field(pattern=NAME)
    state: bool = True
    params: dict[Ident, float] = Field(default_factory=dict)
    variables: dict[Ident, Behaviour] = Field(default_factory=dict)
    reports: dict[Ident, ReportConfig] = Field(min_length=1)
    parts: dict[Ident, PartConfig] = Field(default_factory=dict)
    faults: dict[Ident, FaultDefinition] = Field(default_factory=dict)
    commands: dict[Ident, CommandDefinition] = Field(default_factory=dict)
    events: tuple[EventDefinition, ...] = ()

    label: ClassVar[Name] = Name("사용자 장비", "Own equipment")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        scope = self.scope
        scope.check()
        for name, fault in self.faults.items():
            if fault.part and fault.part not in self.parts:
                fail(("faults", name, "part"), f"no part {fault.part!r}; there are {', '.join(self.parts) or 'none'}")
        for name, command in self.commands.items():
            self._check_command(name, command)
        for n, event in enumerate(self.events):
            scope.check_states(event.when, ("events", n, "when"))
        return self

    @cached_property
    def scope(self) -> Scope:
        """Its names and formulas."""
        scope = Scope(self)
        every: list[tuple[str, Behaviour, Loc]] = [(name, b, ("variables", name)) for name, b in self.variables.items()]
        every += [
            (name, channel, ("reports", report, "channels", name))
            for report, content in self.reports.items()
            for name, channel in content.channels.items()
        ]
        for name, behaviour, place in every:
            if name in scope.behaviours or name == STATE:
                fail(place, f"the name {name!r} is taken already")
            scope.behaviours[name], scope.places[name] = behaviour, place
        return scope

    @cached_property
    def made(self) -> AssetClass:
        """The class of its devices."""
        content = {
            "columns": self.scope.columns(),
            "commands": (*COMMON, *(self._command(name, c) for name, c in self.commands.items())),
            "faults": {name: fault.kind(name) for name, fault in self.faults.items()},
            "scope": self.scope,
        }
        return type(f"Generic_{self.type}", (Generic,), content)

    @cached_property
    def declared(self) -> tuple[Stream, ...]:
        """Its streams, made once."""
        out: list[Stream] = []
        for name, report in self.reports.items():
            shown = self.state and not out
            state: tuple[Channel, ...] = (enumerated(STATE, STATES, ko="상태", en="State"),) if shown else ()
            channels = tuple(c.channel(channel) for channel, c in report.channels.items())
            out.append(Stream(name, (*state, *channels), report.every))
        return tuple(out)

    def asset(self) -> AssetClass:
        """Return the class of its devices."""
        return self.made

    def streams(self) -> tuple[Stream, ...]:
        """Return its streams."""
        return self.declared

    def wears(self) -> dict[str, WearModel]:
        """Return its parts."""
        return {name: part.wear for name, part in self.parts.items()}

    def family(self) -> str:
        """Return its type."""
        return self.type

    def shown_kind(self) -> str:
        """Return its type: what rules and pages call its kind."""
        return self.type

    @cached_property
    def shared(self) -> str:
        """What entries of one type have in common."""
        return self.model_dump_json(include=_SHARED | {"state"}) + ",".join(sorted(self.params))

    def definition(self) -> str:
        """Return what entries of one type have in common."""
        return self.shared

    def _command(self, name: str, command: CommandDefinition) -> CommandSpec:
        units = {
            a.arg: a.unit or ((self.scope.unit(channel) or "1") if channel else "s") for a, channel in command.args()
        }
        return CommandSpec(name, units, command.name or Name(name, name))

    def _check_command(self, name: str, command: CommandDefinition) -> None:
        where = ("commands", name)
        if name in _TAKEN:
            fail(where, f"{name} is a command of all equipment; choose another name")
        behaviours = self.scope.behaviours
        for channel in command.set:
            b = behaviours.get(channel)
            if b is None or b.setpoint is None or b.setpoint.target is not None:
                fail((*where, "set", channel), f"{channel!r} is no set-point without a target of its own")
        for channel in command.reset:
            if channel not in behaviours or behaviours[channel].counter is None:
                fail((*where, "reset"), f"{channel!r} is no counter")
        for key, wanted in (("state", command.state), ("then", command.then)):
            if STATE in wanted:
                fail((*where, key), "use start and stop for the common state")
            self.scope.check_states(wanted, (*where, key))


class Generic(Asset):
    """A device of a `generic` entry; every entry has a subclass of its own."""

    scope: ClassVar[Scope]
    config: GenericConfig

    def begin(self) -> None:
        """Also start what changes states by itself."""
        self._moved: dict[str, simpy.Event] = {}
        self._level: dict[str, float] = {}
        super().begin()
        for name, b in self.scope.behaviours.items():
            if b.states is not None:
                self._moved[name] = self.env.event()
                if any(s.for_ is not None for s in b.states.of.values()):
                    self.env.process(self._live(name))
        self._follow()

    def on_state(self, old: State, new: State) -> None:
        """Let targets and rates follow the common state, and tell events."""
        self._follow()
        self._tell(STATE, STATES[new])

    def stress(self, component: str) -> float:
        """Return the wear rate of a part in the present states."""
        return level_at(self.config.parts[component].rate, self._present())

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Add its own commands."""
        own: dict[str, Callable[[Command], str | Work]] = {
            name: lambda command, name=name: self._obey(name, command)  # type: ignore[misc]
            for name in self.config.commands
        }
        return super().handlers() | own

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return the true values of a stream's channels."""
        reading = Reading(cls.scope, view)
        config = cls.scope.config
        names = list(config.reports[stream].channels)
        if config.state and stream == next(iter(config.reports)):
            names.append(STATE)
        return {name: reading(name) for name in names}

    # --- states and levels -------------------------------------------------------------------------------------

    def _live(self, name: str) -> Steps:
        """Go from state to state by dwell times; a command that enters a state begins its dwell time anew."""
        states = self.scope.behaviours[name].states
        assert states is not None
        draw = self.draws(f"states {name}")
        while True:
            moved, present = self._moved[name], states.of[self._state(name)]
            if present.for_ is None:
                yield moved
                continue
            yield self.seconds(present.draw_s(draw)) | moved
            if not moved.triggered:
                self._enter({name: present.choose(draw)})

    def _state(self, name: str) -> str:
        states = self.scope.states(name)
        assert states is not None
        return states[int(self.get(name))]

    def _present(self) -> dict[str, str]:
        return {name: self._state(name) for name in self._moved} | {STATE: STATES[self.state]}

    def _enter(self, wanted: Mapping[str, str]) -> None:
        """Enter states; targets, rates and wear follow."""
        for name, state in wanted.items():
            if self._state(name) == state:
                continue
            codes = {text: code for code, text in (self.scope.states(name) or {}).items()}
            self.put(name, float(codes[state]))
            moved, self._moved[name] = self._moved[name], self.env.event()
            if moved.callbacks:
                moved.succeed()
            self._tell(name, state)
        self._follow()
        self.adapt_wear()

    def _follow(self) -> None:
        """Set targets and rates to the present states."""
        present = self._present()
        for name, level in self.scope.levels().items():
            value = level_at(level, present)
            if self._level.get(name) == value:
                continue
            self._level[name] = value
            if self.scope.behaviours[name].counter is not None:
                self.ramp(name, value)
            else:
                self._aim(name, value)

    def _aim(self, name: str, target: float) -> None:
        setpoint = self.scope.behaviours[name].setpoint
        assert setpoint is not None
        if setpoint.lag:
            self.relax(name, target)
        else:
            self.put(name, target)

    def _tell(self, channel: str, state: str) -> None:
        for event in self.config.events:
            if event.when.get(channel) == state:
                self.tell(event.name, event.text, event.severity)

    # --- commands ------------------------------------------------------------------------------------------------

    def _obey(self, name: str, command: Command) -> str | Work:
        if self.state in (State.MAINTENANCE, State.FAILED):
            raise CommandRefused(f"interlock: equipment is in {STATES[self.state]}")
        what = self.config.commands[name]
        interlock = self.scope.interlocks.get(name)
        if interlock is not None and not bool(interlock(self._now)):
            raise CommandRefused(what.because)
        targets = {c: self._arg(command, a) if isinstance(a, ArgConfig) else a for c, a in what.set.items()}
        seconds = self._arg(command, what.for_) if isinstance(what.for_, ArgConfig) else (what.for_ or 0) / NS
        for channel, target in targets.items():
            self._aim(channel, target)
        for counter in what.reset:
            behaviour = self.scope.behaviours[counter].counter
            assert behaviour is not None
            self.put(counter, behaviour.initial, self._level.get(counter, 0.0))
        self._enter(what.state)
        if what.for_ is not None:
            return self._for(seconds, what)
        return ", ".join([f"{c} to {v:g}" for c, v in targets.items()] + [f"{c} {s}" for c, s in what.state.items()]
                         + [f"{c} reset" for c in what.reset])  # fmt: skip

    def _for(self, seconds: float, what: CommandDefinition) -> Work:
        overtaken = [self._moved[name] for name in what.then]
        yield self.seconds(seconds)
        mine = {
            name: state
            for (name, state), moved in zip(what.then.items(), overtaken, strict=True)
            if self._moved[name] is moved
        }
        self._enter(mine)
        told = ", ".join(f"{c} {s}" for c, s in mine.items()) or "another command came between"
        return f"after {seconds:.0f} s: {told}"

    def _arg(self, command: Command, arg: ArgConfig) -> float:
        return self.number(command, arg.arg, arg.low, arg.high, arg.default)

    def _now(self, name: str) -> Value:
        """Return the present value of a name, for interlocks."""
        head, _, tail = name.partition(".")
        t = np.array([self.now], dtype=np.int64)
        if head == "env":
            return self.host.weather.now(tail, self.now)
        if head == "wear":
            return self.components[tail].wear
        if head == "param":
            return self.config.params[tail]
        if head == "here":
            place = self.spec.position
            return float("nan") if place is None else place.lat if tail == "lat" else place.lon
        if name == "hour":
            return float(hour_of_day(self.host.weather.utc(t))[0])
        if name == "workday":
            return float(is_workday(self.host.weather.utc(t))[0])
        return self.get(name)
