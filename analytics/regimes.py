"""Operating regimes: how many ways of running there are, found in the settings of the training rows.

Settings that jump between a few points (C-MAPSS FD002 and FD004: six flight conditions) explain nearly all of their
own scatter by those points; settings that merely jitter about one point (FD001, FD003) do not. The number of
regimes is therefore the smallest one whose clusters leave less than 0.1 % of the variance, and 1 where none does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST = 8
LEFT = 0.001  # eight cuts of evenly spread settings leave 1/64; six flight conditions less than a millionth
_ROWS = 4000  # enough to find clusters that hold at least a percent of the rows


@dataclass(frozen=True, slots=True, eq=False)
class Regimes:
    """Centres ``float64[r, k]`` in units of ``scale: float64[k]`` (the settings' scatter in training)."""

    centres: Floats
    scale: Floats

    @property
    def count(self) -> int:
        """Number of regimes."""
        return max(len(self.centres), 1)

    @classmethod
    def one(cls) -> Regimes:
        """Return the single regime of engines without settings."""
        return cls(np.zeros((0, 0)), np.zeros(0))

    @classmethod
    def learn(cls, settings: Floats, seed: int) -> Regimes:
        """Return the regimes of training settings float64[n, k]."""
        from sklearn.cluster import KMeans

        scale = settings.std(axis=0) if len(settings) else np.zeros(0)
        if not bool((scale > 1e-9).any()):
            return cls.one()
        scale = np.where(scale > 1e-9, scale, np.inf)  # a setting that never moves tells nothing
        z = settings / scale
        if len(z) > _ROWS:
            z = z[np.random.default_rng(seed).choice(len(z), _ROWS, replace=False)]
        whole = float(((z - z.mean(axis=0)) ** 2).sum())
        for count in range(2, min(MOST, len(np.unique(z, axis=0))) + 1):
            found = KMeans(count, n_init=10, random_state=seed % 2**32).fit(z)
            if found.inertia_ < LEFT * whole:
                return cls(np.asarray(found.cluster_centers_, dtype=np.float64), scale)
        return cls.one()

    def of(self, settings: Floats) -> NDArray[np.intp]:
        """Return the nearest regime of each row, intp[n]."""
        if self.count == 1:
            return np.zeros(len(settings), dtype=np.intp)
        away = ((settings / self.scale)[:, None, :] - self.centres[None]) ** 2
        return np.asarray(np.argmin(away.sum(axis=2), axis=1), dtype=np.intp)
