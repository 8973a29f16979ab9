"""The messages a publisher keeps for a while, so that it can send them again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from core.command import Command, Status
from core.spec import CommandSpec, DeviceSpec, Name
from wire.codec_rows_out import Outgoing

_NO_END = 1 << 62
#: announced by every device here: without it nobody would ask for missing rows
REPLAY = CommandSpec(
    "replay", {"stream": "1", "sid": "1", "from": "1", "to": "1"}, Name("행 다시 보내기", "Send rows again")
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A data message and when it was made (wall ns)."""

    made: int
    path: str
    message: Outgoing


class Ring:
    """Messages by stream path, as long as ``span_ns`` and ``max_bytes`` allow; the oldest go first."""

    def __init__(self, span_ns: int, max_bytes: int) -> None:
        self.span_ns, self.max_bytes = span_ns, max_bytes
        self.bytes = 0
        self._all: deque[Kept] = deque()
        self._streams: dict[str, deque[Kept]] = {}

    def add(self, now: int, path: str, message: Outgoing) -> None:
        """Keep a message of a stream."""
        kept = Kept(now, path, message)
        self._all.append(kept)
        self._streams.setdefault(path, deque()).append(kept)
        self.bytes += len(message.payload)
        while self._all and (self.bytes > self.max_bytes or now - self._all[0].made > self.span_ns):
            old = self._all.popleft()
            self._streams[old.path].popleft()
            self.bytes -= len(old.message.payload)

    def find(self, path: str, first: int, last: int, sid: int | None = None) -> list[Outgoing]:
        """Return the messages that hold rows ``first`` to ``last`` of a stream (of one start, if given)."""
        return [
            kept.message
            for kept in self._streams.get(path, ())
            if kept.message.last >= first and kept.message.first <= last and sid in (None, kept.message.sid)
        ]

    def asked(self, command: Command) -> tuple[list[Outgoing], Status, str]:
        """Return what a ``replay`` asks for, and the answer to it.

        ``stream`` by name, ``from`` and ``to`` are row numbers, both included; ``sid`` bounds it to one start.
        """
        args = command.args
        try:
            first, last = int(args.get("from", 0)), int(args.get("to", _NO_END))
            sid = int(args["sid"]) if "sid" in args else None
        except (ValueError, OverflowError):
            return [], "refused", "from, to and sid are row numbers"
        found = self.find(f"{command.device}/{args.get('stream', '')}", first, last, sid)
        if not found:
            return [], "failed", "these rows are not kept any more"
        return found, "done", f"rows {max(first, found[0].first)} to {min(last, found[-1].last)}"


def with_replay(device: DeviceSpec, keeps: bool = True) -> DeviceSpec:
    """Return a device that announces ``replay`` if its rows are kept, and only then."""
    others = tuple(command for command in device.commands if command.name != REPLAY.name)
    return replace(device, commands=(*others, REPLAY) if keeps else others)
