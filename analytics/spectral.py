"""Spectral features of the bursts of a batch; bursts with gaps, bad samples or uneven steps give none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.shafts import Shafts
from analytics.signals import SHORTEST, SPECTRAL, Bursts
from core.batch import Batch
from core.clock import NS

Floats = NDArray[np.float64]
_STEP = 64  # lengths are cut to multiples of it, so that bursts of nearly one length share their transforms
_AT_ONCE = 256  # bursts; bounds memory
_UNEVEN = 0.05  # of a step, by which samples may be off


def spectral(rows: Batch, good: NDArray[np.bool_], cut: NDArray[np.intp], shafts: Shafts) -> dict[str, Floats]:
    """Return each spectral feature by burst and channel, float64[bursts, k].

    ``good: bool[n, k]``; ``cut`` are the first rows of the bursts.
    """
    size = np.diff(np.append(cut, len(rows)))
    length = size - size % _STEP
    step = _steps(rows, good, cut, size)
    whole = np.flatnonzero((length >= SHORTEST) & (step > 0))
    hz = shafts.hz(rows.stream[cut], rows.t[cut])
    out = {f.name: np.full((len(cut), rows.x.shape[1]), np.nan) for f in SPECTRAL}
    kinds = np.stack([length[whole], np.round(step[whole])], axis=1)
    for n, period in np.unique(kinds, axis=0):
        alike = whole[(kinds == (n, period)).all(axis=1)]
        for part in np.array_split(alike, -(-len(alike) // _AT_ONCE)):
            x = rows.x[cut[part][:, None] + np.arange(int(n))[None, :]]
            bursts = Bursts(x, NS / float(period), hz[part], shafts.config)
            for feature in SPECTRAL:
                out[feature.name][part] = feature.of(bursts)
    return out


def _steps(rows: Batch, good: NDArray[np.bool_], cut: NDArray[np.intp], size: NDArray[np.intp]) -> Floats:
    """Return the ns between the samples of each burst, 0 where they are uneven or any sample is not GOOD."""
    if not len(cut):
        return np.zeros(0)
    last = cut + size - 1
    step = (rows.t[last] - rows.t[cut]) / np.maximum(size - 1, 1)
    off = np.zeros(len(rows))
    off[1:] = np.abs(np.diff(rows.t) - np.repeat(step, size)[1:])
    off[cut] = 0.0
    even = np.maximum.reduceat(off, cut) <= _UNEVEN * step
    clean = np.logical_and.reduceat(good.all(axis=1), cut)
    return np.where(even & clean & (size > 1), step, 0.0)
