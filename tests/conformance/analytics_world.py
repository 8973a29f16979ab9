"""Feature matrices and lives for the conformance checks of detectors and prognosers."""

import numpy as np

from analytics.features import describe
from analytics.slots import Slot

SLOTS = [Slot("vibration-velocity", "vibration-velocity", "mm/s"), Slot("temperature", "temperature", "Cel")]
INFOS = describe(SLOTS)


def features(n, wear, seed=0):
    """Return a feature matrix of n windows: healthy noise and, with wear in [0, 1], growing drift and level."""
    rng = np.random.default_rng(seed)
    wear = np.broadcast_to(np.asarray(wear, dtype=float), (n,))
    columns = []
    for info in INFOS:
        noise = rng.standard_normal(n)
        kind = info.name.rpartition(".")[2] if info.slot else info.name
        columns.append(
            {
                "level": 1.0 + 5.0 * wear**2 + 0.05 * noise,
                "drift": 0.7 * noise + 20.0 * wear**2,
                "ratio": 1.0 + 4.0 * wear**2 + 0.03 * noise,
                "trend": 0.1 * noise + wear**2,
                "age": 60.0 * wear + 2.0 * np.abs(noise),
            }.get(kind, noise)
        )
    return np.stack(columns, axis=1)


def lives(groups=24, windows=120, hours=60.0, seed=0):
    """Return (x, y in s, group) of assets that all run to failure."""
    left = np.linspace(hours, 0.2, windows)
    parts = [features(windows, 1.0 - left / hours, seed * 1000 + g) for g in range(groups)]
    return np.concatenate(parts), np.tile(left * 3600.0, groups), np.repeat(np.arange(groups), windows)
