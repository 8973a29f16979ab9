"""What the run is doing now, in memory, bounded: fed by the platform process, read by pages and API.

Feeding is cheap (columns in, columns kept). One lock makes it safe to feed from one thread and serve from
another; nothing slow happens under it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.command import FINAL, Command, CommandResult, Event
from core.finding import Finding, Prognosis, WorkOrder
from core.ports import Note
from core.spec import DeviceSpec, StreamSpec
from portal import health as doctor
from portal.hops import Loop
from portal.run import RunInfo
from portal.story import Story
from portal.values import Board

MAX_STREAMS = 50_000
KEEP_NOTES = 2_000
RING_STEP_NS = NS
HEALTH_EVERY_NS = NS


class LiveState:
    """The present of a run.

    Feed it with :meth:`announce`, :meth:`ingest`, :meth:`tell`, :meth:`status` and :meth:`set_phase`.

    Parameters
    ----------
    catalog
        Shared with the platform: devices that someone else adds to it appear by themselves.
    run
        Scenario, seed and run clock.
    """

    def __init__(self, catalog: Catalog, run: RunInfo) -> None:
        self.catalog = catalog
        self.run = run
        self.phase = "starting"
        self.lock = RLock()
        self.loop = Loop()
        self.story = Story()
        self.version = 0
        self.announced = 0
        self.story_version = 0
        self.rows = 0
        self.values = 0
        self.ignored_rows = 0
        self.newest = 0
        self.counts: Counter[str] = Counter()
        self.notes: dict[type, deque[Note]] = {}
        self.latest_prognosis: dict[str, Prognosis] = {}
        self.active: dict[tuple[str, str], Finding] = {}
        self.offline: set[str] = set()
        self.results: OrderedDict[str, list[CommandResult]] = OrderedDict()
        self._boards: dict[str, Board] = {}
        self._home: dict[int, Board] = {}
        self._seated = 0
        self._health: dict[str, doctor.Health] = {}
        self._health_at = -HEALTH_EVERY_NS

    # -- feeding -----------------------------------------------------------------------------------------

    def announce(self, devices: Iterable[DeviceSpec]) -> None:
        """Add or replace devices in the catalog."""
        with self.lock:
            for device in devices:
                self.catalog.add(device)
            self.announced += 1

    def ingest(self, batches: Sequence[Batch]) -> None:
        """Keep the newest rows of committed batches."""
        step = round(RING_STEP_NS * max(1.0, self.run.clock.speed))
        with self.lock:
            self.version += 1
            for batch in batches:
                if len(batch):
                    self._ingest(batch, step)

    def _ingest(self, batch: Batch, step: int) -> None:
        board = self._boards.get(batch.layout.name)
        if board is None or len(board.layout.channels) != len(batch.layout.channels):
            board = self._boards[batch.layout.name] = Board(batch.layout)
        room = MAX_STREAMS - self._seated
        before = len(board.streams)
        self._seated += board.seat(batch.stream, room)
        for stream in board.streams[before:]:
            self._home[stream] = board
            self.announced += 1
        board.take(batch, self.version, step)
        self.rows += len(batch)
        self.values += batch.values
        self.newest = max(self.newest, int(batch.t.max()))
        if self._seated >= MAX_STREAMS:
            self.ignored_rows += int((board.slot_of[batch.stream] < 0).sum())

    def tell(self, notes: Sequence[Note]) -> None:
        """Keep findings, prognoses, work orders, commands, results and events."""
        with self.lock:
            for note in notes:
                self._tell(note)

    def _tell(self, note: Note) -> None:
        self.counts[type(note).__name__] += 1
        self.notes.setdefault(type(note), deque(maxlen=KEEP_NOTES)).append(note)
        self.newest = max(self.newest, note.t)
        match note:
            case Finding():
                key = (note.device, note.detector)
                self.active.pop(key, None)
                if note.active:
                    self.active[key] = note
            case Prognosis():
                self.latest_prognosis[note.device] = note
            case CommandResult():
                self._result(note)
            case Event(name="offline"):
                self.offline.add(note.device)
            case Event(name="online"):
                self.offline.discard(note.device)
        if self.story.tell(note):
            self.story_version += 1

    def _result(self, note: CommandResult) -> None:
        self.results.setdefault(note.id, []).append(note)
        if note.status in FINAL:
            self.counts[f"result.{note.status}"] += 1
        while len(self.results) > KEEP_NOTES:
            self.results.popitem(last=False)

    def status(self, role: str, values: Mapping[str, Any]) -> None:
        """Take in what a role reports about itself, about once a second."""
        with self.lock:
            self.loop.tell(role, values, mono_ns())
            if self.phase == "starting":
                self.phase = "running"

    def set_phase(self, phase: str) -> None:
        """Say where the run is: ``starting``, ``running``, ``draining`` or ``ended``."""
        self.phase = phase

    # -- reading -----------------------------------------------------------------------------------------

    def now(self) -> int:
        """Return run time in ns; at speed ``max``, or once ended, the time of the newest row."""
        now = self.run.clock.now() if self.phase in ("starting", "running") else None
        return now if now is not None else self.newest or self.run.clock.start

    @property
    def catalog_version(self) -> int:
        """A number that grows with every change of the catalog."""
        return self.announced + len(self.catalog.streams) + len(self.catalog.devices)

    def boards(self) -> Iterator[Board]:
        """Yield the boards of all layouts with rows."""
        yield from self._boards.values()

    def place(self, stream: int, spec: StreamSpec) -> tuple[Board, int] | None:
        """Return board and slot of a stream's latest row: of its own layout, else of what it was reduced to."""
        for board in (self._boards.get(spec.layout.name), self._home.get(stream)):
            if board is not None and board.slot(stream) >= 0:
                return board, board.slot(stream)
        return None

    def places(self, device: DeviceSpec) -> Iterator[tuple[StreamSpec, int, Board, int]]:
        """Yield (spec, stream index, board, slot) of a device's streams that have rows."""
        for spec in device.streams:
            entry = self.catalog.find(device.stream_path(spec.name))
            found = None if entry is None else self.place(entry.index, spec)
            if entry is not None and found is not None:
                yield spec, entry.index, *found

    def health(self) -> dict[str, doctor.Health]:
        """Return each device's health, judged at most once a second."""
        with self.lock:
            mono = mono_ns()
            if mono - self._health_at >= HEALTH_EVERY_NS or len(self._health) != len(self.catalog.devices):
                self._health_at = mono
                self._health = self._judge()
            return self._health

    def _judge(self) -> dict[str, doctor.Health]:
        devices = dict(self.catalog.devices)  # a reader in another thread may be adding
        running = self.phase in ("starting", "running")
        now = self.run.clock.now() if running else None
        observed = {
            path: doctor.of_values(
                ((board, slot, spec.period_ns) for spec, _, board, slot in self.places(device)),
                now,
                self.run.clock.speed,
            )
            for path, device in devices.items()
        }
        return doctor.judge(devices, doctor.from_findings(self.active.values()), self.offline, observed)

    def recent_notes(self, kind: type[Note], device: str = "", limit: int = 200) -> list[Note]:
        """Return the latest notes of a kind, newest first."""
        with self.lock:
            found = (n for n in reversed(self.notes.get(kind, ())) if not device or n.device == device)
            return [note for note, _ in zip(found, range(limit), strict=False)]

    def totals(self) -> dict[str, int]:
        """Return what the portal itself has counted."""
        c = self.counts
        return {
            "devices": len(self.catalog.devices),
            "streams": len(self.catalog.streams),
            "findings": c[Finding.__name__],
            "prognoses": c[Prognosis.__name__],
            "work_orders": c[WorkOrder.__name__],
            "commands": c[Command.__name__],
            **{status: c[f"result.{status}"] for status in sorted(FINAL)},
        }
