"""Commands as metrics: for devices that announce commands, and ``write`` for those that only have metrics.

Sparkplug knows no answer to a command. Our devices report results as the metric ``Command/Result``; of a ``write``
a device that obeys reports the new value, which is then taken for the answer.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

from core.clock import MS, NS, mono_ns, wall_ns
from core.command import Command, CommandResult
from core.errors import CommandRefused, RejectedError
from wire.sparkplug.births import WRITE, Born, Slot
from wire.sparkplug.datatypes import TEXTS, DataType, to_wire
from wire.sparkplug.form import COMMANDS
from wire.sparkplug.payload import Metric, Properties

_WAIT_NS = 60 * NS
_MOST = 1000


def command_metrics(command: Command, born: Born) -> list[Metric]:
    """Return the metrics of a command; raises CommandRefused for what the device has not announced."""
    now = wall_ns() // MS
    if command.name == WRITE and born.writable:
        if not command.args:
            raise CommandRefused("write what? give a metric and its value")
        return [_written(born.writable.get(name), name, value, now) for name, value in command.args.items()]
    slot = born.slots.get(COMMANDS + command.name)
    if slot is None:
        raise CommandRefused(f"{command.device} has not announced {command.name!r}")
    out = [_metric(slot, DataType.BOOLEAN, True, now, _said(command))]
    for name, value in command.args.items():
        place = born.slots.get(f"{slot.name}/{name}")
        if place is None:
            raise CommandRefused(f"{command.name} has no argument {name!r}")
        out.append(_metric(place, _type(value), value, now))
    return out


def _metric(slot: Slot, datatype: int, value: object, now: int, said: Properties | None = None) -> Metric:
    """Return a metric by alias where the birth gave one: then the name must not be sent."""
    return Metric("" if slot.alias is not None else slot.name, datatype, value, now, slot.alias, said or {})


def _type(value: float | str) -> DataType:
    if isinstance(value, str):
        return DataType.STRING
    return DataType.INT64 if isinstance(value, int) else DataType.DOUBLE


def _said(command: Command) -> Properties:
    said: Properties = {
        "id": command.id,
        "issuer": command.issuer,
        "t": command.t,
        "expires": command.expires,
    }
    if command.cause is not None:
        cause = command.cause
        said["cause"] = {"stream": cause.stream, "sid": cause.sid, "seq": cause.seq, "t": cause.t}
    return said


def _written(slot: Slot | None, name: str, value: float | str, now: int) -> Metric:
    if slot is None:
        raise CommandRefused(f"the device has no metric {name!r} to write")
    try:
        fitting = _fit(slot.datatype, value)
        to_wire(slot.datatype, fitting)
    except (RejectedError, ValueError, OverflowError) as error:
        raise CommandRefused(f"{name} cannot be {value!r}: {error}") from error
    return _metric(slot, slot.datatype, fitting, now)


def _fit(datatype: int, value: float | str) -> object:
    if datatype in TEXTS:
        return str(value)
    number = float(value)
    if datatype in (DataType.FLOAT, DataType.DOUBLE):
        return number
    if not number.is_integer():
        raise ValueError("a whole number is wanted")
    return int(number)


@dataclass(slots=True)
class _Expected:
    command: Command
    left: dict[str, Any]
    since: int


class Writes:
    """Writes that wait for the device to report the values."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[_Expected]] = {}

    def expect(self, command: Command, born: Born) -> None:
        """Wait for the values of a write."""
        left = {born.writable[name].name: float(value) for name, value in command.args.items()}
        queue = self._waiting.setdefault(command.device, deque(maxlen=_MOST))
        queue.append(_Expected(command, left, mono_ns()))

    def seen(self, device: str, metric: str, value: Any) -> list[CommandResult]:
        """Take note of a reported value; returns the writes that it completes."""
        queue = self._waiting.get(device)
        if not queue or isinstance(value, str) or value is None:
            return []
        while queue and mono_ns() - queue[0].since > _WAIT_NS:
            queue.popleft()
        done = []
        for item in list(queue):
            wanted = item.left.get(metric)
            if wanted is not None and math.isclose(wanted, float(value), rel_tol=1e-6, abs_tol=1e-9):
                del item.left[metric]
            if not item.left:
                queue.remove(item)
                done.append(CommandResult(item.command.id, device, "done", "the device reports the values", wall_ns()))
        return done
