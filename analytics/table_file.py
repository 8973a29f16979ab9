"""Tables of real data read from CSV: a wrong file, column or value gets one line that names it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError

Floats = NDArray[np.float64]
Texts = NDArray[np.str_]


class Table:
    """Rows of a CSV file with a header.

    Parameters
    ----------
    path
        Where it came from, for messages.
    columns : dict of str[n]
        Texts by column name.
    """

    def __init__(self, path: Path, columns: dict[str, list[str]]) -> None:
        self.path = path
        self._columns = columns

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def texts(self, name: str) -> Texts:
        """Return a column as texts, str[n]."""
        return np.array(self._columns[name], dtype=np.str_)

    def numbers(self, name: str, *, moves: bool = True) -> Floats:
        """Return a column as float64[n].

        Raises
        ------
        ModelError
            If a value is missing or no finite number, or all are equal although the column should move.
        """
        texts = self._columns[name]
        try:
            values = np.array(texts, dtype=np.float64)
        except ValueError:
            values = np.array([_number(text) for text in texts], dtype=np.float64)
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            at = int(wrong[0])
            raise ModelError(f"{self.path}: column {name!r}, line {at + 2}: {texts[at]!r} is no number")
        if moves and bool((values == values[0]).all()):
            raise ModelError(f"{self.path}: column {name!r} is {values[0]:g} in every row: nothing to learn from")
        return values


def read_table(path: Path, name: str, need: Sequence[str]) -> Table:
    """Return a CSV file with (at least) the needed columns.

    Parameters
    ----------
    path
        The file, or the folder that holds a file called ``name``.
    name
        Customary name of the file.
    need
        Columns that must be there.

    Raises
    ------
    ModelError
        If the file is missing, no such table, or empty.
    """
    file = path / name if path.is_dir() else path
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header, *rows = list(csv.reader(lines)) or [[]]
    except FileNotFoundError as error:
        raise ModelError(f"{file} is missing: give {name} or the folder that holds it") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelError(f"{file} is no CSV text: {error}") from error
    missing = [column for column in need if column not in header]
    if missing:
        found = ", ".join(header)[:100] or "nothing"
        raise ModelError(f"{file}: column {missing[0]!r} is missing (is this {name}? the header has: {found})")
    rows = [row for row in rows if row]
    if not rows:
        raise ModelError(f"{file}: there is no row below the header")
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ModelError(f"{file}: line {line} has {len(row)} values, the header {len(header)} columns")
    return Table(file, {column: list(values) for column, *values in zip(header, *rows, strict=True)})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
