"""What a model is to learn: time to failure of each window, with what is not known left out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytics.lives import Life
from core.clock import NS


def time_to_failure(t: NDArray[np.int64], life: Life) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (seconds to failure, seconds the asset is known to live on) of times in a life, float64[n] each.

    The first is inf where the life was censored by planned maintenance or the end of the data; the second is
    the time to that censoring.
    """
    left = (life.t1 - t) / NS
    if life.end == "failure":
        return left, left
    return np.full(len(t), np.inf), left


def usable(y: NDArray[np.float64], known: NDArray[np.float64], horizon_s: float, cap_s: float) -> NDArray[np.bool_]:
    """Return the rows a model may learn from.

    A censored row is a "lives on" only if it is known to outlive both the horizon and the cap of remaining
    life; nearer to the censoring nobody knows.
    """
    return np.asarray(np.isfinite(y) | (known >= max(horizon_s, cap_s)))
