"""From a read to an acknowledged commit: validate, judge edge rules, buffer, and only then acknowledge.

Everything between a read and the hand-over to the buffer's queue happens in one step of the event loop, so the
memory of what has been seen and the order of records always agree.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, mono_ns, wall_ns
from core.command import Command, CommandResult, Event, NodeState
from core.errors import WireError
from core.metrics import Metrics
from core.ports import Ack, Arrival, Note
from core.spec import DeviceSpec
from gateway.buffer import Buffer, Group
from gateway.buffer_file import Entry
from gateway.commands import PROTOCOL_COMMANDS, CommandRouter
from gateway.deadletters import DeadLetters
from gateway.rules import Rules
from gateway.validate import Remarks, Validator

log = logging.getLogger(__name__)

PROMISES = 100_000
Tell = Callable[[Sequence[CommandResult]], Awaitable[None]]


@dataclass(slots=True)
class _Judged:
    """What one read comes to: records, admitted commands, results to tell."""

    entries: list[Entry] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    results: list[CommandResult] = field(default_factory=list)
    births: bool = False
    snapshot: bool = False


@dataclass(slots=True)
class _InFlight:
    group: Group
    judged: _Judged
    ack: Ack


class Pipeline:
    """Takes what sources read; commits it; then sends commands, tells results, acknowledges.

    ``home`` is told which source announced a device. ``dump`` makes the snapshot that goes with a commit.
    """

    def __init__(
        self,
        catalog: Catalog,
        validator: Validator,
        rules: Rules,
        router: CommandRouter,
        buffer: Buffer,
        letters: DeadLetters,
        metrics: Metrics,
        tell: Tell,
        dump: Callable[[], dict[str, object]],
        inflight: int = 64,
    ) -> None:
        self.catalog, self.validator, self.rules, self.router = catalog, validator, rules, router
        self.buffer, self.letters, self.metrics = buffer, letters, metrics
        self.inflight = inflight
        self.announced: dict[str, set[str]] = {}
        self.last_arrival = 0
        self.waiting: dict[str, int] = {}
        self._tell, self._dump = tell, dump
        self._queues: dict[str, asyncio.Queue[_InFlight]] = {}
        self._promised: dict[str, tuple[int, int]] = {}

    async def take(self, source: str, tells_results: bool, arrivals: Sequence[Arrival], ack: Ack) -> None:
        """Take one read of a source; returns when there is room for the next."""
        if self.buffer.full:  # what the snapshot does not cover could not be trimmed, and nothing would ever move
            self.append([], snapshot=True)
        await self.buffer.room()
        judged = _Judged()
        for arrival in arrivals:
            self._judge(source, tells_results, arrival, judged)
        if arrivals:
            self.last_arrival = mono_ns()
        group = self._commit(judged)
        self.waiting[source] = self.waiting.get(source, 0) + 1
        await self._queue(source).put(_InFlight(group, judged, ack))

    async def acknowledge(self, source: str) -> None:
        """Follow a source's groups: commit, then commands, results, acknowledgement. Runs until cancelled."""
        queue = self._queue(source)
        while True:
            flight = await queue.get()
            await flight.group.done
            self.router.dispatch(flight.judged.commands)
            if flight.judged.results:
                await self._tell(flight.judged.results)
            try:
                await flight.ack()
            except WireError as error:  # the connection is gone: the broker sends again, and we know the rows
                log.info("source %s: acknowledgement lost (%s)", source, error)
                self.metrics.count("acks_lost")
            self.waiting[source] -= 1

    async def settle(self, source: str) -> None:
        """Wait until the groups of a source are committed and acknowledged, a few seconds at most."""
        deadline = mono_ns() + 3 * NS
        while self.waiting.get(source) and mono_ns() < deadline:  # noqa: ASYNC110 - bounded, at an end only
            await asyncio.sleep(0.005)

    def append(self, notes: Sequence[Note], snapshot: bool = False) -> Group:
        """Commit notes that arise in the gateway itself."""
        judged = _Judged(snapshot=snapshot)
        if notes:
            now = wall_ns()
            judged.entries.append(Entry(list(notes), now, now))
        return self._commit(judged)

    def _commit(self, judged: _Judged) -> Group:
        began = mono_ns()
        snapshot = self._dump() if judged.snapshot or self.buffer.wants_snapshot(began) else None
        return self.buffer.put(judged.entries, judged.births, snapshot, mono_ns() - began)

    def _queue(self, source: str) -> asyncio.Queue[_InFlight]:
        queue = self._queues.get(source)
        if queue is None:
            queue = self._queues[source] = asyncio.Queue(self.inflight)
        return queue

    def _judge(self, source: str, tells_results: bool, arrival: Arrival, judged: _Judged) -> None:
        for device in arrival.births:
            self.announced.setdefault(device.path, set()).add(source)
            judged.births = True
            self._keep_promises(device)
        for topic, reason, payload in arrival.rejects:
            self.metrics.count("rejected")
            self.letters.add(source, topic, reason, payload)
        notes: list[Note] = []
        rows = 0
        for batch in arrival.batches:
            rows += self._judge_batch(source, batch, arrival, notes, judged)
        for state in arrival.states:
            self._judge_state(state)
        for note in arrival.notes:
            self._judge_note(note, tells_results, notes, judged)
        if notes:
            judged.entries.append(Entry(notes, arrival.arrived, arrival.sent))
        if rows and arrival.sent:
            self.metrics.time("ingest", arrival.arrived - arrival.sent, rows)

    def _judge_batch(self, source: str, batch: Batch, arrival: Arrival, notes: list[Note], judged: _Judged) -> int:
        if not len(batch):
            return 0
        remarks = Remarks()
        try:
            fresh = self.validator.check(batch, mono_ns(), remarks)
        except (ValueError, KeyError, IndexError) as error:  # rows that do not fit the catalog or each other
            log.exception("source %s: rows of %s cannot be judged", source, batch.layout.name)
            self.metrics.count("rejected", len(batch))
            self.letters.add(source, batch.layout.name, "unjudgeable", repr(error).encode())
            return 0
        for topic, reason, payload in remarks.letters:
            self.letters.add(source, topic, reason, payload)
        if remarks.notes:
            notes += remarks.notes
            judged.snapshot = True
        if not len(fresh):
            return 0
        judged.entries.append(Entry(fresh, arrival.arrived, arrival.sent))
        for command in self.rules.judge(fresh):
            self._admit(_traced(command, arrival.traces), notes, judged)
        return len(fresh)

    def _judge_state(self, state: NodeState) -> None:
        """Compare what a node says it has sent with what has come; a stream that is not born yet is remembered."""
        for path, last in state.last.items() if state.sid else ():
            entry = self.catalog.find(path)
            if entry is not None:
                self.validator.dedup.expect(entry.index, state.sid, last, mono_ns())
            elif len(self._promised) < PROMISES:
                self._promised[path] = (state.sid, last)

    def _keep_promises(self, device: DeviceSpec) -> None:
        """Expect the rows of a device that were announced before its birth came."""
        for stream in device.streams:
            entry = self.catalog.find(device.stream_path(stream.name))
            promise = self._promised.pop(entry.path, None) if entry is not None else None
            if entry is not None and promise is not None:
                self.validator.dedup.expect(entry.index, *promise, mono_ns())

    def _judge_note(self, note: Note, tells_results: bool, notes: list[Note], judged: _Judged) -> None:
        if isinstance(note, Command):
            self._ask(note if note.trace else _traced(note, {}), notes, judged)
        elif isinstance(note, CommandResult):
            if note.id.partition("-")[0] in PROTOCOL_COMMANDS and not self.router.knows(note.id):
                return  # the answer to a rebirth or replay that a source asked for itself
            if self.router.heard(note):
                note = note if note.trace else replace(note, trace=self.router.trace(note.id))
                notes.append(note)
                if not tells_results:
                    judged.results.append(note)
        else:
            notes.append(note)
            if isinstance(note, Event):
                self.metrics.count("events")

    def _ask(self, command: Command, notes: list[Note], judged: _Judged) -> None:
        """Decide on a command that comes from outside: its signature first, so that nobody learns from known ids."""
        forged = self.router.forged(command)
        if forged is not None:
            notes += (command, forged)
            judged.results.append(forged)
            return
        if self.router.config.signed and self.router.knows(command.id):
            text = f"{command.issuer} asked again for {command.name} {command.id}: it moves nothing twice"
            notes.append(
                Event(command.device, "command-repeated", text, self.router.clock.now() or wall_ns(), "warning")
            )
        self._admit(command, notes, judged)

    def _admit(self, command: Command, notes: list[Note], judged: _Judged) -> None:
        """Decide on a command; the audit line goes into the same commit as what led to it."""
        known = self.router.repeated(command)
        if known is not None:
            judged.results.append(known)
            return
        notes.append(command)
        refusal = self.router.check(command)
        if refusal is None:
            judged.commands.append(command)
        else:
            notes.append(refusal)
            judged.results.append(refusal)


def _traced(command: Command, traces: Mapping[tuple[str, int, int], str]) -> Command:
    """Return a command with the trace of the row that led to it: the one it came with, else its own."""
    cause = command.cause
    if cause is None:
        return replace(command, trace=blake2b(command.id.encode(), digest_size=16).hexdigest())
    return replace(command, trace=traces.get((cause.stream, cause.sid, cause.seq)) or cause.trace())
