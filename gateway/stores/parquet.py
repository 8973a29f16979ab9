"""The raw archive: rows of fast streams as Parquet, with retention.

A flush writes its files beside their final names, then replaces ``position.json`` (position, files), then renames.
Opening finishes the renames, so a kill at any moment neither loses nor doubles a row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from core.batch import Batch, merge
from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.config import Config, Duration
from core.errors import StoreUnavailable
from core.ports import Note
from core.spec import DeviceSpec
from core.tables import to_table
from gateway.stores.extra import NOTHING, Extra


class ParquetConfig(Config):
    """``rows``, ``every``: a file is written after so many rows or so long (wall time); ``keep``: retention by
    the rows' own time; ``limit_mb``: most bytes of all files, the oldest go first.
    """

    kind: Literal["parquet"] = "parquet"
    folder: str = "raw"
    rows: int = 500_000
    every: Duration = 60 * NS
    keep: Duration = 7 * 86_400 * NS
    limit_mb: float = 4096.0


class ParquetStore:
    """Archives rows; notes are not its business. Needs a drain that hands it only what it should keep."""

    def __init__(self, config: ParquetConfig, folder: Path, catalog: Catalog) -> None:
        self.config, self.folder, self.catalog = config, folder, catalog
        self._pending: list[Batch] = []
        self._rows = 0
        self._since = 0
        self._position = 0
        self._durable = 0
        self._newest = 0

    def open(self) -> None:
        """Finish what a kill interrupted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            state = json.loads((self.folder / "position.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            state = {"position": 0, "files": []}
        for name in state["files"]:
            part = self.folder / f"{name}.part"
            if part.exists():
                part.replace(self.folder / name)
        for stray in self.folder.rglob("*.part"):
            stray.unlink()
        self._position = self._durable = state["position"]

    def position(self) -> int:
        """Return up to where everything is on disk."""
        return self._durable if self._pending else self._position

    def catalogue(self, devices: Sequence[DeviceSpec]) -> None:
        """Save the catalog beside the files, so that the archive can be read alone."""
        if devices:
            self.catalog.save(self.folder / "catalog.json")

    def write(self, batches: Sequence[Batch], notes: Sequence[Note], position: int, extra: Extra = NOTHING) -> None:
        """Take rows; they are on disk after the next flush. Raises StoreUnavailable on a full disk."""
        if batches and not self._pending:
            self._since = mono_ns()
        self._pending += batches
        self._rows += sum(len(b) for b in batches)
        self._position = position
        due = mono_ns() - self._since >= self.config.every
        if self._pending and (due or self._rows >= self.config.rows):
            self.flush()

    def keep(self, notes: Sequence[Note]) -> None:
        """Notes are not its business."""

    def counts(self) -> dict[str, int]:
        """Nothing is counted here."""
        return {}

    def state(self) -> str:
        """No stages run before the archive."""
        return ""

    def flush(self) -> None:
        """Write what is pending, then forget what is too old."""
        if not self._pending:
            return
        import pyarrow.parquet as pq

        names: list[str] = []
        try:
            for batch in merge(self._pending):
                name = f"{batch.layout.name}/{int(batch.t.max())}-{self._position}.parquet"
                part = self.folder / f"{name}.part"
                part.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(to_table(batch), part, compression="zstd")
                names.append(name)
                self._newest = max(self._newest, int(batch.t.max()))
            scratch = self.folder / "position.json.part"
            scratch.write_text(json.dumps({"position": self._position, "files": names}), encoding="utf-8")
            scratch.replace(self.folder / "position.json")
            for name in names:
                (self.folder / f"{name}.part").replace(self.folder / name)
        except OSError as error:
            raise StoreUnavailable(f"{self.folder}: {error}") from error
        self._pending, self._rows, self._durable = [], 0, self._position
        self._forget()

    def close(self) -> None:
        """Write what is pending."""
        self.flush()

    def _forget(self) -> None:
        files = sorted((int(p.name.partition("-")[0]), p) for p in self.folder.rglob("*.parquet"))
        size = sum(p.stat().st_size for _, p in files)
        for newest, path in files:
            if newest >= self._newest - self.config.keep and size <= self.config.limit_mb * 1e6:
                break
            size -= path.stat().st_size
            path.unlink()
