"""The past in one go: the history span of a world rendered thinly into Parquet files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.batch import merge
from core.clock import NS
from core.spec import LayoutSpec
from core.tables import schema, to_table
from simulator.digest import note_line
from simulator.fleet import Sampling
from simulator.recursion import use_lfilter
from simulator.world import World, WorldConfig

HOUR = 3600 * NS
QUANTUM = 6 * HOUR


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """What was written."""

    rows: int
    values: int
    events: int
    layouts: int


def history_sampling(every: int, fast_every: int = 600 * NS, window: int = NS) -> Sampling:
    """Return the sampling of a history: slow streams every ``every`` ns, fast ones in bursts."""
    return Sampling(every, fast_every, window)


def history_world(config: WorldConfig, start_ns: int, seed: int, sampling: Sampling) -> World:
    """Return the same world as the live one, sampled for history."""
    return World(config, start_ns, seed, sampling)


def write_history(
    world: World,
    out_dir: Path,
    truth_dir: Path,
    progress: Callable[[float], None] | None = None,
    quantum: int = QUANTUM,
) -> HistoryReport:
    """Render a world from its beginning to simulated time 0 and write it.

    ``out_dir`` gets ``catalog.json``, ``<layout>/part-0.parquet`` (schema of :mod:`core.tables`) and
    ``events.jsonl``; ``truth_dir`` the sealed truth. ``progress`` is told the share done. The world must be new.
    """
    use_lfilter()  # blocks of hours
    out_dir.mkdir(parents=True, exist_ok=True)
    writers = _Writers(out_dir)
    t, events = world.epoch, 0
    with writers, (out_dir / "events.jsonl").open("w", encoding="utf-8") as log:
        while t < 0:
            t1 = min(t + quantum, 0)
            world.advance(t1)
            for batch in merge(world.render(t, t1)):
                writers.write(batch.layout, to_table(batch))
                writers.values += batch.values
            for note in world.notes():
                log.write(note_line(note))
                events += 1
            t = t1
            if progress is not None:
                progress(1.0 - t / world.epoch)
    world.catalog.save(out_dir / "catalog.json")
    world.close_truth().write(truth_dir)
    return HistoryReport(writers.rows, writers.values, events, len(writers.open))


class _Writers:
    """One Parquet file for each layout, opened when its first rows come."""

    def __init__(self, folder: Path) -> None:
        self.open: dict[str, Any] = {}
        self.rows = 0
        self.values = 0
        self._folder = folder

    def __enter__(self) -> _Writers:
        return self

    def __exit__(self, *exc: object) -> None:
        for writer in self.open.values():
            writer.close()

    def write(self, layout: LayoutSpec, table: Any) -> None:
        """Append rows as one row group."""
        from pyarrow import parquet

        if layout.name not in self.open:
            folder = self._folder / layout.name
            folder.mkdir(exist_ok=True)
            target = folder / "part-0.parquet"
            self.open[layout.name] = parquet.ParquetWriter(
                target,
                schema(layout),
                compression="lz4",
                use_dictionary=False,  # measured values hardly repeat: looking for repeats costs half the writing
                write_statistics=False,
            )
        self.open[layout.name].write_table(table)
        self.rows += table.num_rows
