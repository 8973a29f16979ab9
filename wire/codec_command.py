"""Commands, results, events and node states of guideline v1."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from core.command import Cause, Command, CommandResult, Event, NodeState, Severity, Status
from core.errors import RejectedError
from wire.codec_birth import Id, Sid
from wire.json_text import read, time_ns, time_text
from wire.topics import Topic, check_id

CommandId = Annotated[str, Meta(min_length=1, max_length=200)]


class CauseJson(Struct, frozen=True):
    """The row that led to a command."""

    stream: str
    sid: int
    seq: int
    t: int | float | str


class CommandPayload(Struct, frozen=True, omit_defaults=True):
    """Payload of ``command`` (gateway to device) and ``request`` (platform to gateway)."""

    id: CommandId
    name: Id
    issuer: Annotated[str, Meta(min_length=1, max_length=200)]
    expires: int | float | str
    args: dict[str, float | str] = {}
    t: int | float | str = 0
    cause: CauseJson | None = None
    sig: Annotated[str, Meta(max_length=200)] = ""


class ResultPayload(Struct, frozen=True, omit_defaults=True):
    """Payload of ``result``."""

    id: CommandId
    status: Status
    t: int | float | str
    detail: Annotated[str, Meta(max_length=2000)] = ""


class EventPayload(Struct, frozen=True):
    """Payload of ``event``."""

    t: int | float | str
    name: Id
    severity: Severity = "info"
    text: Annotated[str, Meta(max_length=2000)] = ""


class StatePayload(Struct, frozen=True, omit_defaults=True):
    """Payload of ``state``. ``last`` maps ``device/stream`` (or a stream of the device that is the node) to the
    last row number sent."""

    online: bool
    sid: Sid = 0
    last: dict[str, Annotated[int, Meta(ge=-1)]] = {}


_ENCODER = msgspec.json.Encoder()
_COMMAND = msgspec.json.Decoder(CommandPayload)
_RESULT = msgspec.json.Decoder(ResultPayload)
_EVENT = msgspec.json.Decoder(EventPayload)
_STATE = msgspec.json.Decoder(StatePayload)


def encode_command(command: Command) -> bytes:
    """Return the payload of a command or request."""
    cause = command.cause
    return _ENCODER.encode(
        CommandPayload(
            command.id,
            command.name,
            command.issuer,
            time_text(command.expires),
            dict(command.args),
            time_text(command.t),
            None if cause is None else CauseJson(cause.stream, cause.sid, cause.seq, time_text(cause.t)),
            command.signature,
        )
    )


def decode_command(topic: Topic, payload: bytes) -> Command:
    """Return the command; ``t`` is 0 where the issuer gave none. Raises DecodeError or RejectedError."""
    raw = read(_COMMAND, payload)
    cause = raw.cause
    return Command(
        id=raw.id,
        device=topic.path,
        name=raw.name,
        issuer=raw.issuer,
        t=time_ns(raw.t),
        expires=time_ns(raw.expires),
        args=raw.args,
        cause=None if cause is None else Cause(cause.stream, cause.sid, cause.seq, time_ns(cause.t)),
        signature=raw.sig,
    )


def encode_result(result: CommandResult) -> bytes:
    """Return the payload of a result."""
    return _ENCODER.encode(ResultPayload(result.id, result.status, time_text(result.t), result.detail[:2000]))


def decode_result(topic: Topic, payload: bytes) -> CommandResult:
    """Return the result. Raises DecodeError or RejectedError."""
    raw = read(_RESULT, payload)
    return CommandResult(raw.id, topic.path, raw.status, raw.detail, time_ns(raw.t))


def encode_event(event: Event) -> bytes:
    """Return the payload of an event."""
    return _ENCODER.encode(EventPayload(time_text(event.t), event.name, event.severity, event.text[:2000]))


def decode_event(topic: Topic, payload: bytes) -> Event:
    """Return the event. Raises DecodeError or RejectedError."""
    raw = read(_EVENT, payload)
    return Event(topic.path, raw.name, raw.text, time_ns(raw.t), raw.severity)


def encode_state(state: NodeState) -> bytes:
    """Return the payload of a node state; ``last`` is keyed by stream path and goes as ``device/stream``."""
    last = {"/".join(path.split("/")[-2:]): seq for path, seq in state.last.items()}
    return _ENCODER.encode(StatePayload(state.online, state.sid, last))


def decode_state(topic: Topic, payload: bytes) -> NodeState:
    """Return the node state with full stream paths in ``last``. Raises DecodeError or RejectedError."""
    raw = read(_STATE, payload)
    last: dict[str, int] = {}
    for key, seq in raw.last.items():
        parts = key.split("/")
        if len(parts) > 2:
            raise RejectedError("bad-id", f"last: {key[:80]!r} (write device/stream)")
        device, stream = parts if len(parts) == 2 else (topic.device, key)
        check_id(device, "device")
        last[f"{topic.site}/{topic.area}/{device}/{check_id(stream, 'stream')}"] = seq
    return NodeState(topic.path, raw.online, raw.sid, last)
