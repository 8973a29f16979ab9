"""What all equipment has in common: the state machine, commands with interlocks, wear, faults, repair."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from numpy.typing import NDArray

from core import eventlog, seed
from core.command import Command
from core.errors import CommandFailed, CommandRefused
from core.spec import CommandSpec, DeviceSpec
from simulator import obey
from simulator.body import Body
from simulator.body import Steps as Steps
from simulator.equipment.base import EquipmentConfig
from simulator.faults import Effect, FaultKind, WearFault
from simulator.host import Host
from simulator.process.flow import Flow
from simulator.state import Column, StateTable
from simulator.states import COMMON, DOWN, STATES, State
from simulator.wear.component import Component, PathPool

if TYPE_CHECKING:
    from simulator.view import View

Work = obey.Work


class Asset(Body):
    """A device's behaviour in events. Subclasses give columns, processes and the vectorised truth.

    Parameters
    ----------
    config
        Its entry in the domain file.
    spec
        Its identity.
    table, row
        Where its state lives.
    pools
        Wear paths of its fleet, by component.
    host
        The world.
    """

    columns: ClassVar[Mapping[str, Column]] = {}
    commands: ClassVar[tuple[CommandSpec, ...]] = COMMON
    faults: ClassVar[Mapping[str, FaultKind]] = {}
    #: states in which components wear
    working: ClassVar[frozenset[State]] = frozenset({State.RUNNING})

    def __init__(
        self,
        config: EquipmentConfig,
        spec: DeviceSpec,
        table: StateTable,
        row: int,
        pools: Mapping[str, PathPool],
        host: Host,
    ) -> None:
        super().__init__(spec, table, row, host)
        self.config = config
        self.components: dict[str, Component] = {}
        self.inputs: tuple[Flow, ...] = ()
        self.outputs: tuple[Flow, ...] = ()
        self._pools = pools
        self._resume = State.IDLE
        self._off = False  # stopped on purpose: by a command or by the calendar
        self._effects: dict[str, int] = {}

    # --- for subclasses to write -------------------------------------------------------------------------

    def run(self) -> Steps:
        """Live: the process that begins with the world. The default just runs."""
        self.enter(State.RUNNING)
        yield self.env.timeout(0)

    def stress(self, component: str) -> float:
        """Return the wear rate of a component while working, without faults (1: nominal load)."""
        return 1.0

    def handlers(self) -> dict[str, Callable[[Command], str | Work]]:
        """Return what commands do: a text (done at once) or a process whose return value is the text."""
        return {"start": self._start, "stop": self._stop, "maintain": self._maintain, "derate": self._derate}

    def interlock(self) -> str:
        """Return why it must not start now; empty: it may."""
        return ""

    def repair_s(self, component: Component) -> float:
        """Return how long the repair of a failed component takes, in s."""
        return self.host.service.repair_s

    def on_effect(self, fault: str, size: float) -> None:
        """React to a physical fault beginning (size > 0) or ending (0)."""

    def ends(self) -> int | None:
        """Return the simulated ns from which it has nothing more to report; None: never."""
        return None

    @classmethod
    def truth(cls, stream: str, view: View) -> Mapping[str, NDArray[Any] | float]:
        """Return the true value of every channel of a stream: float64[n, d], [1, d] or a number."""
        raise NotImplementedError

    def adapt_wear(self) -> None:
        """Set every component's wear rate to the present state, load and faults."""
        for name, component in self.components.items():
            working = self.state in self.working
            component.run_at(self.stress(name) * component.factor if working else 0.0)

    # --- life ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Install components, connect flows and start the process."""
        self.inputs = tuple(self.host.flows.input(name) for name in self.config.inputs)
        self.outputs = tuple(self.host.flows.output(name) for name in self.config.outputs)
        for name, model in self.config.wears().items():
            component = Component(
                name,
                model,
                lambda k, name=name: seed.generator(self.host.root, self.spec.path, name, k),  # type: ignore[misc]
                self._table,
                self._row,
                self._pools[name],
                self.env,
                self._fail,
            )
            component.install()
            self.components[name] = component
        self.env.process(self.run())

    def _fail(self, component: Component) -> None:
        self.host.truth.life(self.spec.path, component, self.now, "failure")
        self._resume = State.RUNNING if self.state in DOWN else self.state
        self.enter(State.FAILED)
        self.tell("failure", f"{component.name} failed after {component.age_s / 3600:.1f} h of wear", "alarm")
        self.env.process(self._repair(component))

    def _repair(self, component: Component) -> Steps:
        with self.host.crew.request(priority=2 * self.config.priority) as crew:
            if not crew.triggered:
                self.tell(eventlog.REPAIR_WAIT, eventlog.compose(component=component.name, busy=self.host.crew.count))
            yield crew
            self.tell(eventlog.REPAIR_BEGIN, eventlog.compose(component=component.name))
            yield self.seconds(self.repair_s(component))
        self._renew([component])
        self.enter(State.STOPPED if self._off else self._resume)
        self.tell("repaired", f"{component.name} replaced after failure")

    def _renew(self, components: list[Component]) -> None:
        for component in components:
            component.install()
            self.host.truth.ended(self.spec.path, component.name, self.now)
        for fault in [f for f in self._effects if self._is_repaired(f)]:
            self._end_effect(fault)

    def _is_repaired(self, fault: str) -> bool:
        kind = self.faults[fault]
        return isinstance(kind, Effect) and kind.repaired

    # --- faults ----------------------------------------------------------------------------------------------

    def strike(self, fault: str, args: Mapping[str, float | str]) -> None:
        """Begin a physical fault."""
        kind = self.faults[fault]
        if isinstance(kind, WearFault):
            component = self.components[kind.component]
            left_s = component.life.path.life_s - component.age_s
            component.factor = kind.factor(args, left_s, self.stress(kind.component))
            self.adapt_wear()
            self.host.truth.began(
                self.spec.path, fault, kind.component, self.now, json.dumps(dict(args), sort_keys=True)
            )
            return
        size = float(args.get("size", kind.size))
        self._effects[fault] = self.now
        self.put(f"fault.{fault}", size)
        self.on_effect(fault, size)
        self.host.truth.began(self.spec.path, fault, "", self.now, json.dumps(dict(args), sort_keys=True))

    def heal(self, fault: str) -> None:
        """End a physical fault; nothing happens if it ended already."""
        kind = self.faults[fault]
        if isinstance(kind, WearFault):
            self.components[kind.component].factor = 1.0
            self.adapt_wear()
            self.host.truth.ended(self.spec.path, kind.component, self.now)
        elif fault in self._effects:
            self._end_effect(fault)

    def _end_effect(self, fault: str) -> None:
        del self._effects[fault]
        self.put(f"fault.{fault}", 0.0)
        self.on_effect(fault, 0.0)
        self.host.truth.ended(self.spec.path, fault, self.now)

    # --- commands ----------------------------------------------------------------------------------------------

    def handle(self, command: Command) -> None:
        """Carry out a command and answer it."""
        obey.obey(self, command)

    def number(self, command: Command, name: str, low: float, high: float, default: float | None = None) -> float:
        """Return a numeric argument within limits; refuses anything else."""
        value = command.args.get(name, default)
        if isinstance(value, str) or value is None:
            raise CommandRefused(f"argument {name} must be a number")
        if not low <= value <= high:
            raise CommandRefused(f"{name} {value:g} is outside {low:g} to {high:g}")
        return float(value)

    def _start(self, command: Command) -> str:
        if self.state in (State.MAINTENANCE, State.FAILED):
            raise CommandRefused(f"interlock: equipment is in {STATES[self.state]}")
        if self.state is not State.STOPPED:
            return "already started"
        if reason := self.interlock():
            raise CommandRefused(f"interlock: {reason}")
        self._off = False
        self.enter(self._resume)
        return "started"

    def _stop(self, command: Command) -> str:
        if self.state in (State.MAINTENANCE, State.FAILED):
            raise CommandRefused(f"interlock: equipment is in {STATES[self.state]}")
        if self.state is State.STOPPED:
            return "already stopped"
        self._off, self._resume = True, self.state
        self.enter(State.STOPPED)
        return "stopped"

    def follow_calendar(self, working: bool) -> None:
        """Follow the shift calendar: stop or go on; what is down does so when it is up again."""
        if working is not self._off:
            return
        self._off = not working
        if working and self.state is State.STOPPED:
            self.enter(self._resume)
        elif not working and self.state not in DOWN:
            self._resume = self.state
            self.enter(State.STOPPED)

    def _derate(self, command: Command) -> str:
        factor = self.number(command, "factor", 0.1, 1.0)
        self.put("derate", factor)
        self.on_state(self.state, self.state)
        self.adapt_wear()
        return f"derated to {factor:.0%}"

    def _maintain(self, command: Command) -> Work:
        if self.state in (State.MAINTENANCE, State.FAILED):
            raise CommandRefused(f"interlock: equipment is in {STATES[self.state]}")
        parts = str(command.args.get("parts", "")) or "all"
        chosen = [c for name, c in self.components.items() if parts == "all" or name in parts.split(",")]
        if not chosen and parts != "all":
            raise CommandRefused(f"no component {parts}; there are: {', '.join(self.components) or 'none'}")
        duration = self.number(command, "duration", 0.0, 30 * 86_400.0, self.host.service.maintain_s)
        return self._service(chosen, duration)

    def _service(self, components: list[Component], duration_s: float) -> Work:
        with self.host.crew.request(priority=2 * self.config.priority + 1) as crew:
            if not crew.triggered:
                self.tell(eventlog.MAINTAIN_WAIT, eventlog.compose(busy=self.host.crew.count))
            yield crew
            if self.state in (State.FAILED, State.MAINTENANCE):
                raise CommandFailed(f"equipment was in {STATES[self.state]} when the crew came")
            interlocked = self.state is State.STOPPED and not self._off
            if self.state is not State.STOPPED:
                self._resume = self.state
            self.enter(State.MAINTENANCE)
            self.tell("maintenance", "maintenance begins")
            yield self.seconds(duration_s)
        for component in components:
            self.host.truth.life(self.spec.path, component, self.now, "maintenance")
        self._renew(components)
        self.enter(State.STOPPED if self._off or interlocked else self._resume)
        names = ", ".join(c.name for c in components)
        self.tell("maintained", f"replaced: {names}" if names else "maintained")
        return f"maintained in {duration_s:.0f} s" + (f", replaced {names}" if names else "")
