"""Commands on their way into the world: taken from any thread, once each, expired by the run clock."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from core.clock import wall_ns
from core.command import Command, CommandResult

_REMEMBER = 10_000


@dataclass(frozen=True, slots=True)
class Received:
    """A command and the wall time (ns) of its arrival."""

    command: Command
    arrived: int


class Inbox:
    """Queue of commands, idempotent by id.

    Parameters
    ----------
    on_arrival
        Told of every accepted command, in the caller's thread.
    refusal
        Why every command is refused (a world that repeats a command log takes no others); empty: it is not.
    """

    def __init__(self, on_arrival: Callable[[Received], None] | None = None, refusal: str = "") -> None:
        self.duplicates = 0
        self._refusal = refusal
        self._on_arrival = on_arrival
        self._lock = threading.Lock()
        self._waiting: list[Received] = []
        self._seen: OrderedDict[str, None] = OrderedDict()

    def put(self, command: Command) -> bool:
        """Queue a command; returns False if its id came before. Any thread; the form of ``OnCommand``."""
        received = Received(command, wall_ns())
        with self._lock:
            if command.id in self._seen:
                self.duplicates += 1
                return False
            self._seen[command.id] = None
            if len(self._seen) > _REMEMBER:
                self._seen.popitem(last=False)
            self._waiting.append(received)
        if self._on_arrival is not None:
            self._on_arrival(received)
        return True

    def take(self, now: int) -> tuple[list[Received], list[CommandResult]]:
        """Return what waits and is valid at run time ``now`` (ns UTC), and the answers to what is not taken."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        if self._refusal:
            return [], [CommandResult(r.command.id, r.command.device, "refused", self._refusal, now) for r in waiting]
        valid = [r for r in waiting if r.command.expires > now]
        expired = [r.command for r in waiting if r.command.expires <= now]
        return valid, [CommandResult(c.id, c.device, "expired", "came too late", now) for c in expired]
