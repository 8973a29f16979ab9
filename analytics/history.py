"""Where training data comes from: the history folder of a run, or a store behind a HistoryReader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from analytics.windows import Windows
from core.batch import Batch
from core.catalog import Catalog
from core.command import Event
from core.errors import ModelError
from core.ports import HistoryReader
from core.spec import LayoutSpec
from core.tables import from_table


class History(Protocol):
    """Rows and events of a past span."""

    catalog: Catalog

    def rows(self, layout: LayoutSpec, channels: Sequence[str]) -> Batch | None:
        """Return the rows of a layout with only the named channels, None where there are none."""
        ...

    def events(self) -> list[Event]:
        """Return events, in any order."""
        ...


class FolderHistory:
    """``catalog.json``, ``<layout>/*.parquet`` and ``events.jsonl`` in a folder.

    Parameters
    ----------
    folder
        The ``history`` folder of a run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not (folder / "catalog.json").is_file():
            raise ModelError(f"{folder} holds no history: catalog.json is missing (has the history been rendered?)")
        self.catalog = Catalog.read(folder / "catalog.json")

    def rows(self, layout: LayoutSpec, channels: Sequence[str]) -> Batch | None:
        """Read only the needed columns of a layout's files."""
        import pyarrow.parquet as pq

        files = sorted((self._folder / layout.name).glob("*.parquet"))
        if not files:
            return None
        narrow = narrowed(layout, channels)
        names = ["stream", "sid", "seq", "t", *channels, *(f"{c}__q" for c in channels)]
        table = pa.concat_tables([pq.read_table(f, columns=names, partitioning=None) for f in files])
        return from_table(table, narrow) if table.num_rows else None

    def events(self) -> list[Event]:
        """Read ``events.jsonl``; lines that are no events (commands, results) are left out."""
        path = self._folder / "events.jsonl"
        if not path.is_file():
            return []
        lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
        return [event for line in lines if (event := _event(line)) is not None]


class StoreHistory:
    """A store's rows over ``[start, end)`` (ns UTC)."""

    def __init__(self, reader: HistoryReader, catalog: Catalog, start: int, end: int) -> None:
        self.catalog = catalog
        self._reader = reader
        self._span = (start, end)

    def rows(self, layout: LayoutSpec, channels: Sequence[str]) -> Batch | None:
        """Read a layout's rows."""
        table = self._reader.rows(layout.name, *self._span)
        return from_table(table, narrowed(layout, channels)) if table.num_rows else None

    def events(self) -> list[Event]:
        """Read the events."""
        return [note for note in self._reader.notes(Event, *self._span) if isinstance(note, Event)]


class WindowHistory:
    """A past that is kept as windows of the feature grid, as experiments at full speed leave it.

    Parameters
    ----------
    catalog
        Devices and streams.
    reduced
        Windows by layout, on the grid of the analysis.
    told
        Events.
    """

    def __init__(self, catalog: Catalog, reduced: Mapping[str, Windows], told: list[Event]) -> None:
        self.catalog = catalog
        self.reduced = reduced
        self._told = told

    def rows(self, layout: LayoutSpec, channels: Sequence[str]) -> Batch | None:
        """Return nothing: only the windows are left."""
        return None

    def events(self) -> list[Event]:
        """Return the events."""
        return self._told


def narrowed(layout: LayoutSpec, channels: Sequence[str]) -> LayoutSpec:
    """Return the layout with only the named channels, in its own order of names given."""
    by_name = {c.name: c for c in layout.channels}
    return LayoutSpec(layout.name, tuple(by_name[name] for name in channels))


def _event(line: object) -> Event | None:
    if not isinstance(line, dict):
        return None
    line = line.get("event", line) if isinstance(line.get("event"), dict) else line
    if not {"device", "name", "t"} <= line.keys() or "issuer" in line:
        return None
    severity = line.get("severity", "info")
    return Event(str(line["device"]), str(line["name"]), str(line.get("text", "")), int(line["t"]), severity)
