"""The durable buffer: SQLite in WAL mode, one writer thread, group commit. A killed gateway restarts from it exactly.

Records hold accepted rows and notes by position. The catalog lies beside them, and so does a snapshot of what
the gateway remembers (rows seen, commands, rules) as of one position. The snapshot is renewed now and then; a
restart reads it and goes through the records after it, so every commit is as good as a fresh snapshot.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from core.batch import Batch
from core.batch import unpack as unpack_batch
from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.config import Config, Duration
from core.errors import StoreError
from core.metrics import Metrics
from core.ports import Note
from core.spec import DeviceSpec, dump, load
from gateway import notes as notes_json

log = logging.getLogger(__name__)

FILE = "buffer.sqlite"
DRAINED = "drained.json"
ROWS, NOTES = 0, 1
TRIM_AT_ONCE = 5_000
PIECE = 200
SNAPSHOT_SHARE = 500  # a snapshot takes at most 1/500 of the time
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  pos INTEGER PRIMARY KEY, kind INTEGER NOT NULL, arrived INTEGER NOT NULL, sent INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS births (version INTEGER PRIMARY KEY, device TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS streams (idx INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, pos INTEGER NOT NULL, value TEXT NOT NULL);
"""


class BufferConfig(Config):
    """``full``: ``lag`` stops acknowledging until the platform has caught up, ``drop_oldest`` loses the oldest
    records, loudly. ``synchronous``: NORMAL survives a killed process, FULL also a power loss.
    """

    synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    limit_mb: float = 2048.0
    full: Literal["lag", "drop_oldest"] = "lag"
    group: int = 2_000
    group_mb: float = 8.0
    snapshot_every: Duration = 2 * NS


