"""What a host application knows of an edge node: its session, its aliases, the order of its messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from core.errors import RejectedError
from wire.session import Message
from wire.sparkplug.births import Born, Slot
from wire.sparkplug.life import SEQ_WRAP
from wire.sparkplug.names import SparkplugTopic
from wire.sparkplug.payload import Metric, Payload

_HALF = SEQ_WRAP // 2


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message of an edge node, decoded."""

    topic: SparkplugTopic
    payload: Payload
    message: Message


@dataclass(slots=True)
class DeviceSession:
    """A device (or the edge node itself) between birth and death. ``last_t``: time of its last row, ns."""

    born: Born
    online: bool = True
    last_t: int = 0
    texts: dict[str, str] = field(default_factory=dict)


class NodeSession:
    """One edge node. Times are monotonic ns.

    Messages carry numbers 0 to 255 in turn. One that is ahead waits for those before it; after the reorder
    time-out it is taken as it is, and a birth is due: aliases may have changed in what is missing.
    """

    def __init__(self, group: str, node: str) -> None:
        self.group, self.node = group, node
        self.online = False
        self.bdseq = -1
        self.gaps = self.births = 0
        self.devices: dict[str, DeviceSession] = {}
        self.asked = 0
        self.gone: set[str] = set()  # devices that were told to be offline
        self.rebirths: list[tuple[str, str]] = []  # (command id, device) that wait for the next birth
        self._met: set[str] = set()
        self._aliases: dict[int, tuple[str, Slot]] = {}
        self._expected = 0
        self._ahead: dict[int, Incoming] = {}
        self._since = 0

    @property
    def waiting(self) -> int:
        """When the oldest message began to wait for one before it, 0: none does."""
        return self._since if self._ahead else 0

    def begin(self, bdseq: int, seq: int) -> list[Incoming]:
        """Begin a session (NBIRTH numbered ``seq``); returns what still waited in the old one."""
        left = [self._ahead.pop(at) for at in self._in_turn()]
        self.online, self.bdseq = True, bdseq
        self.births += 1
        self.devices.clear()
        self._aliases.clear()
        self._expected = (seq + 1) % SEQ_WRAP
        return left

    def end(self) -> list[DeviceSession]:
        """End the session (NDEATH); returns the devices that were online: their values are stale now."""
        gone = {name: device for name, device in self.devices.items() if device.online}
        self.lapse()
        self.gone |= gone.keys()
        return list(gone.values())

    def lapse(self) -> None:
        """End the session for want of listening: nobody died, but what was said is not known."""
        self.online, self.asked = False, 0
        self._ahead.clear()
        for device in self.devices.values():
            device.online = False

    def back(self, name: str, catalogued: bool) -> bool:
        """Tell whether a birth brings a device back: it was gone, or is known from before this process."""
        first = name not in self._met
        self._met.add(name)
        if name in self.gone:
            self.gone.remove(name)
            return True
        return first and catalogued

    def arrived(self, incoming: Incoming, now: int) -> list[Incoming]:
        """Take a message in; returns those whose turn it is."""
        seq = incoming.payload.seq
        if seq is None:
            return [incoming]
        distance = (seq - self._expected) % SEQ_WRAP
        if distance >= _HALF:
            return [incoming]  # late, or here before: its rows tell
        if distance:
            if not self._ahead:
                self._since = now
            if seq in self._ahead:
                return [incoming]
            self._ahead[seq] = incoming
            return []
        self._expected = (seq + 1) % SEQ_WRAP
        return [incoming, *self._next()]

    def overdue(self, now: int, limit: int) -> list[Incoming]:
        """Return what has waited too long for a message that did not come: a gap."""
        if not self._ahead or now - self._since < limit:
            return []
        self.gaps += 1
        out: list[Incoming] = []
        for seq in self._in_turn():
            out.append(self._ahead.pop(seq))
            self._expected = (seq + 1) % SEQ_WRAP
        return out

    def introduce(self, name: str, born: Born) -> DeviceSession:
        """Take up a birth; ``name`` is empty for the node itself.

        Raises RejectedError ``duplicate-alias`` where another device has an alias: it could mean either.
        """
        aliases = {slot.alias: slot for slot in born.slots.values() if slot.alias is not None}
        if len(aliases) < sum(slot.alias is not None for slot in born.slots.values()):
            raise RejectedError("duplicate-alias", "two metrics of a birth have the same alias")
        for alias in aliases:
            owner = self._aliases.get(alias, (name,))[0]
            if owner != name:
                raise RejectedError("duplicate-alias", f"alias {alias} belongs to {owner or 'the edge node'!r}")
        self._aliases = {alias: known for alias, known in self._aliases.items() if known[0] != name}
        self._aliases |= {alias: (name, slot) for alias, slot in aliases.items()}
        session = self.devices[name] = DeviceSession(born)
        return session

    def slot(self, name: str, metric: Metric) -> Slot | None:
        """Return what a metric of a device is, by name or alias; None if its birth did not tell."""
        if metric.name:
            return self.devices[name].born.slots.get(metric.name)
        known = self._aliases.get(metric.alias) if metric.alias is not None else None
        return known[1] if known is not None and known[0] == name else None

    def _next(self) -> Iterator[Incoming]:
        while (incoming := self._ahead.pop(self._expected, None)) is not None:
            self._expected = (self._expected + 1) % SEQ_WRAP
            yield incoming

    def _in_turn(self) -> list[int]:
        return sorted(self._ahead, key=lambda seq: (seq - self._expected) % SEQ_WRAP)
