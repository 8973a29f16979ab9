"""From configuration to objects: stages, stores and the drain of a platform process."""

from __future__ import annotations

from pathlib import Path

from core.catalog import Catalog
from core.ports import Stage
from gateway.deadletters import DeadLetters
from gateway.drain import Drain, Listener
from gateway.kinds import GatewayConfig, StageConfig, StoreConfig
from gateway.stages.downsample import Downsample, DownsampleConfig
from gateway.stages.units import Units
from gateway.stores.duck import DuckConfig, DuckStore
from gateway.stores.extra import DrainStore
from gateway.stores.influx import InfluxConfig, InfluxStore
from gateway.stores.memory import MemoryStore
from gateway.stores.parquet import ParquetConfig, ParquetStore

RAW = "raw"


def make_stages(config: GatewayConfig, catalog: Catalog) -> list[Stage]:
    """Return new instances of the configured stages."""
    return [_stage(stage, catalog) for stage in config.stages]


def make_store(config: StoreConfig | ParquetConfig, run: Path, catalog: Catalog) -> DrainStore:
    """Return a store, not yet open; ``run`` is the folder of the run."""
    if isinstance(config, DuckConfig):
        return DuckStore(config, run / config.file, catalog)
    if isinstance(config, InfluxConfig):
        return InfluxStore(config, run / "store", catalog)
    if isinstance(config, ParquetConfig):
        return ParquetStore(config, run / config.folder, catalog)
    return MemoryStore(config, catalog)


def make_stores(config: GatewayConfig, run: Path, catalog: Catalog) -> dict[str, DrainStore]:
    """Return every configured store by name, the main one first, not yet open."""
    stores: dict[str, DrainStore] = {}
    for item in (config.store, *config.also):
        name = item.kind if item.kind not in stores else f"{item.kind}{len(stores) + 1}"
        stores[name] = make_store(item, run, catalog)
    if config.raw is not None:
        stores[RAW] = make_store(config.raw, run, catalog)
    return stores


def make_drain(
    config: GatewayConfig, run: Path, catalog: Catalog, stores: dict[str, DrainStore], listener: Listener | None = None
) -> Drain:
    """Return the drain of a run into stores that are open."""
    stages = {name: make_stages(config, catalog) for name in stores if name != RAW}
    letters = DeadLetters(config.dead_letters, run / "store")
    return Drain(config.drain, run / "buffer", catalog, stores, stages, (RAW,), listener, letters)


def _stage(config: StageConfig, catalog: Catalog) -> Stage:
    return Downsample(config, catalog) if isinstance(config, DownsampleConfig) else Units(config)
