"""Recorded data: a CSV or Parquet file as rows of groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.clock import NS
from simulator.grid import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Rows that belong to one device.

    Attributes
    ----------
    value
        What the grouping column says; None without one.
    x : float64[n, k]
        Values; NaN where there is none.
    t : int64[n]
        ns since the file's earliest row; empty without a column of times.
    """

    value: object
    x: Floats
    t: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A file: its numeric columns (neither group nor time) and its groups in the order of their values."""

    columns: tuple[str, ...]
    groups: tuple[Group, ...]


@lru_cache(maxsize=8)
def read(file: str, group_by: str = "", time: str = "") -> Recording:
    """Return the content of a file.

    Raises
    ------
    ValueError
        If it cannot be read, a column is missing, or times do not increase within a group.
    """
    table = _table(Path(file))
    for name in filter(None, (group_by, time)):
        if name not in table.column_names:
            raise ValueError(f"{file} has no column {name!r}; it has {', '.join(table.column_names)}")
    if not table.num_rows:
        raise ValueError(f"{file} has no rows")
    columns = tuple(f.name for f in table.schema if _is_number(f.type) and f.name not in (group_by, time))
    if not columns:
        raise ValueError(f"{file} has no numeric columns")
    x = np.column_stack([_floats(table.column(name)) for name in columns])
    t = _times(table.column(time), file, time) if time else np.empty(0, dtype=np.int64)
    values = table.column(group_by).to_pylist() if group_by else [None] * len(x)
    groups = tuple(Group(value, x[rows], t[rows] if time else t) for value, rows in _rows(values, file, group_by))
    for group in groups:
        if len(group.t) and not (np.diff(group.t) > 0).all():
            raise ValueError(f"{file}: {time} does not increase" + (f" in {group_by} {group.value}" * bool(group_by)))
    return Recording(columns, groups)


def _table(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import csv, parquet

    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        if path.suffix == ".csv":
            return csv.read_csv(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    raise ValueError(f"{path} is neither .csv nor .parquet")


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind))


def _floats(column: Any) -> Floats:
    """Return a numeric column as float64, NaN where it is null."""
    return np.asarray(column.cast("float64").to_numpy(), dtype=np.float64)


def _times(column: Any, file: str, name: str) -> Ints:
    """Return ns since the earliest time; numbers are seconds."""
    if column.null_count:
        raise ValueError(f"{file}: {name} has missing times")
    if _is_number(column.type):
        ns = np.round(_floats(column) * NS).astype(np.int64)
    elif str(column.type).startswith("timestamp"):
        ns = column.cast("timestamp[ns]").to_numpy().astype("datetime64[ns]").astype(np.int64)
    else:
        raise ValueError(f"{file}: {name} holds no times (write ISO 8601 or seconds)")
    return np.asarray(ns - ns.min(), dtype=np.int64)


def _rows(values: list[Any], file: str, group_by: str) -> list[tuple[object, Ints]]:
    """Return the row numbers of every group, in the order of the groups' values."""
    found: dict[Any, list[int]] = {}
    for row, value in enumerate(values):
        found.setdefault(value, []).append(row)
    if group_by and None in found:
        raise ValueError(f"{file}: {group_by} is missing in row {found[None][0] + 1}")
    order = sorted(found) if group_by else list(found)
    return [(value, np.array(found[value], dtype=np.int64)) for value in order]
