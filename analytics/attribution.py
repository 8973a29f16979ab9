"""Which failure mode a deviation points to: each mode has quantities that tell of it, and takes its share of the drift.

The share of a mode is the mean squared drift (sigma) of its quantities over the sum of all modes'. It is a statement
about symptoms, learnt from nothing; :func:`hits` scores it against what really failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from analytics.slots import Slot
from analytics.windows import Floats

Modes = Mapping[str, Sequence[str]]
#: quantities by mode, for rotating machines and those that handle product
MODES: dict[str, tuple[str, ...]] = {
    "bearing": ("vibration-velocity", "acceleration"),
    "heat": ("temperature",),
    "drive": ("current", "electric-current", "power", "shaft-power"),
    "hydraulics": ("volume-flow", "flow", "pressure", "hydraulic-power"),
    "tool": ("duration", "torque"),
}


def shares(drift: Floats, slots: Sequence[Slot], modes: Modes = MODES) -> dict[str, float]:
    """Return the share of each mode, the largest first; ``drift: float64[s]``, NaN where unknown; empty: no drift."""
    strength = {}
    for mode, quantities in modes.items():
        own = np.array([d for d, slot in zip(drift, slots, strict=True) if slot.quantity in quantities])
        own = own[np.isfinite(own)]
        if len(own):
            strength[mode] = float(np.mean(own * own))
    whole = sum(strength.values())
    if whole <= 0:
        return {}
    return dict(sorted(((m, v / whole) for m, v in strength.items()), key=lambda pair: -pair[1]))


def words(found: Mapping[str, float]) -> str:
    """Return the leading mode in words, empty where none leads."""
    mode, share = next(iter(found.items()), ("", 0.0))
    return f"points to {mode} ({share:.0%} of the deviation)" if share >= 0.5 else ""


def hits(named: Sequence[Mapping[str, float]], true: Sequence[str]) -> dict[str, float]:
    """Return the share of cases whose leading mode is the true one, and that of always naming the commonest."""
    if not true:
        return {"cases": 0, "accuracy": float("nan"), "commonest": float("nan")}
    right = [next(iter(found), "") == mode for found, mode in zip(named, true, strict=True)]
    commonest = max(list(true).count(mode) for mode in set(true))
    return {"cases": len(true), "accuracy": float(np.mean(right)), "commonest": commonest / len(true)}
