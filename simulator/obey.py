"""How equipment answers a command: refused, or done at once, or accepted and later done or failed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, Protocol

import simpy

from core.command import Command, CommandResult, Status
from core.errors import CommandFailed, CommandRefused
from core.spec import CommandSpec, DeviceSpec
from simulator.host import Host

#: a process that takes time; its return value tells what was done
Work = Generator[simpy.Event, Any, str]
Handler = Callable[[Command], str | Work]


class Obedient(Protocol):
    """What takes commands."""

    spec: DeviceSpec
    host: Host

    @property
    def commands(self) -> tuple[CommandSpec, ...]:
        """Commands it knows."""
        ...

    def handlers(self) -> Mapping[str, Handler]:
        """Return what they do: a text (done at once) or a process."""
        ...


def obey(asset: Obedient, command: Command) -> None:
    """Carry out a command and answer it."""
    answer(asset, command, lambda: _handler(asset, command)(command))


def answer(asset: Obedient, command: Command, carry_out: Callable[[], str | Work]) -> None:
    """Answer a command by what carrying it out says: at once, later by its process, or the reason of a refusal."""
    try:
        outcome = carry_out()
    except CommandRefused as reason:
        _answer(asset, command, "refused", str(reason))
        return
    if isinstance(outcome, str):
        _answer(asset, command, "done", outcome)
        return
    _answer(asset, command, "accepted", f"{command.name} accepted")
    asset.host.env.process(_finish(asset, command, outcome))


def _handler(asset: Obedient, command: Command) -> Handler:
    known = {c.name: c for c in asset.commands}
    spec = known.get(command.name)
    if spec is None:
        raise CommandRefused(f"unknown command {command.name}; known: {', '.join(known) or 'none'}")
    strange = command.args.keys() - spec.args.keys()
    if strange:
        raise CommandRefused(f"unknown argument {min(strange)}; known: {', '.join(spec.args) or 'none'}")
    return asset.handlers()[command.name]


def _finish(asset: Obedient, command: Command, work: Work) -> Generator[simpy.Event, Any, None]:
    try:
        detail = yield from work
    except CommandFailed as reason:
        _answer(asset, command, "failed", str(reason))
    else:
        _answer(asset, command, "done", detail)


def _answer(asset: Obedient, command: Command, status: Status, detail: str) -> None:
    t = asset.host.start + int(asset.host.env.now)
    asset.host.emit(CommandResult(command.id, asset.spec.path, status, detail, t))
