"""``testbed export``: what a run stored, one file a layout, readable by any tool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from core.catalog import Catalog
from core.clock import FOREVER
from core.errors import TestbedError
from gateway.stores.duck import DuckStore
from testbed.runfolder import RunFolder
from testbed.scenario import read
from testbed.shelves import MAIN, Shelves
from testbed.storage import with_store


def open_store(run: RunFolder) -> tuple[Shelves, DuckStore]:
    """Open the embedded store of a finished run; raises TestbedError where it has another kind of store."""
    manifest = run.manifest()
    scenario = read(Path(manifest.scenario), Path(manifest.data) if manifest.data else None)
    shelves = Shelves(with_store(scenario.gateway, run), run, Catalog())
    main = shelves.stores[MAIN]
    if not isinstance(main, DuckStore):
        raise TestbedError(f"{run.root}: rows are in {type(main).__name__}; export them with that server's own tools")
    main.open()
    return shelves, main


def export_run(run: RunFolder, out: Path, csv: bool = False) -> Iterator[tuple[Path, int]]:
    """Write every layout of a run and yield (file, rows)."""
    from pyarrow import csv as pa_csv
    from pyarrow import parquet

    _, store = open_store(run)
    try:
        out.mkdir(parents=True, exist_ok=True)
        reader = store.reader()
        paths = pa.array([entry.path for entry in store.catalog.streams])
        for layout in sorted(reader.sizes()):
            table = reader.rows(layout, 0, FOREVER)
            named = paths.take(table.column("stream").combine_chunks())
            table = table.set_column(0, "stream", named)
            file = out / f"{layout}.{'csv' if csv else 'parquet'}"
            if csv:
                pa_csv.write_csv(table, file)
            else:
                parquet.write_table(table, file)
            yield file, table.num_rows
    finally:
        store.close()
