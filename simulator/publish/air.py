"""What is under way on one link: messages wait here for as long as the simulated network takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from core import seed
from simulator.network import Lane, Network
from wire.session import Qos


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message of rows ``first`` to ``last`` of a stream with ``channels`` values each."""

    topic: str
    payload: bytes
    path: str
    first: int
    last: int
    channels: int
    qos: Qos = 1
    trace: str = ""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.last - self.first + 1


@dataclass(slots=True)
class Air:
    """The messages of one connection between the device and the broker, by simulated time.

    ``send`` takes those that arrive. ``counts``: messages sent, retried, duplicated, reordered, lost; delays in ns.
    """

    lane: Lane
    network: Network
    send: Callable[[Parcel], None]
    counts: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    ended: bool = False
    _under_way: list[tuple[int, int, Parcel]] = field(default_factory=list)
    _keys: dict[str, int] = field(default_factory=dict)
    _number: int = 0
    _latest: int = 0
    _busy: int = 0
    _then: int = 0

    def put(self, parcel: Parcel, confirmed: bool = False) -> None:
        """Send a message now; ``confirmed`` ones are sent again until they arrive."""
        now = self.network.now()
        if self.ended or (self.lane.perfect and not self.lane.troubles):
            self.send(parcel)
            return
        link, config = self.lane.link, self.lane.link.config
        load = self.network.load(now) if config.congestion else 0.0
        retry = 2_000_000_000 if confirmed else 0
        passage = link.carry(
            self._key(parcel.path), parcel.first + confirmed * (1 << 40), now, load, self.lane.worse(now), retry
        )
        self.counts["sent"] += 1
        self.counts["retried"] += passage.attempts - 1
        self.counts["duplicated"] += len(passage.delays) > 1
        self.counts["reordered"] += passage.reordered
        start = now if config.lora is None else self._on_air(now, parcel, passage.attempts)
        if not passage.delays:
            self.counts["lost"] += 1
            if not confirmed:
                self.lost[parcel.path] += parcel.rows
        for delay in passage.delays:
            self._wait(start + delay, now, passage.reordered, parcel)

    def drop(self, path: str, rows: int) -> None:
        """Count rows that were made while the link was out and were not kept to be sent."""
        self.lost[path] += rows

    def release(self) -> None:
        """Let arrive what is due: rounded to the nearest call."""
        now = self.network.now()
        due, self._then = now + (now - self._then) // 2, now
        while self._under_way and self._under_way[0][0] <= due:
            self.send(heappop(self._under_way)[-1])

    def end(self) -> None:
        """Let everything arrive, and from now on at once: simulated time stands still."""
        self.ended = True
        while self._under_way:
            self.send(heappop(self._under_way)[-1])

    def _wait(self, due: int, now: int, reordered: bool, parcel: Parcel) -> None:
        if self.lane.link.config.ordered and not reordered:
            due = self._latest = max(due, self._latest)
        self.counts["delay_ns"] += due - now
        self.counts["worst_ns"] = max(self.counts["worst_ns"], due - now)
        self._number += 1
        heappush(self._under_way, (due, self._number, parcel))

    def _on_air(self, now: int, parcel: Parcel, attempts: int) -> int:
        """Return when the last packet of a message is through: a device sends one after the other."""
        lora = self.lane.link.config.lora
        assert lora is not None
        rows = parcel.rows * attempts
        begin = max(now, self._busy)
        self._busy = begin + rows * lora.row_busy(parcel.channels)
        self.counts["air_ns"] += rows * lora.row_air(parcel.channels)
        return self._busy - lora.windows

    def _key(self, path: str) -> int:
        if path not in self._keys:
            self._keys[path] = seed.key(self.lane.link.key, path)
        return self._keys[path]
