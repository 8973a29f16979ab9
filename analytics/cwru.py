"""Bearing windows of the CWRU time-feature table: nine time features of 2,048 samples at 48 kHz, ten classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics.table_file import Texts, read_table
from core.errors import ModelError
from core.spec import Name

Floats = NDArray[np.float64]

FILE = "cwru_feature_time_48k_2048_load_1.csv"
LABEL = "fault"
#: column -> unit (the accelerometer's, as in the recordings: g), formula, name for people
COLUMNS: dict[str, tuple[str, str, Name]] = {
    "max": ("g", "max x", Name("최댓값", "largest value")),
    "min": ("g", "min x", Name("최솟값", "smallest value")),
    "mean": ("g", "mean x", Name("평균", "mean")),
    "sd": ("g", "standard deviation of x", Name("표준편차", "standard deviation")),
    "rms": ("g", "sqrt(mean x^2)", Name("실효값", "r.m.s.")),
    "skewness": ("1", "mean (x - m)^3 / s^3", Name("왜도", "skewness")),
    "kurtosis": ("1", "mean (x - m)^4 / s^4 - 3", Name("첨도", "kurtosis")),
    "crest": ("1", "max x / rms", Name("파고율", "crest factor")),
    "form": ("1", "rms / mean x", Name("파형률", "form factor")),
}


@dataclass(frozen=True, slots=True, eq=False)
class BearingWindows:
    """Features ``x: float64[n, 9]`` in order of COLUMNS, class names ``y: str[n]``."""

    x: Floats
    y: Texts
    path: Path


def read_windows(path: Path) -> BearingWindows:
    """Return the table (or the one in a folder).

    Raises
    ------
    ModelError
        If the file is not that table; the line names file and column.
    """
    table = read_table(path, FILE, (*COLUMNS, LABEL))
    y = table.texts(LABEL)
    if len(np.unique(y)) < 2:
        raise ModelError(
            f"{table.path}: column {LABEL!r} is {str(y[0])!r} in every row: at least two classes are needed"
        )
    return BearingWindows(np.stack([table.numbers(name) for name in COLUMNS], axis=1), y, table.path)
