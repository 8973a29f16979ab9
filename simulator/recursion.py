"""First-order recursion along time, the same bits for any block length.

scipy's ``lfilter`` is quick on long blocks but takes a second to import; a live quantum has a few samples, and the
weather a single column, and both get by without it.
"""

from __future__ import annotations

import numpy as np

from simulator.grid import Floats

_SHORT = 64
_SLIM = 4096  # values


def first_order(x: Floats, gain: float, rho: float, carried: Floats) -> Floats:
    """Return y[i] = gain x[i] + rho y[i-1] along axis 0; ``carried`` is rho y[-1], of x's shape without axis 0."""
    if len(x) > _SHORT and x.size > _SLIM:
        from scipy.signal import lfilter

        out, _ = lfilter([gain], [1.0, -rho], x, axis=0, zi=carried[None])
        return np.asarray(out, dtype=np.float64)
    out = np.empty_like(x)
    for i in range(len(x)):
        # state first, then input: the order in which lfilter adds
        np.add(carried, gain * x[i], out=out[i, ...])
        carried = rho * out[i]
    return out
