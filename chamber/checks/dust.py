"""Fine dust instruments beside a reference: the five items of Korea's performance certification.

Formulas of standards.md 1.1, with hour i, unit j, reference R and the mean over units m::

    accuracy           100 mean_i(1 - |R_i - m_i| / R_i)          hours with R_i below a floor are left out
    R2                 corr(R, m)^2
    relative precision 100 - mean_i(100 SD_j(x_ij) / m_i)         sample SD, at least two units
    data rate          100 min_j(N_valid,j / N_ref)
    repeatability      100 - 100 SD / mean of repeated readings of one unit at one steady level
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """Averages of one device: ``value: float64[n]`` (NaN where too few readings), ``readings: int64[n]``."""

    value: Floats
    readings: NDArray[np.int64]

    @property
    def valid(self) -> int:
        """Number of valid averages."""
        return int(np.isfinite(self.value).sum())


def means(t: NDArray[np.int64], x: Floats, start: int, width: int, n: int, needed: float) -> Means:
    """Return n averages over ``width`` ns from ``start``; those of fewer than ``needed`` readings are NaN.

    ``t: int64[m]`` ns; ``x: float64[m]``, NaN where not usable.
    """
    bin_of = (t - start) // width
    use = (t >= start) & (bin_of < n) & np.isfinite(x)
    readings = np.bincount(bin_of[use], minlength=n).astype(np.int64)
    total = np.bincount(bin_of[use], weights=x[use], minlength=n)
    enough = readings >= max(1.0, needed)
    return Means(np.where(enough, total / np.maximum(readings, 1), np.nan), readings)


def mean_of_units(x: Floats) -> Floats:
    """Return the mean over the units that are valid in an hour; ``x: float64[j, i]`` -> float64[i]."""
    valid = np.isfinite(x)
    count = valid.sum(axis=0)
    total = np.where(valid, x, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def judged_hours(reference: Floats, mean: Floats, floor: float) -> NDArray[np.bool_]:
    """Return where both are valid and the reference is at least ``floor``; all arrays [i]."""
    both = np.isfinite(reference) & np.isfinite(mean)
    return np.asarray(both & (np.where(both, reference, 0.0) >= max(floor, np.finfo(float).tiny)), dtype=np.bool_)


def accuracy(reference: Floats, mean: Floats, floor: float = 0.0) -> float | None:
    """Return accuracy in % (negative where errors exceed the reference), None without a judged hour."""
    use = judged_hours(reference, mean, floor)
    if not use.any():
        return None
    r, m = reference[use], mean[use]
    return float(100.0 * np.mean(1.0 - np.abs(r - m) / r))


def r_squared(reference: Floats, mean: Floats) -> float | None:
    """Return the squared correlation; None below 3 hours or with a constant reference.

    A device that says the same value while the reference varies explains nothing: 0.
    """
    use = np.isfinite(reference) & np.isfinite(mean)
    if use.sum() < 3 or _constant(reference[use]):
        return None
    if _constant(mean[use]):
        return 0.0
    return float(np.corrcoef(reference[use], mean[use])[0, 1] ** 2)


def relative_precision(x: Floats, use: NDArray[np.bool_] | None = None) -> float | None:
    """Return relative precision in % over the hours of at least two valid units with a positive mean.

    ``x: float64[j, i]``, NaN where missing; ``use: bool[i]`` narrows the hours. None without any hour.
    """
    deviation = relative_deviation(x)
    if use is not None:
        deviation = deviation[use]
    deviation = deviation[np.isfinite(deviation)]
    return float(100.0 - deviation.mean()) if deviation.size else None


def relative_deviation(x: Floats) -> Floats:
    """Return the sample SD over units in % of their mean, float64[i], NaN where it is not defined."""
    valid = np.isfinite(x)
    count, mean = valid.sum(axis=0), mean_of_units(x)
    usable = (count >= 2) & (np.where(count > 0, mean, 0.0) > 0)
    squares = np.where(valid, (np.where(valid, x, 0.0) - np.where(usable, mean, 0.0)) ** 2, 0.0).sum(axis=0)
    sd = np.sqrt(squares / np.maximum(count - 1, 1))
    return np.where(usable, 100.0 * sd / np.where(usable, mean, 1.0), np.nan)


def data_rate(x: Floats, reference: Floats) -> float | None:
    """Return the smallest share (%) of the reference's valid hours in which a unit is valid too.

    ``x: float64[j, i]``; None where the reference has no valid hour or there is no unit.
    """
    rates = data_rates(x, reference)
    return float(rates.min()) if rates.size else None


def data_rates(x: Floats, reference: Floats) -> Floats:
    """Return the data acquisition rate of every unit in %, float64[j]; empty without a reference hour."""
    hours = np.isfinite(reference)
    if not hours.any():
        return np.empty(0)
    return np.asarray(100.0 * np.isfinite(x[:, hours]).sum(axis=1) / hours.sum(), dtype=np.float64)


def repeatability(readings: Floats) -> float | None:
    """Return 100 - relative standard deviation (%) of repeated readings ``float64[m]`` at a steady level.

    None below two readings or without a positive mean.
    """
    readings = readings[np.isfinite(readings)]
    if readings.size < 2 or readings.mean() <= 0:
        return None
    return float(100.0 - 100.0 * readings.std(ddof=1) / readings.mean())


def _constant(x: Floats) -> bool:
    return bool(np.ptp(x) <= 1e-12 * max(1.0, float(np.abs(x).max())))
