from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given

from core.batch import Batch, concat
from core.tables import from_table, schema, to_table
from tests.unit.core.builders import batch, batches, layout, same


@given(batches())
def test_a_table_gives_back_the_same_bits(rows: Batch) -> None:
    table = to_table(rows)
    table.validate(full=True)
    assert table.schema.equals(schema(rows.layout))
    assert same(from_table(table, rows.layout), rows)


def test_parquet_keeps_rows_and_layout_name(tmp_path: Path) -> None:
    spec = layout("pump.state", "온도", "b")
    rows = concat([batch(spec, [0, 1]), batch(spec, [1], start=9)])
    pq.write_table(to_table(rows), tmp_path / "rows.parquet")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.schema.metadata[b"layout"] == b"pump.state"
    assert same(from_table(table, spec), rows)


def test_chunks_are_one_batch() -> None:
    spec = layout()
    parts = [batch(spec, [0]), batch(spec, [1], start=1)]
    assert same(from_table(pa.concat_tables([to_table(p) for p in parts]), spec), concat(parts))


def test_columns_stand_in_a_fixed_order() -> None:
    assert schema(layout("x", "a", "b")).names == ["stream", "sid", "seq", "t", "a", "b", "a__q", "b__q"]
