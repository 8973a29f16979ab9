"""Rows of engines in the layout of the C-MAPSS files: ``unit, cycle, op1 .., s1 ..``, as text or Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: columns of the published text files, which have no header
TEXT = ("unit", "cycle", *(f"op{i}" for i in range(1, 4)), *(f"s{i}" for i in range(1, 22)))


@dataclass(frozen=True, slots=True, eq=False)
class Engines:
    """Cycles of engines, ordered by (unit, cycle): ``unit, cycle: int64[n]``, ``x: float64[n, k]``, NaN: missing."""

    unit: Ints
    cycle: Ints
    columns: tuple[str, ...]
    x: Floats

    def pick(self, names: tuple[str, ...]) -> Floats:
        """Return the named columns, float64[n, names]."""
        missing = [n for n in names if n not in self.columns]
        if missing:
            raise ModelError(f"the engine rows lack {', '.join(missing)}, which the model was trained on")
        return self.x[:, [self.columns.index(n) for n in names]]

    @property
    def left(self) -> Floats:
        """Cycles from each row to its engine's last, float64[n]."""
        size = np.diff(np.append(self.begins, len(self.unit)))
        return np.asarray(np.repeat(self.cycle[self.ends], size) - self.cycle, dtype=np.float64)

    def keep(self, names: tuple[str, ...]) -> Engines:
        """Return the same rows with only the named columns."""
        return Engines(self.unit, self.cycle, names, self.pick(names))

    @property
    def begins(self) -> NDArray[np.intp]:
        """First row of each engine."""
        return np.flatnonzero(np.concatenate([[True], np.diff(self.unit) != 0]))

    @property
    def ends(self) -> NDArray[np.intp]:
        """Last row of each engine."""
        return np.append(self.begins[1:], len(self.unit)) - 1


def engines(table: pa.Table | Mapping[str, NDArray[np.generic]], where: str = "engine rows") -> Engines:
    """Return rows as :class:`Engines`: any order, doubles dropped; a column without any value is left out.

    Raises
    ------
    ModelError
        If there are no rows, no ``unit`` or ``cycle``, or a column holds no numbers; ``where`` begins the line.
    """
    names = table.column_names if isinstance(table, pa.Table) else list(table)
    if not {"unit", "cycle"} <= set(names):
        raise ModelError(f"{where}: the columns unit and cycle are needed, there are: {', '.join(names)[:120]}")

    def column(name: str) -> Floats:
        values = table[name].to_numpy() if isinstance(table, pa.Table) else table[name]
        try:
            return np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{where}: column {name!r} holds no numbers: {error}") from error

    keys = {name: column(name) for name in ("unit", "cycle")}
    if not len(keys["unit"]):
        raise ModelError(f"{where}: there are no engine rows")
    for name, values in keys.items():
        if not bool(np.isfinite(values).all()):
            raise ModelError(f"{where}: column {name!r}, row {int(np.argmin(np.isfinite(values))) + 1} is no number")
    unit, cycle = keys["unit"].astype(np.int64), keys["cycle"].astype(np.int64)
    order = np.lexsort((cycle, unit))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(unit[order]) != 0) | (np.diff(cycle[order]) != 0)
    order = order[first]
    found = {n: column(n)[order] for n in names if n[0] in "os" and n.lstrip("ops").isdigit()}
    found = {n: x for n, x in found.items() if bool(np.isfinite(x).any())}
    if not any(n.startswith("s") for n in found):
        raise ModelError(f"{where}: no sensor column (s1, s2, ...) holds a value")
    for name, values in found.items():
        if name.startswith("op"):
            found[name] = carried(values[:, None], unit[order])[:, 0]
    return Engines(unit[order], cycle[order], tuple(found), np.stack(list(found.values()), axis=1))


def read_engines(path: Path) -> Engines:
    """Return the engines of a ``.parquet`` file, or of a ``.txt`` file as published (26 columns, no header).

    Raises
    ------
    ModelError
        If the file is missing or not of this layout.
    """
    if not path.is_file():
        raise ModelError(f"{path} is missing: give the folder with train_FD001.parquet or train_FD001.txt")
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        try:
            return engines(pq.read_table(path), str(path))
        except (OSError, pa.ArrowInvalid) as error:
            raise ModelError(f"{path} is no Parquet file: {str(error).splitlines()[0][:120]}") from error
    return engines(_read_text(path), str(path))


def find_engines(folder: Path, name: str) -> Engines:
    """Return the engines of ``<name>.parquet`` or else ``<name>.txt`` of a folder."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is no folder: give the one with {name}.parquet or {name}.txt")
    text = folder / f"{name}.txt"
    parquet = folder / f"{name}.parquet"
    return read_engines(text if text.is_file() and not parquet.is_file() else parquet)


def _read_text(path: Path) -> dict[str, Floats]:
    rows: list[list[float]] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                fields = line.split()
                if not fields:
                    continue
                if len(fields) != len(TEXT):
                    raise ModelError(f"{path}: line {number} has {len(fields)} columns, {len(TEXT)} are customary")
                rows.append([float(field) for field in fields])
    except ValueError as error:  # of float() and of a text that is no UTF-8
        raise ModelError(f"{path}: line {len(rows) + 1}: {error}") from error
    if not rows:
        raise ModelError(f"{path}: there are no engine rows")
    return dict(zip(TEXT, np.array(rows).T, strict=True))


def carried(x: Floats, unit: Ints) -> Floats:
    """Return values with missing ones carried on within an engine; one missing from the start takes the mean."""
    there = np.isfinite(x)
    if bool(there.all()):
        return x
    begin = np.maximum.accumulate(np.where(np.concatenate([[True], np.diff(unit) != 0]), np.arange(len(unit)), 0))
    index = np.where(there, np.arange(len(x))[:, None], -1)
    at = np.maximum.accumulate(index, axis=0)
    usable = at >= begin[:, None]
    mean = np.where(there, x, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(usable, np.take_along_axis(x, np.maximum(at, 0), axis=0), mean)
