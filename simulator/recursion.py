"""First-order recursion along time, the same bits for any block length.

scipy's ``lfilter`` is quick on long blocks but takes more than a second to import. A history pays for that once
(:func:`use_lfilter`); a live world, whose blocks are short, starts without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from simulator.grid import Floats

_SHORT = 64
_lfilter: Any = None


def use_lfilter() -> None:
    """Import ``lfilter`` for this process; changes how long things take and not one bit of them."""
    global _lfilter
    from scipy.signal import lfilter

    _lfilter = lfilter


def first_order(x: Floats, gain: float, rho: float, carried: Floats) -> Floats:
    """Return y[i] = gain x[i] + rho y[i-1] along axis 0; ``carried`` is rho y[-1], of x's shape without axis 0."""
    if _lfilter is not None and len(x) > _SHORT:
        out, _ = _lfilter([gain], [1.0, -rho], x, axis=0, zi=carried[None])
        return np.asarray(out, dtype=np.float64)
    out = np.empty_like(x)
    for i in range(len(x)):
        # state first, then input: the order in which lfilter adds
        np.add(carried, gain * x[i], out=out[i, ...])
        carried = rho * out[i]
    return out
