"""Tables as files: CSV for spreadsheets, Arrow and Parquet for programs."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Literal

import pyarrow as pa

from core.catalog import Catalog

Format = Literal["json", "csv", "arrow", "parquet"]
MEDIA: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(text: str) -> str:
    """Return text that a spreadsheet will not run as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def with_time(table: pa.Table) -> pa.Table:
    """Return the table with ``t`` (ns) replaced by ``time``, a UTC timestamp."""
    at = table.column_names.index("t")
    time = table.column("t").cast(pa.timestamp("ns", tz="UTC"))
    return table.set_column(at, "time", time)


def with_device(table: pa.Table, catalog: Catalog) -> pa.Table:
    """Return the table with a ``device`` column before the stream indices, where it has them."""
    if "stream" not in table.column_names or "device" in table.column_names:
        return table
    paths = pa.array([entry.device for entry in catalog.streams], pa.string())
    indices = table.column("stream").combine_chunks()
    return table.add_column(0, "device", pa.DictionaryArray.from_arrays(indices, paths).dictionary_decode())


def to_bytes(table: pa.Table, form: str) -> bytes:
    """Return a table as a file of the form ``csv``, ``arrow`` or ``parquet``."""
    if form == "csv":
        return _csv(table)
    sink = io.BytesIO()
    if form == "arrow":
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    else:
        import pyarrow.parquet as pq

        pq.write_table(table, sink)
    return sink.getvalue()


def _csv(table: pa.Table) -> bytes:
    import pyarrow.compute as pc
    from pyarrow import csv

    columns, names = [], []
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        if pa.types.is_timestamp(column.type):
            column = pc.strftime(column.cast(pa.timestamp("ms", tz="UTC"), safe=False), format="%Y-%m-%dT%H:%M:%SZ")
        elif pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_finite(column), column, None)
        columns.append(column)
        names.append(safe_cell(name))
    sink = io.BytesIO()
    csv.write_csv(pa.Table.from_arrays(columns, names=names), sink)
    return sink.getvalue()


def notes_csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return flat notes as CSV; nested fields are written as JSON."""
    import csv
    import json

    sink = io.StringIO()
    if rows:
        writer = csv.writer(sink)
        writer.writerow([safe_cell(k) for k in rows[0]])
        for row in rows:
            cells = [json.dumps(v, ensure_ascii=False) if isinstance(v, (dict, list)) else v for v in row.values()]
            writer.writerow([safe_cell(c) if isinstance(c, str) else c for c in cells])
    return sink.getvalue().encode()
