"""Loading the history that was simulated fast: Parquet files of a folder into the store, in one go."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.batch import Batch
from core.catalog import Catalog
from core.errors import StoreError, StoreUnavailable
from core.ports import Note, Stage
from core.spec import LayoutSpec
from core.tables import from_table, to_table
from gateway import notes as notes_json
from gateway.stores.duck import DuckStore
from gateway.stores.extra import Busy, jittered
from gateway.stores.influx import InfluxStore

log = logging.getLogger(__name__)
Progress = Callable[[int], None]
DONE = "history"
TRIES = 10
#: name of a note's class, as an event log states it in ``is`` -> table
_TABLE_OF = {kind.__name__: name for name, kind in notes_json.KINDS.items()}


def load_history(
    store: DuckStore, folder: Path, stages: Sequence[Stage] = (), progress: Progress = lambda rows: None
) -> int:
    """Load ``catalog.json``, ``<layout>/*.parquet`` and ``events.jsonl`` of a folder; return the number of rows.

    Everything is one transaction, so a killed load leaves nothing behind, and a folder that is loaded is not
    loaded again. Stream numbers become the store's. ``stages`` (a downsampler) see the rows first. May run
    beside live writes, in a thread of its own. Raises StoreError.
    """
    import duckdb

    mark = str(folder.resolve())
    if store.meta(DONE) == mark:
        return 0
    theirs = _catalog(folder)
    store.catalogue(list(theirs.devices.values()))
    number = np.array([store.catalog.index(entry.path) for entry in theirs.streams], dtype=np.int32)
    store.make_tables(_layouts(folder, theirs, stages))
    con, rows = store.cursor(), 0
    try:
        con.begin()
        for batch in _batches(folder, theirs, number):
            for made in _staged(batch, stages):
                store.insert_table(con, made.layout, to_table(made))
            rows += len(batch)
            progress(rows)
        for made in (b for stage in stages for b in getattr(stage, "flush", list)()):
            store.insert_table(con, made.layout, to_table(made))
        notes = _notes(folder)
        if notes:
            store.insert_notes(con, notes)
        store.set_meta(con, DONE, mark)
        con.commit()
    except (duckdb.Error, pa.ArrowException, ValueError, KeyError) as error:
        con.rollback()
        raise StoreError(f"{folder}: history cannot be loaded: {error}") from error
    finally:
        con.close()
    return rows


def load_points(
    store: InfluxStore, folder: Path, stages: Sequence[Stage] = (), pause: Callable[[float], None] = time.sleep
) -> int:
    """Load a history as :func:`load_history` does, into a server without transactions; return the number of rows.

    Equal points overwrite each other, so an interrupted load is done again from its beginning. A server that is away or
    busy is waited for: what it asks for, or twice as long each time, with jitter; :data:`TRIES` times in a row at most.
    Raises StoreError.
    """
    mark = str(folder.resolve())
    if store.history() == mark:
        return 0
    theirs = _catalog(folder)
    store.catalogue(list(theirs.devices.values()))
    number = np.array([store.catalog.index(entry.path) for entry in theirs.streams], dtype=np.int32)
    rows = 0
    for batch in _batches(folder, theirs, number):
        _patiently(store, _staged(batch, stages), pause)
        rows += len(batch)
    _patiently(store, [b for stage in stages for b in getattr(stage, "flush", list)()], pause)
    store.load([], _notes(folder), mark)
    return rows


def _patiently(store: InfluxStore, batches: Sequence[Batch], pause: Callable[[float], None]) -> None:
    wait = 0.25
    for attempt in range(1, TRIES + 1):
        try:
            store.load(batches, [])
        except StoreUnavailable as error:
            if attempt == TRIES:
                raise
            log.info("history waits: %s", error)
            pause(jittered(error.wait_s if isinstance(error, Busy) else wait))
            wait = min(2 * wait, 10.0)
        except StoreError as error:  # points older than the bucket keeps: the server takes the others
            log.warning("some points of the history are refused: %s", error)
            return
        else:
            return


def _catalog(folder: Path) -> Catalog:
    try:
        return Catalog.read(folder / "catalog.json")
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"{folder / 'catalog.json'}: cannot be read: {error}") from error


def _layouts(folder: Path, theirs: Catalog, stages: Sequence[Stage]) -> list[LayoutSpec]:
    """Return every layout that can come out of the stages."""
    names = {p.name for p in folder.iterdir() if p.is_dir()}
    layouts = [layout for name, layout in theirs.layouts.items() if name in names]
    for stage in stages:
        makes = getattr(stage, "makes", None)
        if makes is not None:
            layouts += [made for layout in layouts for made in makes(layout)]
    return layouts


def _batches(folder: Path, theirs: Catalog, number: NDArray[np.int32]) -> Iterator[Batch]:
    import pyarrow.parquet as pq

    for sub in sorted(p for p in folder.iterdir() if p.is_dir()):
        for path in sorted(sub.glob("*.parquet")):
            with pq.ParquetFile(path) as file:
                layout = theirs.layout(_layout_name(file.schema_arrow, sub.name))
                for group in range(file.num_row_groups):
                    batch = from_table(file.read_row_group(group), layout)
                    yield _renumbered(batch, number, layout)


def _renumbered(batch: Batch, number: NDArray[np.int32], layout: LayoutSpec) -> Batch:
    return Batch(layout, number[batch.stream], batch.sid, batch.seq, batch.t, batch.x, batch.q)


def _layout_name(shape: pa.Schema, folder: str) -> str:
    named = (shape.metadata or {}).get(b"layout")
    return named.decode() if named else folder


def _staged(batch: Batch, stages: Sequence[Stage]) -> list[Batch]:
    batches = [batch]
    for stage in stages:
        batches = [made for b in batches for made in stage.apply(b)]
    return [b for b in batches if len(b)]


def _notes(folder: Path) -> list[Note]:
    path = folder / "events.jsonl"
    if not path.exists():
        return []
    out: list[Note] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            fields = json.loads(line)
            out.append(notes_json.from_json(_TABLE_OF[fields.pop("is", "Event")], json.dumps(fields)))
    return out
