"""Commands on their way to equipment: who may, is it in time, has it been seen, where does it go, what came of it.

A command is checked while the group that carries it is being put together, so its audit line (the command
itself, or the refusal) is committed together with the row or message that led to it. It is handed to the link
after that commit, and only once: an id that is known never moves equipment again. What was committed
and not answered when the process died is sent by the next one, if it is still in time: devices know ids they had.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from core.catalog import Catalog
from core.clock import NS, RunClock, mono_ns, wall_ns
from core.command import FINAL, Cause, Command, CommandResult, Status
from core.config import Config, Duration
from core.errors import CommandRefused, WireError
from core.metrics import Metrics
from core.spec import DeviceSpec
from gateway.issuers import IssuerKey, Issuers
from gateway.links import Sends

log = logging.getLogger(__name__)

PROTOCOL_COMMANDS = frozenset({"rebirth", "replay"})


class CommandConfig(Config):
    """``issuers``: prefixes that may command; ``users``: names behind ``user:`` (empty: all);
    ``per_minute``: commands one device takes from one issuer; ``timeout``: wall time without any answer after which
    a command has failed, ``work``: the same after the device has accepted it (maintenance takes its time);
    ``remember``: ids kept to recognise repetition. ``signed``: what comes from outside (requests, not our own rules)
    must bear the signature of one of ``keys``, and end within ``life`` (run time), so that none can be played back
    once its id is forgotten.
    """

    issuers: tuple[str, ...] = ("rule:", "policy:", "user:")
    users: tuple[str, ...] = ()
    per_minute: int = 60
    timeout: Duration = 60 * NS
    work: Duration = 86_400 * NS
    send_timeout: Duration = 10 * NS
    remember: int = 10_000
    signed: bool = False
    keys: tuple[IssuerKey, ...] = ()
    life: Duration = 3600 * NS


class Home(Protocol):
    """Finds the link of a device."""

    def __call__(self, device: DeviceSpec) -> Sends | None:
        """Return the link that reaches a device, None where there is none."""
        ...


@dataclass(slots=True)
class _Known:
    """A command seen: its last status; ``since`` monotonic ns while it awaits a final answer, else 0;
    ``heard``: the device has said that it accepts.
    """

    device: str
    status: Status
    expires: int
    since: int
    heard: bool = False
    trace: str = ""


class CommandRouter:
    """Decides on commands and follows them to their final result.

    Parameters
    ----------
    config
        Who may, how often, how long.
    catalog, clock, metrics
        Shared.
    home
        Finds the link of a device.
    on_results
        Takes results that arise outside a read (no answer, link down): they are buffered and published.
    """

    def __init__(
        self,
        config: CommandConfig,
        catalog: Catalog,
        clock: RunClock,
        metrics: Metrics,
        home: Home,
        on_results: Callable[[Sequence[CommandResult]], None],
    ) -> None:
        self.config, self.catalog, self.clock, self.metrics = config, catalog, clock, metrics
        self.issuers = Issuers(config.keys, config.signed)
        self._home, self._on_results = home, on_results
        self._unsent: dict[str, Command] = {}
        self._left: list[Command] = []
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._recent: dict[tuple[str, str], deque[int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def knows(self, ident: str) -> bool:
        """Tell whether a command of this id has been seen."""
        return ident in self._known

    def repeated(self, command: Command) -> CommandResult | None:
        """Return what is known of a command that was seen before, else None."""
        known = self._known.get(command.id)
        if known is None:
            return None
        self.metrics.count("commands_repeated")
        return CommandResult(command.id, known.device, known.status, "seen before", self._now(), command.trace)

    def forged(self, command: Command) -> CommandResult | None:
        """Return why a command from outside is not its issuer's. Such a one leaves no mark: its id stays free."""
        refusal = self.issuers.forgery(command) or self._endless(command)
        if not refusal:
            return None
        self.metrics.count("commands_refused")
        self.metrics.count("commands_forged")
        return self._outcome(command, "refused", refusal)

    def check(self, command: Command) -> CommandResult | None:
        """Admit a new command (None), or return why not."""
        refusal = self._refusal(command)
        late = not refusal and self._expired(command.expires)
        self._remember(command, "expired" if late else "refused" if refusal else "accepted")
        if late:
            self.metrics.count("commands_expired")
            refusal = "expired before it was sent"
        elif refusal:
            self.metrics.count("commands_refused")
        if refusal:
            return self._outcome(command, "expired" if late else "refused", refusal)
        self.metrics.count("commands_sent")
        self._unsent[command.id] = command
        return None

    def dispatch(self, commands: Sequence[Command]) -> None:
        """Hand admitted commands, whose audit lines are committed, to their links; order per device is kept."""
        for command in commands:
            task = asyncio.get_running_loop().create_task(self._send(command), name=f"command {command.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def heard(self, result: CommandResult) -> bool:
        """Note a device's answer; False if it says nothing new (then it is neither stored nor told again)."""
        known = self._known.get(result.id)
        if known is None:
            self._known[result.id] = _Known(result.device, result.status, 0, 0, True)
            self._trim()
            return True
        if known.status in FINAL:
            return False
        if result.status == "accepted":
            first, known.heard = not known.heard, True
            return first
        self._end(known, result.status)
        return True

    def overdue(self, now: int) -> list[CommandResult]:
        """Return results for commands whose device did not answer in time; ``now`` is monotonic ns."""
        out: list[CommandResult] = []
        for ident, known in self._known.items():
            if known.since == 0 or known.status in FINAL:
                continue
            if now - known.since > (self.config.work if known.heard else self.config.timeout):
                late = self._expired(known.expires)
                status: Status = "expired" if late else "failed"
                self._end(known, status)
                why = "no answer from the device"
                out.append(CommandResult(ident, known.device, status, why, self._now(), known.trace))
        return out

    def abandon(self) -> list[CommandResult]:
        """Return results for all commands that still await an answer, at the end of a run: none will come."""
        waiting = [(i, k) for i, k in self._known.items() if k.since and k.status not in FINAL]
        for _, known in waiting:
            self._end(known, "expired")
        return [
            CommandResult(
                ident, known.device, "expired", "the run ended before the device answered", self._now(), known.trace
            )
            for ident, known in waiting
        ]

    def restore(self, command: Command) -> None:
        """Note a command that was admitted before a restart."""
        if command.id not in self._known:
            self._remember(command, "accepted")
            self._unsent[command.id] = command

    def settle(self) -> None:
        """After a restart: take up what was committed and has no answer; :meth:`resume` sends it."""
        self._left = [c for c in self._unsent.values() if self._open(c.id)]
        self._unsent = {c.id: c for c in self._left}

    def resume(self, reachable: Callable[[DeviceSpec], bool]) -> None:
        """Send what an earlier process had committed and not sent, as soon as its device can be reached."""
        if not self._left:
            return
        waiting = [c for c in self._left if self._open(c.id)]
        ready = [c for c in waiting if c.device in self.catalog.devices and reachable(self.catalog.devices[c.device])]
        self._left = [c for c in waiting if c not in ready]
        self.metrics.count("commands_resumed", len(ready))
        self.dispatch(ready)

    async def close(self) -> None:
        """Let sends under way end, at most a second; cancel the rest."""
        if self._tasks:
            _, pending = await asyncio.wait(set(self._tasks), timeout=1.0)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    def trace(self, ident: str) -> str:
        """Return the trace of a command that is known, else nothing."""
        known = self._known.get(ident)
        return "" if known is None else known.trace

    def pending(self) -> int:
        """Return how many commands await their final answer."""
        return sum(1 for k in self._known.values() if k.since and k.status not in FINAL)

    def dump(self) -> list[list[Any]]:
        """Return the state as JSON-ready values (monotonic times do not outlive a process)."""
        unsent = self._unsent = {ident: command for ident, command in self._unsent.items() if self._open(ident)}
        return [
            [ident, *asdict(known).values(), asdict(unsent[ident]) if ident in unsent else None]
            for ident, known in self._known.items()
        ]

    def load(self, state: list[list[Any]]) -> None:
        """Take over the state of :meth:`dump`; what was pending gets the full time again."""
        now = mono_ns()
        for ident, device, status, expires, since, heard, *more in state:
            trace, unsent = more or ("", None)
            self._known[ident] = _Known(device, status, expires, now if since else 0, heard, trace)
            if unsent is not None:
                cause = unsent["cause"] and Cause(**unsent["cause"])
                self._unsent[ident] = Command(**{**unsent, "cause": cause})

    def _refusal(self, command: Command) -> str:
        """Return why a command may not go, empty if it may."""
        if not command.issuer.startswith(self.config.issuers):
            return f"issuer {command.issuer!r} is not known here"
        user = command.issuer.removeprefix("user:")
        if user != command.issuer and self.config.users and user not in self.config.users:
            return f"user {user!r} may not command"
        device = self.catalog.devices.get(command.device)
        if device is None:
            return f"no device {command.device}"
        spec = next((c for c in device.commands if c.name == command.name), None)
        if spec is None and command.name not in PROTOCOL_COMMANDS:
            return f"{command.device} knows no command {command.name!r}"
        unknown = [a for a in command.args if a not in spec.args] if spec is not None else []
        if unknown:
            return f"{command.name} has no argument {unknown[0]!r}"
        outside = self.issuers.outside(command, device)
        if outside:
            return outside
        if self._too_often(command):
            return f"more than {self.config.per_minute} commands a minute from {command.issuer}"
        if self._home(device) is None:
            return f"no source carries commands to {command.device}"
        return ""

    def _endless(self, command: Command) -> str:
        """Return why a command is good for too long, empty if it is not."""
        now = self.clock.now()
        if not self.config.signed or now is None or 0 < command.expires <= now + self.config.life:
            return ""
        return f"expires too late: a signed command ends within {self.config.life // NS} s"

    def _open(self, ident: str) -> bool:
        known = self._known.get(ident)
        return known is not None and known.status == "accepted" and not known.heard

    def _too_often(self, command: Command) -> bool:
        if len(self._recent) > self.config.remember:  # issuers make names up: what is remembered of them is bounded
            self._recent.clear()
        recent = self._recent.setdefault((command.issuer, command.device), deque())
        now = mono_ns()
        while recent and now - recent[0] > 60 * NS:
            recent.popleft()
        if len(recent) >= self.config.per_minute:
            return True
        recent.append(now)
        return False

    def _remember(self, command: Command, status: Status) -> None:
        since = mono_ns() if status == "accepted" else 0
        self._known[command.id] = _Known(command.device, status, command.expires, since, trace=command.trace)
        self._trim()

    def _trim(self) -> None:
        while len(self._known) > self.config.remember:
            ident, _ = self._known.popitem(last=False)
            self._unsent.pop(ident, None)

    def _end(self, known: _Known, status: Status) -> None:
        known.status, known.since = status, 0 if status in FINAL else known.since
        if status in FINAL:
            self.metrics.count(f"commands_{status}")

    def _expired(self, expires: int) -> bool:
        now = self.clock.now()
        return now is not None and 0 < expires < now

    def _now(self) -> int:
        return self.clock.now() or wall_ns()

    async def _send(self, command: Command) -> None:
        """Send one command behind those sent to the same device before it."""
        lock = self._locks.setdefault(command.device, asyncio.Lock())
        async with lock:
            result = await self._sent(command)
        if result is not None and self.heard(result):
            self._on_results([result])

    async def _sent(self, command: Command) -> CommandResult | None:
        device = self.catalog.devices[command.device]
        link = self._home(device)
        if self._expired(command.expires):
            return self._outcome(command, "expired", "expired before it was sent")
        if link is None:
            return self._outcome(command, "failed", "no link to the device")
        try:
            async with asyncio.timeout(self.config.send_timeout / NS):
                await link.send(command)
        except CommandRefused as error:
            return self._outcome(command, "refused", str(error))
        except (WireError, TimeoutError) as error:
            log.warning("command %s to %s: %s", command.id, command.device, error or "no answer")
            detail = f"could not be sent: {error}" if str(error) else "could not be sent in time"
            return self._outcome(command, "failed", detail)
        return None

    def _outcome(self, command: Command, status: Status, detail: str) -> CommandResult:
        return CommandResult(command.id, command.device, status, detail, self._now(), command.trace)