@dataclass(slots=True)
class Entry:
    """One record: rows, or notes. ``arrived`` and ``sent`` are wall ns (``sent`` 0: unknown)."""

    content: Batch | list[Note]
    arrived: int
    sent: int

    def pack(self) -> tuple[int, int, int, bytes]:
        """Return (kind, arrived, sent, blob)."""
        if isinstance(self.content, Batch):
            return ROWS, self.arrived, self.sent, self.content.pack()
        return NOTES, self.arrived, self.sent, notes_json.pack(self.content)


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
        self._db: sqlite3.Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = threading.Event()

    def open(self) -> Restored:
        """Open the file, fill the catalog, and return what the last run left. Raises StoreError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            db = self._db = _connect(self.folder / FILE, self.config.synchronous)
            births = [
                load([json.loads(text)])[0] for (text,) in db.execute("SELECT device FROM births ORDER BY version")
            ]
            paths = [path for (path,) in db.execute("SELECT path FROM streams ORDER BY idx")]
            self.catalog.extend(paths, births)
            self._saved = {device.path: device for device in births}
            self._saved_streams = len(paths)
            row = db.execute("SELECT pos, value FROM state WHERE name = 'snapshot'").fetchone()
            self._snapshot_pos = row[0] if row else 0
            (top,) = db.execute("SELECT max(pos) FROM records").fetchone()
            (last,) = db.execute("SELECT coalesce(max(pos), 0) FROM state WHERE name = 'trimmed'").fetchone()
            self.position = max(top or 0, last, self._snapshot_pos)
            (self.bytes,) = db.execute("SELECT coalesce(sum(length(blob)), 0) FROM records").fetchone()
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"{self.folder / FILE}: {error}") from error
        return Restored(json.loads(row[1]) if row else None, self._records(self._snapshot_pos))

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
        if self._db is not None:
            self._db.close()
            self._db = None

    async def room(self) -> None:
        """Wait until the buffer takes more (policy ``lag``)."""
        limit = self.config.limit_mb * 1e6
        told = False
        while self.config.full == "lag" and self.bytes > limit and not self._stop.is_set():
            if not told:
                log.warning("buffer holds %.0f MB: not acknowledging until the platform catches up", self.bytes / 1e6)
                self.metrics.count("buffer_full")
                told = True
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

    def _records(self, after: int) -> Iterator[Entry]:
        assert self._db is not None
        return read_records(self._db, after, self.catalog)

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
                size = self._insert(groups)
                break
            except sqlite3.Error as error:  # a full disk: lag and say so, rather than lose
                log.error("buffer cannot commit (%s); trying again in %.1f s", error, wait)
                self.metrics.count("buffer_errors")
                if self._stop.wait(wait):
                    return
                wait = min(wait * 2, 5.0)
        self.bytes += size
        self.metrics.count("commits")
        self.queued -= len(groups)
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(_resolve, groups)
        except RuntimeError:
            log.debug("the loop ended before the last commit was told")

    def _insert(self, groups: Sequence[Group]) -> int:
        assert self._db is not None
        db, pos, size = self._db, self.position, 0
        rows: list[tuple[int, int, int, int, bytes]] = []
        with db:
            db.execute("BEGIN IMMEDIATE")
            for group in groups:
                for device in group.births:
                    text = json.dumps(dump([device])[0], ensure_ascii=False)
                    db.execute("INSERT INTO births (device) VALUES (?)", (text,))
                db.executemany("INSERT OR IGNORE INTO streams VALUES (?, ?)", group.streams)
                for entry in group.entries:
                    pos += 1
                    rows.append((pos, *entry.pack()))
                    size += len(rows[-1][4])
                if group.snapshot is not None:
                    self._save("snapshot", pos, _text(group.snapshot))
            db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
        self.position = pos
        for group in groups:
            if group.snapshot is not None:
                (self._snapshot_pos,) = db.execute("SELECT pos FROM state WHERE name = 'snapshot'").fetchone()
        return size

    def _save(self, name: str, pos: int, value: str) -> None:
        assert self._db is not None
        self._db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (name, pos, value))

    def _trim(self) -> None:
        """Delete what every store holds (and, over the limit with ``drop_oldest``, what none holds yet)."""
        assert self._db is not None
        if mono_ns() - self._trimmed_at < NS // 4:
            return
        self._trimmed_at = mono_ns()
        upto = min(drained(self.folder), self._snapshot_pos)
        try:
            if self.config.full == "drop_oldest" and self.bytes > self.config.limit_mb * 1e6:
                upto = self._drop(upto)
            self._delete(upto)
        except sqlite3.Error as error:
            log.warning("buffer cannot trim: %s", error)

    def _drop(self, upto: int) -> int:
        assert self._db is not None
        (first,) = self._db.execute("SELECT coalesce(min(pos), 0) FROM records").fetchone()
        forced: int = min(first + TRIM_AT_ONCE, self._snapshot_pos)
        if forced > upto:
            self.metrics.count("buffer_dropped", forced - max(upto, first - 1))
            log.error("buffer over its limit: dropping undrained records up to %d", forced)
        return max(upto, forced)

    def _delete(self, upto: int) -> None:
        assert self._db is not None
        (first,) = self._db.execute("SELECT coalesce(min(pos), 0) FROM records").fetchone()
        if not first or first > upto:
            return
        upto = min(upto, first + TRIM_AT_ONCE)
        with self._db:
            (size,) = self._db.execute(
                "SELECT coalesce(sum(length(blob)), 0) FROM records WHERE pos <= ?", (upto,)
            ).fetchone()
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("DELETE FROM records WHERE pos <= ?", (upto,))
            self._save("trimmed", upto, "")
        self.bytes -= size


def read_records(db: sqlite3.Connection, after: int, catalog: Catalog) -> Iterator[Entry]:
    """Yield the records after a position."""
    rows = db.execute("SELECT kind, arrived, sent, blob FROM records WHERE pos > ? ORDER BY pos", (after,))
    for kind, arrived, sent, blob in rows:
        yield Entry(decode(kind, blob, catalog), arrived, sent)


def decode(kind: int, blob: bytes, catalog: Catalog) -> Batch | list[Note]:
    """Return the content of a record."""
    return unpack_batch(blob, catalog.layout) if kind == ROWS else notes_json.unpack(blob)


def drained(folder: Path) -> int:
    """Return the position up to which every store holds the records."""
    try:
        return int(json.loads((folder / DRAINED).read_text(encoding="utf-8"))["position"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # not there yet, or just being replaced


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute(f"PRAGMA synchronous={synchronous}")
    db.execute("PRAGMA wal_autocheckpoint=2000")
    db.execute("PRAGMA journal_size_limit=67108864")
    db.executescript(_SCHEMA)
    return db


def _text(value: Any) -> str:
    """Return JSON, made in pieces: during one call for all of it the event loop's thread could do nothing."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list) and len(value) > PIECE:
        return "[" + ",".join(json.dumps(value[i : i + PIECE])[1:-1] for i in range(0, len(value), PIECE)) + "]"
    return json.dumps(value)


def _size(group: Group) -> int:
    return sum(
        e.content.values * 9 + len(e.content) * 28 if isinstance(e.content, Batch) else 200 for e in group.entries
    )


def _resolve(groups: Sequence[Group]) -> None:
    for group in groups:
        if not group.done.done():
            group.done.set_result(None)
