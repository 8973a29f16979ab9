"""Milling parts of the AI4I 2020 table: columns in, physics features out; failure flags are targets only.

The table's own page (Matzka 2020, UCI 601) describes what a part fails of: too little heat carried off, power out
of range, overstrain above a limit by part type. The features below say the same quantities; the five mode flags,
the row number and the product number are never features (they leak the answer).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics.table_file import read_table
from core.errors import ModelError
from core.spec import Name

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FILE = "ai4i2020.csv"
TYPES = ("L", "M", "H")
MODES: dict[str, Name] = {
    "TWF": Name("공구 마모", "tool wear"),
    "HDF": Name("방열 불량", "heat dissipation"),
    "PWF": Name("동력 이상", "power"),
    "OSF": Name("과부하", "overstrain"),
    "RNF": Name("무작위 고장", "random"),
}
TARGET = "Machine failure"
#: overstrain limit in min N m by part type, from the table's page
LIMITS = np.array([11_000.0, 12_000.0, 13_000.0])
_AIR, _PROCESS = "Air temperature [K]", "Process temperature [K]"
_SPEED, _TORQUE, _WEAR = "Rotational speed [rpm]", "Torque [Nm]", "Tool wear [min]"
MEASURED = (_AIR, _PROCESS, _SPEED, _TORQUE, _WEAR)
RAW = 6  # the first features are the table's own columns


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the feature matrix; ``of`` maps the table's columns float64[n] to float64[n]."""

    name: str
    unit: str
    formula: str
    label: Name
    of: Callable[[dict[str, Floats]], Floats]


def _power(c: dict[str, Floats]) -> Floats:
    return c[_TORQUE] * c[_SPEED] * (2.0 * np.pi / 60.0)


def _strain(c: dict[str, Floats]) -> Floats:
    return c[_WEAR] * c[_TORQUE]


FEATURES: tuple[Feature, ...] = (
    Feature("type", "1", "L 0, M 1, H 2", Name("제품 등급", "part type"), lambda c: c["type"]),
    Feature("air", "K", _AIR, Name("공기 온도", "air temperature"), lambda c: c[_AIR]),
    Feature("process", "K", _PROCESS, Name("공정 온도", "process temperature"), lambda c: c[_PROCESS]),
    Feature("speed", "/min", _SPEED, Name("회전수", "spindle speed"), lambda c: c[_SPEED]),
    Feature("torque", "N.m", _TORQUE, Name("토크", "torque"), lambda c: c[_TORQUE]),
    Feature("wear", "min", _WEAR, Name("공구 사용 시간", "minutes on the tool"), lambda c: c[_WEAR]),
    Feature("power", "W", "torque * speed * 2 pi / 60", Name("주축 동력", "spindle power"), _power),
    Feature(
        "excess", "K", "process - air", Name("공정-공기 온도차", "process above air temperature"),
        lambda c: c[_PROCESS] - c[_AIR],
    ),
    Feature("strain", "min.N.m", "wear * torque", Name("공구 부담", "tool strain"), _strain),
    Feature(
        "strain_ratio", "1", "wear * torque / limit of the type",
        Name("등급 한계 대비 부담", "strain against its limit"),
        lambda c: _strain(c) / LIMITS[c["type"].astype(np.intp)],
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """The table: ``columns`` float64[n] each as measured, features ``x: float64[n, f]`` of them, failure
    ``y: bool[n]``, modes ``bool[n, 5]`` in order of MODES."""

    columns: dict[str, Floats]
    x: Floats
    y: Flags
    modes: Flags


def read_parts(path: Path) -> Parts:
    """Return the parts of ``ai4i2020.csv`` (or of the folder that holds it).

    Raises
    ------
    ModelError
        If the file is not that table; the line names file and column.
    """
    table = read_table(path, FILE, ("Type", *MEASURED, TARGET, *MODES))
    columns = {name: table.numbers(name) for name in MEASURED}
    kind = table.texts("Type")
    strange = np.flatnonzero(~np.isin(kind, TYPES))
    if len(strange):
        at = int(strange[0])
        raise ModelError(f"{table.path}: column 'Type', line {at + 2}: {str(kind[at])!r} is none of {', '.join(TYPES)}")
    columns["type"] = np.select([kind == name for name in TYPES], np.arange(3.0))
    modes = np.stack([_flag(table.numbers(m, moves=False), m, table.path) for m in MODES], axis=1)
    y = _flag(table.numbers(TARGET, moves=False), TARGET, table.path)
    if len(np.unique(y)) < 2:
        raise ModelError(f"{table.path}: column {TARGET!r} is {int(y[0])} in every row: both classes are needed")
    return Parts(columns, matrix(columns), y, modes)


def matrix(columns: dict[str, Floats]) -> Floats:
    """Return the features of measured columns, float64[n, f]."""
    return np.stack([f.of(columns) for f in FEATURES], axis=1)


def _flag(values: Floats, name: str, path: Path) -> Flags:
    wrong = np.flatnonzero(~np.isin(values, (0.0, 1.0)))
    if len(wrong):
        raise ModelError(f"{path}: column {name!r}, line {int(wrong[0]) + 2}: {values[wrong[0]]:g} is neither 0 nor 1")
    return np.asarray(values == 1.0)
