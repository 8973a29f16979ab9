"""The audit trail: who commanded what, when, with which result; and who was turned away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from core.clock import MS
from core.command import Command, CommandResult, Event

#: events that belong to the trail
EVENTS = frozenset(
    {
        "login-refused",
        "publish-denied",
        "certificate-refused",
        "tls-refused",
        "command-repeated",
        "page-login",
        "page-login-refused",
    }
)


def trail(
    commands: Iterable[Command], results: Iterable[CommandResult], events: Iterable[Event]
) -> list[dict[str, Any]]:
    """Return one line for each command and refusal, newest first; ``t`` in ms, ``result`` is the last that came."""
    last: dict[str, CommandResult] = {}
    for result in results:
        last[result.id] = result
    told = [_command(command, last.get(command.id)) for command in commands]
    told += [_event(event) for event in events if event.name in EVENTS]
    return sorted(told, key=lambda line: line["t"], reverse=True)


def _command(command: Command, result: CommandResult | None) -> dict[str, Any]:
    return {
        **_when(command.t),
        "who": command.issuer,
        "key": command.signature.partition(":")[0],
        "what": command.name,
        "args": dict(command.args),
        "device": command.device,
        "result": "pending" if result is None else result.status,
        "detail": "" if result is None else result.detail,
        "id": command.id,
        "trace": command.trace,
    }


def _event(event: Event) -> dict[str, Any]:
    who, _, detail = event.text.partition(": ")
    empty = {"key": "", "args": {}, "id": "", "trace": ""}
    return {**_when(event.t), **empty, "who": who, "what": event.name, "device": event.device,
            "result": "done" if event.name == "page-login" else "refused", "detail": detail}  # fmt: skip


def _when(t: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(t / 1e9, UTC).isoformat(timespec="milliseconds")
    return {"t": t // MS, "when": moment}
