"""Fingerprints of a run: of its rows and of its event log, independent of how time was cut into quanta."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

import numpy as np

from core.batch import Batch
from core.catalog import Catalog
from core.command import CommandResult, Event


class RowHash:
    """Hash of every stream's times, values and qualities in order."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._streams: dict[int, tuple[hashlib.blake2b, ...]] = {}

    def add(self, batch: Batch) -> None:
        """Take in rows."""
        for stream, rows in batch.by_stream():
            if stream not in self._streams:
                self._streams[stream] = tuple(hashlib.blake2b(digest_size=16) for _ in range(3))
            for state, column in zip(self._streams[stream], (rows.t, rows.x, rows.q), strict=True):
                state.update(np.ascontiguousarray(column).tobytes())

    def hexdigest(self) -> str:
        """Return the hash of all streams, in the order of their paths."""
        total = hashlib.blake2b(digest_size=16)
        for path, index in sorted((self._catalog.streams[i].path, i) for i in self._streams):
            total.update(path.encode())
            for state in self._streams[index]:
                total.update(state.digest())
        return total.hexdigest()


class EventHash:
    """Hash of the event log."""

    def __init__(self) -> None:
        self._state = hashlib.blake2b(digest_size=16)

    def add(self, notes: Iterable[Event | CommandResult]) -> None:
        """Take in notes in order."""
        for note in notes:
            self._state.update(note_line(note).encode())

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._state.hexdigest()


def note_line(note: Event | CommandResult) -> str:
    """Return a note as one line of JSON."""
    return json.dumps({"is": type(note).__name__, **asdict(note)}, ensure_ascii=False) + "\n"
