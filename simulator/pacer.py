"""The pacer: the only place where simulated time meets the wall clock.

One quantum after the other: wait until it is due, take in commands, run events, render, publish. A quantum is cut at
the end of the run, at logged commands and at ticks. It never skips: when late it says so and goes on.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Protocol_
from typing import TextIO, runtime_checkable

import numpy as np

from core.batch import Batch
from core.clock import MS, NS, wall_ns
from core.command import Command, CommandResult, Event
from core.metrics import Metrics
from core.ports import Publisher
from core.spec import Protocol
from simulator.commandlog import Logged, log_line
from simulator.digest import EventHash, RowHash, note_line
from simulator.inbox import Inbox, Received
from simulator.world import World

_REMEMBER = 4096


_LOOPS = {"rule": "edge_loop", "policy": "policy_loop"}


@runtime_checkable
class KeepsTime(Protocol_):
    """A publisher that is called every quantum, rows or not: messages are under way on the links it simulates."""

    def link_counts(self) -> dict[str, int]:
        """Return what the links did to messages."""
        ...

    def lost_by_link(self) -> dict[str, int]:
        """Return the rows that links lost for good, by stream path."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How a run goes.

    Attributes
    ----------
    speed
        Simulated seconds a wall second; 0: as fast as possible.
    quantum
        ns of simulated time between publications.
    until
        Simulated ns at which production ends; None: until told.
    tick
        ns, a period at whose multiples quanta are cut as well; 0: none.
    anchor
        Wall ns that corresponds to simulated time 0; 0: when the run begins.
    """

    speed: float = 1.0
    quantum: int = 50 * MS
    until: int | None = None
    tick: int = 0
    anchor: int = 0


@dataclass(slots=True)
class Counts:
    """What the pacer did; spans in ns."""

    quanta: int = 0
    overruns: int = 0
    behind: int = 0
    worst: int = 0
    rows: int = 0
    values: int = 0
    commands: int = 0
    late: deque[int] = field(default_factory=lambda: deque(maxlen=_REMEMBER))


class Pacer:
    """Drives a world and hands its rows over.

    Parameters
    ----------
    world
        Fast-forwarded to simulated time 0.
    publishers
        One for each protocol; the same object may serve several.
    inbox
        Where publishers put commands; ``inbox.put`` is the callback.
    command_log, event_log
        Files (JSON lines) to append to.
    replay_commands
        Commands of a log, applied at their logged instants.
    row_hash
        Whether rows are hashed.

    Attributes
    ----------
    emitted : int64[streams]
        Rows emitted of each stream, by catalog index.
    drained
        Set when production has ended and publishers are flushed.
    """

    def __init__(
        self,
        world: World,
        publishers: Mapping[Protocol, Publisher],
        pace: Pace = Pace(),
        *,
        inbox: Inbox | None = None,
        metrics: Metrics | None = None,
        command_log: Path | None = None,
        event_log: Path | None = None,
        replay_commands: Sequence[Logged] = (),
        row_hash: bool = False,
    ) -> None:
        self.world = world
        self.pace = pace
        self.metrics = metrics or Metrics()
        self.counts = Counts()
        self.emitted = np.zeros(len(world.catalog.streams), dtype=np.int64)
        self.drained = asyncio.Event()
        self.rows = RowHash(world.catalog) if row_hash else None
        self.events = EventHash()
        self.inbox = inbox or Inbox()
        self._publishers = dict(publishers)
        self._command_path = command_log
        self._event_path = event_log
        self._replay = deque(sorted(replay_commands, key=lambda entry: entry.at))
        self._ending = asyncio.Event()
        self._published: deque[tuple[int, int]] = deque(maxlen=_REMEMBER)  # (end of quantum, wall ns)
        self._routes = [(p, _speakers(world, protocols)) for p, protocols in _distinct(self._publishers)]
        self._command_file: TextIO | None = None
        self._event_file: TextIO | None = None

    async def run(self) -> None:
        """Announce the devices and produce until ``until``, `drain` or `stop`; then flush and return.

        Publishers must be open, and stay open as long as the caller wants them to serve.
        """
        with ExitStack() as files:
            if self._command_path is not None:
                self._command_file = files.enter_context(self._command_path.open("a", encoding="utf-8"))
            if self._event_path is not None:
                self._event_file = files.enter_context(self._event_path.open("a", encoding="utf-8"))
            await self._announce()
            await self._produce()
            for publisher, _ in self._routes:
                await publisher.flush()
        self.drained.set()

    def drain(self) -> None:
        """End production after the present quantum; `run` flushes and returns."""
        self._ending.set()

    def received(self, received: Received) -> None:
        """Note how long a loop took: from publication of the cause to the arrival of the command."""
        cause = received.command.cause
        loop = _LOOPS.get(received.command.issuer.partition(":")[0])
        if cause is None or loop is None:
            return
        ends = list(self._published)
        at = bisect_right(ends, (cause.t - self.world.start, 1 << 62))
        if at < len(ends):
            self.metrics.time(loop, received.arrived - ends[at][1])

    def emitted_by_stream(self) -> dict[str, int]:
        """Return rows emitted, by stream path."""
        counts = self.emitted.tolist()
        return {entry.path: counts[entry.index] for entry in self.world.catalog.streams if counts[entry.index]}

    def status(self) -> dict[str, float]:
        """Return figures for a status line; spans in ms."""
        c = self.counts
        return {
            "t": self.world.start + self.world.now,
            "sim_s": self.world.now / NS,
            "rows": c.rows,
            "values": c.values,
            "quanta": c.quanta,
            "overruns": c.overruns,
            "behind_ms": c.behind / MS,
            "worst_ms": c.worst / MS,
            "commands": c.commands,
        }

    def links(self) -> dict[str, float]:
        """Return what simulated links did to messages, all together; spans in ms."""
        total: Counter[str] = Counter()
        for publisher, _ in self._routes:
            total.update(publisher.link_counts() if isinstance(publisher, KeepsTime) else {})
        sent = total["sent"]
        counts: dict[str, float] = {n: total[n] for n in ("sent", "lost", "retried", "duplicated", "reordered")}
        spans = {"delay_ms": total["delay_ns"] / MS / max(sent, 1), "worst_ms": total["worst_ns"] / MS}
        return {**counts, "outages": total["outages"], **{name: round(ms, 1) for name, ms in spans.items()}}

    def lost_by_link(self) -> dict[str, int]:
        """Return the rows that links lost and nobody sends again, by stream path."""
        lost: dict[str, int] = {}
        for publisher, _ in self._routes:
            lost |= publisher.lost_by_link() if isinstance(publisher, KeepsTime) else {}
        return lost

    async def _announce(self) -> None:
        for publisher, protocols in _distinct(self._publishers):
            await publisher.announce([d for d in self.world.devices if set(d.protocols) & protocols])

    async def _produce(self) -> None:
        anchor = self.pace.anchor or wall_ns()
        t0 = self.world.now
        while not self._ending.is_set() and (self.pace.until is None or t0 < self.pace.until):
            t1 = self._quantum_end(t0)
            await self._wait(anchor, t1)
            await self._step(t0, t1)
            self._account(anchor, t1)
            t0 = t1

    def _quantum_end(self, t0: int) -> int:
        q, tick = self.pace.quantum, self.pace.tick
        ends = [(t0 // q + 1) * q]
        if tick:
            ends.append((t0 // tick + 1) * tick)
        if self.pace.until is not None:
            ends.append(self.pace.until)
        ends += [entry.at for entry in self._replay if entry.at > t0][:1]
        return min(ends)

    async def _wait(self, anchor: int, t1: int) -> None:
        """Sleep until the quantum's end is due; draining wakes it."""
        left = self._due(anchor, t1) - wall_ns() if self.pace.speed > 0 else 0
        if left <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(left / NS):  # wait_for may swallow a cancellation before Python 3.12
                await self._ending.wait()
        except TimeoutError:
            return

    def _due(self, anchor: int, t1: int) -> int:
        return anchor + round(t1 / self.pace.speed)

    async def _step(self, t0: int, t1: int) -> None:
        expired = self._take_commands(t0)
        self.world.advance(t1)
        batches = self.world.render(t0, t1)
        notes = self.world.notes()
        self._count(batches)
        self._log_events(notes)
        self._published.append((t1, wall_ns()))
        await self._publish(batches, [*notes, *expired])

    def _take_commands(self, t0: int) -> list[CommandResult]:
        while self._replay and self._replay[0].at <= t0:
            self._apply(self._replay.popleft().command, t0)
        received, expired = self.inbox.take(self.world.start + t0)
        for entry in received:
            self.received(entry)
            self._apply(entry.command, t0)
        return expired

    def _apply(self, command: Command, t0: int) -> None:
        self.counts.commands += 1
        if self._command_file is not None:
            self._command_file.write(log_line(Logged(t0, command)))
            self._command_file.flush()
        self.world.apply(command, t0)

    def _count(self, batches: Sequence[Batch]) -> None:
        for batch in batches:
            self.counts.rows += len(batch)
            self.counts.values += batch.values
            self.emitted += np.bincount(batch.stream, minlength=len(self.emitted))
            if self.rows is not None:
                self.rows.add(batch)

    def _log_events(self, notes: Sequence[Event | CommandResult]) -> None:
        self.events.add(notes)
        if self._event_file is not None and notes:
            self._event_file.writelines(note_line(note) for note in notes)
            self._event_file.flush()

    async def _publish(self, batches: Sequence[Batch], notes: Sequence[Event | CommandResult]) -> None:
        for publisher, (streams, devices) in self._routes:
            mine = [part for batch in batches if len(part := _spoken(batch, streams))]
            if mine or isinstance(publisher, KeepsTime):
                await publisher.publish(mine)
            told = [note for note in notes if note.device in devices]
            if told:
                await publisher.tell(told)

    def _account(self, anchor: int, t1: int) -> None:
        self.counts.quanta += 1
        if self.pace.speed <= 0 or self._ending.is_set():
            return
        behind = max(0, wall_ns() - self._due(anchor, t1))
        self.counts.behind = behind
        self.counts.worst = max(self.counts.worst, behind)
        if behind > self.pace.quantum / self.pace.speed:
            self.counts.overruns += 1


def _distinct(publishers: Mapping[Protocol, Publisher]) -> Iterable[tuple[Publisher, set[Protocol]]]:
    """Return every publisher once, with its protocols."""
    out: dict[int, tuple[Publisher, set[Protocol]]] = {}
    for protocol, publisher in publishers.items():
        out.setdefault(id(publisher), (publisher, set()))[1].add(protocol)
    return out.values()


def _speakers(world: World, protocols: set[Protocol]) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], set[str]]:
    """Return bool[streams] and the device paths of the devices that speak one of the protocols."""
    devices = {d.path for d in world.devices if set(d.protocols) & protocols}
    return np.array([entry.device in devices for entry in world.catalog.streams], dtype=np.bool_), devices


def _spoken(batch: Batch, streams: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Batch:
    rows = streams[batch.stream]
    return batch if bool(rows.all()) else batch.take(rows)
