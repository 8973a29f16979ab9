"""The stores of a run, built from the configuration, with the stages in front of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from core.catalog import Catalog
from core.errors import StoreError
from core.ports import HistoryReader, Note, Stage
from gateway.kinds import GatewayConfig, StoreConfig
from gateway.stages.downsample import Downsample, DownsampleConfig
from gateway.stages.units import Units
from gateway.stores.duck import DuckConfig, DuckStore
from gateway.stores.extra import DrainStore
from gateway.stores.influx import InfluxConfig, InfluxStore
from gateway.stores.memory import MemoryStore
from gateway.stores.parquet import ParquetStore
from testbed.runfolder import RunFolder

log = logging.getLogger(__name__)
MAIN, RAW = "main", "raw"


class Shelves:
    """Main store, further stores and raw archive of a run."""

    def __init__(self, config: GatewayConfig, folder: RunFolder, catalog: Catalog) -> None:
        self._config, self._folder, self._catalog = config, folder, catalog
        self.stores: dict[str, DrainStore] = {MAIN: self._store(config.store)}
        self.stores |= {f"also-{i}": self._store(kind) for i, kind in enumerate(config.also)}
        self.stages = {name: self._stages() for name in self.stores}
        self.archives: tuple[str, ...] = ()
        if config.raw is not None:
            self.stores[RAW] = ParquetStore(config.raw, folder.root / config.raw.folder, catalog)
            self.archives = (RAW,)
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="keep")

    def open(self) -> None:
        """Open every store; raises StoreError where one cannot be had."""
        for store in self.stores.values():
            store.open()

    def close(self) -> None:
        """Write what is left and close."""
        self._keeper.shutdown(wait=True)
        for store in self.stores.values():
            store.close()

    def keep(self, notes: Sequence[Note]) -> None:
        """Keep the platform's own notes in the main store, beside the event loop and in order."""
        self._keeper.submit(self._keep, list(notes))

    def reader(self) -> HistoryReader | None:
        """Return what reads the main store, None where it cannot be read."""
        main = self.stores[MAIN]
        return main.reader() if isinstance(main, (DuckStore, InfluxStore)) else None

    def load_history(self) -> int:
        """Load the rendered history into the main store; return its rows. Blocking."""
        main = self.stores[MAIN]
        if isinstance(main, DuckStore):
            from gateway.stores.history import load_history

            return load_history(main, self._folder.history, self._stages())
        if isinstance(main, InfluxStore):
            from gateway.stores.history import load_points

            return load_points(main, self._folder.history, self._stages())
        return 0

    def audit(self) -> dict[str, Any]:
        """Return what the main store really holds: rows by stream and rows that are there twice. Blocking."""
        main = self.stores[MAIN]
        self._keeper.submit(int).result()  # what was handed over before is kept by now
        duplicated = main.reader().duplicates() if isinstance(main, DuckStore) else 0
        return {"stored": main.counts(), "duplicated": duplicated}

    def _keep(self, notes: list[Note]) -> None:
        try:
            self.stores[MAIN].keep(notes)
        except StoreError as error:
            log.error("%d notes could not be kept: %s", len(notes), error)

    def _store(self, config: StoreConfig) -> DrainStore:
        if isinstance(config, DuckConfig):
            return DuckStore(config, self._folder.root / config.file, self._catalog)
        if isinstance(config, InfluxConfig):
            return InfluxStore(config, self._folder.store, self._catalog)
        return MemoryStore(config, self._catalog)

    def _stages(self) -> list[Stage]:
        kinds = self._config.stages or (DownsampleConfig(),)
        return [
            Downsample(kind, self._catalog) if isinstance(kind, DownsampleConfig) else Units(kind) for kind in kinds
        ]
