"""Where messages wait for their device's birth."""

from __future__ import annotations

from collections.abc import Iterator

from core.clock import mono_ns
from wire.session import Message


class Parking:
    """Messages by device path, bounded in time (``span_ns``) and bytes."""

    def __init__(self, span_ns: int, max_bytes: int) -> None:
        self.span_ns, self.max_bytes = span_ns, max_bytes
        self.bytes = 0
        self._waiting: dict[str, list[tuple[int, Message]]] = {}

    def __len__(self) -> int:
        return sum(len(messages) for messages in self._waiting.values())

    def put(self, device: str, message: Message) -> bool:
        """Park a message; returns False where there is no room."""
        if self.bytes + len(message.payload) > self.max_bytes:
            return False
        self.bytes += len(message.payload)
        self._waiting.setdefault(device, []).append((mono_ns() + self.span_ns, message))
        return True

    def take(self, device: str) -> list[Message]:
        """Return and forget what waits for a device, in the order of arrival."""
        messages = [message for _, message in self._waiting.pop(device, ())]
        self.bytes -= sum(len(message.payload) for message in messages)
        return messages

    def expired(self) -> list[Message]:
        """Return and forget what waited too long."""
        now, out = mono_ns(), []
        for device, messages in list(self._waiting.items()):
            late = [message for deadline, message in messages if deadline <= now]
            if late:
                out += late
                self._waiting[device] = messages[len(late) :]
                self.bytes -= sum(len(message.payload) for message in late)
                if not self._waiting[device]:
                    del self._waiting[device]
        return out

    def devices(self) -> Iterator[str]:
        """Yield the devices that something waits for."""
        yield from self._waiting
