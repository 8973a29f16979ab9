"""A store in memory, for tests and embedding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from core.batch import Batch
from core.catalog import Catalog
from core.config import Config
from core.ports import Note
from core.spec import DeviceSpec
from gateway.stores.extra import NOTHING, Extra


class MemoryStoreConfig(Config):
    """Keeps rows only while the process lives."""

    kind: Literal["memory"] = "memory"


class MemoryStore:
    """Keeps batches and notes in lists. ``faults``: errors that the next writes raise, one each."""

    def __init__(self, config: MemoryStoreConfig, catalog: Catalog) -> None:
        self.config, self.catalog = config, catalog
        self.batches: list[Batch] = []
        self.notes: list[Note] = []
        self.devices: list[DeviceSpec] = []
        self.faults: list[Exception] = []
        self._position = 0
        self._counts: dict[str, int] = {}
        self._state = ""

    def open(self) -> None:
        """Nothing to open."""

    def position(self) -> int:
        """Return the position of the last write."""
        return self._position

    def catalogue(self, devices: Sequence[DeviceSpec]) -> None:
        """Keep devices."""
        self.devices += devices

    def write(self, batches: Sequence[Batch], notes: Sequence[Note], position: int, extra: Extra = NOTHING) -> None:
        """Keep rows and notes."""
        if self.faults:
            raise self.faults.pop(0)
        self.batches += batches
        self.notes += notes
        self._position = position
        for index, rows in extra.counts.items():
            path = self.catalog.streams[index].path
            self._counts[path] = self._counts.get(path, 0) + rows
        self._state = extra.state

    def keep(self, notes: Sequence[Note]) -> None:
        """Keep notes."""
        self.notes += notes

    def counts(self) -> dict[str, int]:
        """Return rows taken in by stream path."""
        return dict(self._counts)

    def state(self) -> str:
        """Return the stages' state."""
        return self._state

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing to close."""
