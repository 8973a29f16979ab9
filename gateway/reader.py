"""Reader side of the durable buffer, for the platform process: records by position, and the catalog."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from core.batch import Batch
from core.catalog import Catalog
from core.errors import StoreError, StoreUnavailable
from core.ports import Note
from core.spec import load
from gateway.buffer_file import FILE, decode


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the buffer."""

    position: int
    content: Batch | list[Note]
    arrived: int
    sent: int


class BufferReader:
    """Reads the buffer while the gateway writes it; one reader belongs to one thread at a time.

    ``catalog`` has the gateway's indices and grows as births come in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = Catalog()
        self.version = 0
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the buffer; raises StoreUnavailable while the gateway has not made it."""
        if self._db is not None:
            return
        path = self.folder / FILE
        if not path.exists():
            raise StoreUnavailable(f"{path}: not there yet")
        try:
            db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=5.0)
            db.execute("SELECT count(*) FROM state").fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        self._db = db

    def close(self) -> None:
        """Close the buffer."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def end(self) -> int:
        """Return the position of the last record."""
        (top,) = self._one("SELECT coalesce(max(pos), 0) FROM records")
        (trimmed,) = self._one("SELECT coalesce(max(pos), 0) FROM state WHERE name = 'trimmed'")
        return max(int(top), int(trimmed))

    def read(self, after: int, limit: int = 2_000, size: int = 32_000_000) -> list[Record]:
        """Return records after a position, at most ``limit`` of them and about ``size`` bytes."""
        self.open()
        assert self._db is not None
        out: list[Record] = []
        try:
            self._db.execute("BEGIN")
            self._refresh()
            query = "SELECT pos, kind, arrived, sent, blob FROM records WHERE pos > ? ORDER BY pos LIMIT ?"
            for pos, kind, arrived, sent, blob in self._db.execute(query, (after, limit)):
                out.append(Record(pos, decode(kind, blob, self.catalog), arrived, sent))
                size -= len(blob)
                if size < 0:
                    break
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.folder / FILE}: {error}") from error
        except (ValueError, KeyError) as error:
            raise StoreError(f"{self.folder / FILE}: record after {after} cannot be read: {error}") from error
        finally:
            self._db.rollback()
        return out

    def _refresh(self) -> None:
        """Take in the births since the last read; indices stay the gateway's."""
        assert self._db is not None
        rows = self._db.execute(
            "SELECT version, device FROM births WHERE version > ? ORDER BY version", (self.version,)
        )
        births = rows.fetchall()
        if not births:
            return
        paths = [path for (path,) in self._db.execute("SELECT path FROM streams ORDER BY idx")]
        self.catalog.extend(paths, load([json.loads(text) for _, text in births]))
        self.version = births[-1][0]

    def _one(self, query: str) -> tuple[int, ...]:
        self.open()
        assert self._db is not None
        try:
            row: tuple[int, ...] = self._db.execute(query).fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.folder / FILE}: {error}") from error
        return row
