"""What goes back to equipment, what it answers, and what devices tell in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Literal

Status = Literal["accepted", "done", "refused", "failed", "expired"]
Severity = Literal["info", "warning", "alarm"]
FINAL: frozenset[Status] = frozenset({"done", "refused", "failed", "expired"})


@dataclass(frozen=True, slots=True)
class Cause:
    """The row that led to a command."""

    stream: str
    sid: int
    seq: int
    t: int

    def trace(self) -> str:
        """Return the trace id of the row: the same wherever it is worked out, 32 hex digits as W3C traces have."""
        return blake2b(
            f"{self.stream}|{self.sid}|{self.seq}|{self.t if self.seq < 0 else ''}".encode(), digest_size=16
        ).hexdigest()


@dataclass(frozen=True, slots=True)
class Command:
    """A request to a device, idempotent by ``id``; times are ns UTC run time.

    ``issuer`` names who asks (``rule:<name>``, ``policy:<name>``, ``user:<name>``); ``signature`` proves it
    (:mod:`wire.signing`), empty: none. ``trace`` (32 hex digits) follows the row that led here to the result.
    """

    id: str
    device: str
    name: str
    issuer: str
    t: int
    expires: int
    args: dict[str, float | str] = field(default_factory=dict)
    cause: Cause | None = None
    signature: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What the equipment did about a command; ``detail`` is the reason or the effect in words."""

    id: str
    device: str
    status: Status
    detail: str
    t: int
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in words; ``name`` is a stable code such as ``failure`` or ``repaired``."""

    device: str
    name: str
    text: str
    t: int
    severity: Severity = "info"


@dataclass(frozen=True, slots=True)
class NodeState:
    """A connection came or went. ``node`` is ``site/area/node``; ``last`` maps stream paths to the last row
    number sent, given where the node takes its leave in order."""

    node: str
    online: bool
    sid: int = 0
    last: dict[str, int] = field(default_factory=dict)
