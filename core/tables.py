"""Batches as Arrow tables: the file format between rooms (history, recordings, raw archive)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.batch import Batch
from core.spec import LayoutSpec

KEYS = ("stream", "sid", "seq", "t")


def schema(layout: LayoutSpec) -> pa.Schema:
    """Return ``stream, sid, seq, t``, then each channel as float64, then ``<channel>__q`` as uint8."""
    fields = [pa.field("stream", pa.int32()), *(pa.field(k, pa.int64()) for k in KEYS[1:])]
    fields += [pa.field(c, pa.float64()) for c in layout.columns]
    fields += [pa.field(f"{c}__q", pa.uint8()) for c in layout.columns]
    return pa.schema(fields, metadata={"layout": layout.name})


def to_table(batch: Batch) -> pa.Table:
    """Return a batch as an Arrow table of :func:`schema`."""
    k = len(batch.layout.channels)
    columns: list[NDArray[np.generic]] = [batch.stream, batch.sid, batch.seq, batch.t]
    columns += [np.ascontiguousarray(batch.x[:, j]) for j in range(k)]
    columns += [np.ascontiguousarray(batch.q[:, j]) for j in range(k)]
    return pa.Table.from_arrays([pa.array(c) for c in columns], schema=schema(batch.layout))


def from_table(table: pa.Table, layout: LayoutSpec) -> Batch:
    """Return the batch of :func:`to_table`."""

    def column(name: str) -> Any:
        return table.column(name).to_numpy()

    return Batch(
        layout,
        column("stream").astype(np.int32, copy=False),
        column("sid"),
        column("seq"),
        column("t"),
        np.stack([column(c) for c in layout.columns], axis=1).astype(np.float64, copy=False),
        np.stack([column(f"{c}__q") for c in layout.columns], axis=1).astype(np.uint8, copy=False),
    )
