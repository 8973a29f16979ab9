"""The file of the durable buffer: SQLite in WAL mode. Records by position, catalog, snapshot, how far it is trimmed.

One connection writes (:class:`BufferFile`, in the gateway's writer thread); others read (:mod:`gateway.reader`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.batch import Batch
from core.batch import unpack as unpack_batch
from core.catalog import Catalog
from core.errors import StoreError
from core.ports import Note
from core.spec import DeviceSpec, dump, load
from gateway import notes as notes_json

FILE = "buffer.sqlite"
DRAINED = "drained.json"
ROWS, NOTES = 0, 1
TRIM_AT_ONCE = 5_000
PIECE = 200  # items of a list that are turned into JSON at once
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  pos INTEGER PRIMARY KEY, kind INTEGER NOT NULL, arrived INTEGER NOT NULL, sent INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS births (version INTEGER PRIMARY KEY, device TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS streams (idx INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, pos INTEGER NOT NULL, value TEXT NOT NULL);
"""


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
class Writing:
    """What goes into the file in one transaction, before the records of the groups after it."""

    entries: Sequence[Entry]
    births: Sequence[DeviceSpec] = ()
    streams: Sequence[tuple[int, str]] = ()
    snapshot: dict[str, Any] | None = None


@dataclass(slots=True)
class Found:
    """What lies in a file that is opened."""

    position: int = 0
    snapshot_pos: int = 0
    snapshot: dict[str, Any] | None = None
    bytes: int = 0
    births: list[DeviceSpec] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


class BufferFile:
    """The writing end."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self.path = path
        self._synchronous = synchronous
        self._db: sqlite3.Connection | None = None

    def open(self, catalog: Catalog) -> Found:
        """Open or make the file and fill the catalog. Raises StoreError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = _connect(self.path, self._synchronous)
            found = self._look()
            catalog.extend(found.paths, found.births)
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"{self.path}: {error}") from error
        return found

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def records(self, after: int, catalog: Catalog) -> Iterator[Entry]:
        """Yield the records after a position."""
        return read_records(self.db, after, catalog)

    @property
    def db(self) -> sqlite3.Connection:
        """The connection; the file is open."""
        assert self._db is not None
        return self._db

    def insert(self, writings: Iterable[Writing], position: int) -> tuple[int, int, int | None]:
        """Write in one transaction; return (last position, bytes, position of the last snapshot written).

        Raises sqlite3.Error, and nothing is written.
        """
        pos, size, snapshot_pos = position, 0, None
        rows: list[tuple[int, int, int, int, bytes]] = []
        with self.db as db:
            db.execute("BEGIN IMMEDIATE")
            for writing in writings:
                for device in writing.births:
                    text = json.dumps(dump([device])[0], ensure_ascii=False)
                    db.execute("INSERT INTO births (device) VALUES (?)", (text,))
                db.executemany("INSERT OR IGNORE INTO streams VALUES (?, ?)", writing.streams)
                for entry in writing.entries:
                    pos += 1
                    rows.append((pos, *entry.pack()))
                    size += len(rows[-1][4])
                if writing.snapshot is not None:
                    self._save("snapshot", pos, _text(writing.snapshot))
                    snapshot_pos = pos
            db.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
        return pos, size, snapshot_pos

    def first(self) -> int:
        """Return the position of the first record, 0 where there is none."""
        (first,) = self.db.execute("SELECT coalesce(min(pos), 0) FROM records").fetchone()
        return int(first)

    def delete(self, upto: int) -> int:
        """Delete records up to a position, :data:`TRIM_AT_ONCE` of them at most; return their bytes."""
        first = self.first()
        if not first or first > upto:
            return 0
        upto = min(upto, first + TRIM_AT_ONCE)
        with self.db as db:
            query = "SELECT coalesce(sum(length(blob)), 0) FROM records WHERE pos <= ?"
            (size,) = db.execute(query, (upto,)).fetchone()
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM records WHERE pos <= ?", (upto,))
            self._save("trimmed", upto, "")
        return int(size)

    def _look(self) -> Found:
        db = self.db
        births = [load([json.loads(text)])[0] for (text,) in db.execute("SELECT device FROM births ORDER BY version")]
        paths = [path for (path,) in db.execute("SELECT path FROM streams ORDER BY idx")]
        row = db.execute("SELECT pos, value FROM state WHERE name = 'snapshot'").fetchone()
        snapshot_pos, snapshot = (row[0], json.loads(row[1])) if row else (0, None)
        (top,) = db.execute("SELECT coalesce(max(pos), 0) FROM records").fetchone()
        (last,) = db.execute("SELECT coalesce(max(pos), 0) FROM state WHERE name = 'trimmed'").fetchone()
        (size,) = db.execute("SELECT coalesce(sum(length(blob)), 0) FROM records").fetchone()
        return Found(max(top, last, snapshot_pos), snapshot_pos, snapshot, size, births, paths)

    def _save(self, name: str, pos: int, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (name, pos, value))


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
