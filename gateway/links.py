"""What a source can do besides reading; asked for with ``isinstance``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from core.command import Command, CommandResult
from core.metrics import Metrics


@runtime_checkable
class Sends(Protocol):
    """Carries commands to its devices (``core.ports.CommandLink``)."""

    async def send(self, command: Command) -> None:
        """Hand a command to its device; raises WireError or CommandRefused."""
        ...


@runtime_checkable
class Replays(Protocol):
    """Can ask a device for rows again."""

    async def ask_replay(self, device_path: str, stream: str, sid: int, first: int, last: int) -> None:
        """Ask for the rows ``first..last`` of a start; they come as ordinary rows."""
        ...


@runtime_checkable
class PublishesResults(Protocol):
    """Tells everyone what became of a command (MQTT topic ``result``)."""

    async def publish_result(self, result: CommandResult) -> None:
        """Publish a result in the device's name."""
        ...


@runtime_checkable
class Resumes(Protocol):
    """Can read its devices' history from where the gateway left off."""

    def resume(self, positions: Mapping[str, int]) -> None:
        """Take the last time (ns) seen of each stream path."""
        ...


@runtime_checkable
class Counts(Protocol):
    """Counts what it meets: messages, rejections, requests for births."""

    metrics: Metrics


@runtime_checkable
class Polls(Protocol):
    """Makes rows by asking: what is emitted is what was due to be asked for."""

    def polled(self) -> Sequence[str]:
        """Return the paths of the streams whose rows are polls."""
        ...

    def finish(self) -> None:
        """Ask no more, and say up to which row was due."""
        ...
