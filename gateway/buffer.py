"""The durable buffer: one writer thread, group commit. A killed gateway restarts from it exactly.

Records hold accepted rows and notes by position. The catalog lies beside them, and so does a snapshot of what
the gateway remembers (rows seen, commands, rules) as of one position. The snapshot is renewed now and then; a
restart reads it and goes through the records after it, so every commit is as good as a fresh snapshot.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.config import Config, Duration
from core.metrics import Metrics
from core.spec import DeviceSpec
from gateway.buffer_file import FILE, TRIM_AT_ONCE, BufferFile, Entry, Writing, drained

log = logging.getLogger(__name__)

SNAPSHOT_SHARE = 500  # a snapshot takes at most 1/500 of the time
#: ns between two lines about a buffer that is full
_SAY_EVERY = 30 * NS


class BufferConfig(Config):
    """``full`` (more than ``limit_mb`` that no store has taken): ``lag`` stops acknowledging until the platform has
    caught up, so that devices and broker hold what comes; ``drop_oldest`` loses the oldest records, ``drop_newest``
    those that come, both loudly. ``synchronous``: NORMAL survives a killed process, FULL also a power loss.
    """

    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    limit_mb: float = 2048.0
    full: Literal["lag", "drop_oldest", "drop_newest"] = "lag"
    group: int = 2_000
    group_mb: float = 8.0
    snapshot_every: Duration = 2 * NS


@dataclass(slots=True)
class Group:
    """What is committed together."""

    entries: list[Entry]
    done: asyncio.Future[None]
    births: list[DeviceSpec] = field(default_factory=list)
    streams: list[tuple[int, str]] = field(default_factory=list)
    snapshot: dict[str, Any] | None = None


@dataclass(slots=True)
class Restored:
    """What a restart finds: the last snapshot and the records after it."""

    snapshot: dict[str, Any] | None
    records: Iterator[Entry]


class Buffer:
    """Writer side.

    Parameters
    ----------
    config
        Bounds.
    folder
        Where ``buffer.sqlite`` and ``drained.json`` lie.
    catalog
        Shared catalog; filled from the buffer by :meth:`open`, saved with every commit that follows a birth.
    metrics
        Counters.
    before
        Called in the writer thread before each commit (dead letters are put away there).
    """

    def __init__(
        self,
        config: BufferConfig,
        folder: Path,
        catalog: Catalog,
        metrics: Metrics,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self.config, self.folder, self.catalog, self.metrics = config, folder, catalog, metrics
        self.position = 0
        self.bytes = 0
        self.queued = 0
        self._before = before
        self._saved: dict[str, DeviceSpec] = {}
        self._saved_streams = 0
        self._snapshot_at = 0
        self._snapshot_due = config.snapshot_every
        self._snapshot_pos = 0
        self._trimmed_at = 0
        self._queue: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._file = BufferFile(folder / FILE, config.synchronous)
        self._said = -_SAY_EVERY
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()

    def open(self) -> Restored:
        """Open the file, fill the catalog, and return what the last run left. Raises StoreError."""
        found = self._file.open(self.catalog)
        self._saved = {device.path: device for device in found.births}
        self._saved_streams = len(found.paths)
        self.position, self.bytes, self._snapshot_pos = found.position, found.bytes, found.snapshot_pos
        return Restored(found.snapshot, self._file.records(found.snapshot_pos, self.catalog))

    @property
    def started(self) -> bool:
        """Tell whether the writer thread runs."""
        return self._thread is not None

    def start(self) -> None:
        """Start the writer thread; call inside the running loop, after the restored records were read."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write, name="buffer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Commit what is queued and end the thread."""
        if self._thread is not None:
            self._stop.set()
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None
        self._file.close()

    @property
    def full(self) -> bool:
        """Tell whether it holds more than it should."""
        return self.bytes > self.config.limit_mb * 1e6

    async def room(self) -> None:
        """Wait until the buffer takes more (policy ``lag``)."""
        if not self.full or self.config.full != "lag":
            return
        self.metrics.count("buffer_full")
        while self.full and not self._stop.is_set():
            self._say(f"holds {self.bytes / 1e6:.0f} MB: not acknowledging until the platform catches up")
            await asyncio.sleep(0.05)

    def put(
        self, entries: list[Entry], births: bool = False, snapshot: dict[str, Any] | None = None, took: int = 0
    ) -> Group:
        """Queue a group for commit and return it; ``group.done`` resolves after the commit.

        ``took``: ns that the snapshot took; the next one waits until that is a small share of the time.
        """
        assert self._loop is not None
        group = Group(entries, self._loop.create_future(), snapshot=snapshot)
        if births or len(self.catalog.streams) > self._saved_streams:
            self._note_births(group)
        if snapshot is not None:
            self._snapshot_at = mono_ns()
            self._snapshot_due = max(self.config.snapshot_every, SNAPSHOT_SHARE * took)
        self.queued += 1
        self._queue.put(group)
        return group

    def wants_snapshot(self, now: int) -> bool:
        """Tell whether it is time for a snapshot; ``now`` is monotonic ns."""
        return now - self._snapshot_at > self._snapshot_due

    def _note_births(self, group: Group) -> None:
        for path, device in self.catalog.devices.items():
            if self._saved.get(path) is not device:
                if self._saved.get(path) != device:
                    group.births.append(device)
                self._saved[path] = device
        group.streams = [(e.index, e.path) for e in self.catalog.streams[self._saved_streams :]]
        self._saved_streams = len(self.catalog.streams)

    def _write(self) -> None:
        """Body of the writer thread: commit whatever has come while the last commit ran."""
        while True:
            try:
                first = self._queue.get(timeout=0.5)
            except queue.Empty:
                self._trim()
                continue
            if first is None:
                return
            groups, ended = self._gather(first)
            self._commit(groups)
            self._trim()
            if ended:
                return

    def _gather(self, first: Group) -> tuple[list[Group], bool]:
        groups, records, size = [first], len(first.entries), _size(first)
        while records < self.config.group and size < self.config.group_mb * 1e6:
            try:
                group = self._queue.get_nowait()
            except queue.Empty:
                return groups, False
            if group is None:
                return groups, True
            groups.append(group)
            records += len(group.entries)
            size += _size(group)
        return groups, False

    def _commit(self, groups: Sequence[Group]) -> None:
        wait = 0.05
        while True:
            try:
                self._before()
                writings = [self._writing(group) for group in groups]
                position, size, snapshot_pos = self._file.insert(writings, self.position)
                break
            except sqlite3.Error as error:  # a full disk: lag and say so, rather than lose
                log.error("buffer cannot commit (%s); trying again in %.1f s", error, wait)
                self.metrics.count("buffer_errors")
                if self._stop.wait(wait):
                    return
                wait = min(wait * 2, 5.0)
        self.position = position
        self._snapshot_pos = self._snapshot_pos if snapshot_pos is None else snapshot_pos
        self.bytes += size
        self.metrics.count("commits")
        self.queued -= len(groups)
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_resolve, groups)
        except RuntimeError:
            log.debug("the loop ended before the last commit was told")

    def _writing(self, group: Group) -> Writing:
        """Return what is written of a group: all of it, or only its notes while the newest rows are dropped."""
        entries: Sequence[Entry] = group.entries
        if self.config.full == "drop_newest" and self.full:
            entries = [entry for entry in entries if not isinstance(entry.content, Batch)]
            if len(entries) < len(group.entries):
                self.metrics.count("buffer_dropped", len(group.entries) - len(entries))
                self._say(f"is over its limit: {self.metrics.counts['buffer_dropped']} new records are dropped", True)
        return Writing(entries, group.births, group.streams, group.snapshot)

    def _trim(self) -> None:
        """Delete what every store holds (and, over the limit with ``drop_oldest``, what none holds yet)."""
        if mono_ns() - self._trimmed_at < NS // 4:
            return
        self._trimmed_at = mono_ns()
        upto = min(drained(self.folder), self._snapshot_pos)
        try:
            if self.config.full == "drop_oldest" and self.full:
                upto = self._drop(upto)
            self.bytes -= self._file.delete(upto)
        except sqlite3.Error as error:
            log.warning("buffer cannot trim: %s", error)

    def _drop(self, upto: int) -> int:
        first = self._file.first()
        forced: int = min(first + TRIM_AT_ONCE, self._snapshot_pos)
        if forced > upto:
            self.metrics.count("buffer_dropped", forced - max(upto, first - 1))
            dropped = self.metrics.counts["buffer_dropped"]
            self._say(f"is over its limit: {dropped} records that no store had taken are dropped", True)
        return max(upto, forced)

    def _say(self, text: str, loss: bool = False) -> None:
        now = mono_ns()
        if now - self._said > _SAY_EVERY:
            self._said = now
            log.log(logging.ERROR if loss else logging.WARNING, "buffer %s", text)


def _size(group: Group) -> int:
    return sum(
        e.content.values * 9 + len(e.content) * 28 if isinstance(e.content, Batch) else 200 for e in group.entries
    )


def _resolve(groups: Sequence[Group]) -> None:
    for group in groups:
        if not group.done.done():
            group.done.set_result(None)
