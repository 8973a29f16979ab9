"""Dead letters: what could not be taken in, with its reason. Bounded in rate and number; everything is counted."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.clock import NS, mono_ns, wall_ns
from core.config import Config

log = logging.getLogger(__name__)

FILE = "deadletters.sqlite"
HEAD = 4096
_SCHEMA = """
CREATE TABLE IF NOT EXISTS letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, source TEXT NOT NULL, topic TEXT NOT NULL,
  reason TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, head BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS counts (reason TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS replays (id INTEGER PRIMARY KEY, at INTEGER NOT NULL);
"""
#: letters that wait for the disk; ns between two lines about letters that are not kept
WAITING = 1_000
_SAY_EVERY = 30 * NS


class DeadLetterConfig(Config):
    """``rate``: letters kept a second (more are only counted); ``keep``: letters kept at all, the newest (at about 4 kB
    each, 10,000 are some 45 MB). What is not kept is counted and said aloud.
    """

    rate: int = 100
    keep: int = 10_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One letter; ``head`` is the first 4 kB of the payload, ``at`` wall ns."""

    id: int
    at: int
    source: str
    topic: str
    reason: str
    size: int
    sha256: str
    head: bytes

    @property
    def whole(self) -> bool:
        """Tell whether the head is the whole payload, so that it can be sent again."""
        return self.size == len(self.head)


class DeadLetters:
    """The letters of one process. :meth:`add` never blocks; :meth:`flush` writes (any one thread at a time)."""

    def __init__(self, config: DeadLetterConfig, folder: Path) -> None:
        self.config = config
        self.path = folder / FILE
        self.counts: Counter[str] = Counter()
        self.unkept = 0
        self.forgotten = 0
        self._said = -_SAY_EVERY
        self._waiting: deque[tuple[int, str, str, str, int, str, bytes]] = deque()
        self._new: Counter[str] = Counter()
        self._second = 0
        self._this_second = 0
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._db: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file and take over the counts."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.path, check_same_thread=False, timeout=10.0)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self.counts.update(dict(self._db.execute("SELECT reason, count FROM counts")))

    def close(self) -> None:
        """Write what is left and close."""
        self.flush()
        if self._db is not None:
            self._db.close()
            self._db = None

    def add(self, source: str, topic: str, reason: str, payload: bytes) -> None:
        """Keep a letter in memory until the next flush."""
        with self._lock:
            code = reason.partition(":")[0][:80]  # details differ without end: the count is by what is wrong
            self.counts[code] += 1
            self._new[code] += 1
            second = mono_ns() // NS
            if second != self._second:
                self._second, self._this_second = second, 0
            self._this_second += 1
            if self._this_second > self.config.rate or len(self._waiting) >= WAITING:
                self.unkept += 1
                self._say(f"more than {self.config.rate} dead letters/s: {self.unkept} are only counted")
                return
        digest = hashlib.sha256(payload).hexdigest()
        head = bytes(payload[:HEAD])
        self._waiting.append((wall_ns(), source, topic[:1024], reason, len(payload), digest, head))

    def flush(self) -> None:
        """Write waiting letters; keeps only the newest. A full disk loses letters, not the gateway."""
        if not self._new or self._db is None:
            return
        with self._flushing:
            with self._lock:
                letters, self._waiting = list(self._waiting), deque()
                new, self._new = self._new, Counter()
            try:
                self._insert(letters, new)
            except sqlite3.Error as error:
                log.error("dead letters cannot be kept: %s", error)

    def _insert(self, letters: Sequence[tuple[int, str, str, str, int, str, bytes]], new: Counter[str]) -> None:
        assert self._db is not None
        with self._db:
            self._db.executemany(
                "INSERT INTO letters (at, source, topic, reason, size, sha256, head) VALUES (?,?,?,?,?,?,?)", letters
            )
            self._db.executemany(
                "INSERT INTO counts VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count",
                list(new.items()),
            )
            gone = self._db.execute(
                "DELETE FROM letters WHERE id <= (SELECT coalesce(max(id), 0) FROM letters) - ?", (self.config.keep,)
            ).rowcount
        if gone:
            self.forgotten += gone
            self._say(f"only the newest {self.config.keep} dead letters are kept: {self.forgotten} are forgotten")

    def _say(self, text: str) -> None:
        now = mono_ns()
        if now - self._said > _SAY_EVERY:
            self._said = now
            log.warning("%s", text)

    def list(self, limit: int = 100, reason: str = "") -> list[DeadLetter]:
        """Return the newest letters, newest first."""
        self.flush()
        return read(self.path, limit, reason)


def read(path: Path, limit: int = 100, reason: str = "") -> list[DeadLetter]:
    """Return the newest letters of a file, newest first; usable from any process. Empty without a file."""
    if not path.exists():
        return []
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
    try:
        query = "SELECT id, at, source, topic, reason, size, sha256, head FROM letters WHERE ? IN ('', reason) "
        rows = db.execute(query + "ORDER BY id DESC LIMIT ?", (reason, limit)).fetchall()
    except sqlite3.OperationalError:
        return []  # made a moment ago, without its table yet
    finally:
        db.close()
    return [DeadLetter(*row) for row in rows]


def replayable(path: Path, ids: Sequence[int]) -> list[tuple[str, bytes]]:
    """Return (topic, payload) of letters that were kept whole, oldest first, to be sent again once mended."""
    wanted = set(ids)
    return [(x.topic, x.head) for x in reversed(read(path, limit=2**31)) if x.id in wanted and x.whole]


def replayed(path: Path) -> dict[int, int]:
    """Return when letters were sent again (wall ns), by id."""
    if not path.exists():
        return {}
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5.0)
    try:
        return dict(db.execute("SELECT id, at FROM replays").fetchall())
    except sqlite3.OperationalError:
        return {}  # a file of an earlier version
    finally:
        db.close()


def note_replayed(path: Path, ids: Sequence[int]) -> None:
    """Note that letters were sent again; usable from any process, also while the gateway writes."""
    db = sqlite3.connect(path, timeout=10.0)
    try:
        with db:
            db.execute("CREATE TABLE IF NOT EXISTS replays (id INTEGER PRIMARY KEY, at INTEGER NOT NULL)")
            db.executemany("INSERT OR REPLACE INTO replays VALUES (?, ?)", [(i, wall_ns()) for i in ids])
    finally:
        db.close()
