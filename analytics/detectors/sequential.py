"""What detectors share that remember: each asset's state, and time taken from the asset's own age.

The last of their columns is the age in h. It says how long ago the last window was, so that a model which learnt
from one window in twenty minutes watches one a minute alike, and that an asset was renewed where it falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.detectors.base import Floats, LearnedConfig, filled
from analytics.features import FeatureInfo

_LONGEST_H = 2.0  # a gap counts as no more
_TINY = 1e-9


class Memory:
    """State of D assets and k columns: ``value: float64[D, k]`` and the age (h) at the last window, float64[D]."""

    def __init__(self, assets: int, width: int) -> None:
        self.value = np.zeros((assets, width))
        self.age = np.full(assets, np.nan)

    def copy_row(self, row: int, other: Memory, there: int) -> None:
        """Take over an asset's state."""
        self.value[row], self.age[row] = other.value[there], other.age[there]

    def since(self, rows: NDArray[np.intp], age: Floats) -> tuple[NDArray[np.bool_], Floats]:
        """Return which assets begin anew, and the hours since their last window; keeps the ages."""
        before, self.age[rows] = self.age[rows], np.where(np.isfinite(age), age, self.age[rows])
        fresh = ~np.isfinite(before) | (age < before)
        return fresh, np.clip(np.where(fresh | ~np.isfinite(age), 0.0, age - before), 0.0, _LONGEST_H)


@runtime_checkable
class Remembering(Protocol):
    """A detector whose scores rest on what came before. ``score(x)`` takes rows as windows of one asset in order."""

    def memory(self, assets: int) -> Memory:
        """Return the state of assets that have not been seen."""
        ...

    def follow(self, memory: Memory, rows: NDArray[np.intp], x: Floats) -> Floats:
        """Return scores of one window of many assets, and remember them."""
        ...


class SequentialConfig(LearnedConfig):
    """Settings of detectors that remember.

    Attributes
    ----------
    cap
        Deviation in sigma beyond which a window counts no more: one wild value is no shift.
    """

    features: tuple[str, ...] = ("drift",)
    cap: float = Field(default=6.0, gt=0)

    def columns(self, infos: Sequence[FeatureInfo]) -> NDArray[np.intp]:
        """Return the columns of the wanted features, then that of the age."""
        age = [j for j, i in enumerate(infos) if not i.slot and i.name == "age"]
        return np.concatenate([super().columns(infos), np.array(age, dtype=np.intp)])


class Sequential:
    """Healthy centre and scale by column, and the run over windows; what is remembered is the subclass's."""

    name = ""

    def __init__(self, config: SequentialConfig) -> None:
        self.config: Any = config
        self.threshold = np.inf
        self._centre = np.zeros(0)
        self._scale = np.ones(0)

    def update(self, value: Floats, z: Floats, hours: Floats) -> Floats:
        """Return the state ``float64[n, k]`` after windows ``z: float64[n, k]`` that came ``hours`` after the last."""
        raise NotImplementedError

    def fit(self, x: Floats) -> Any:
        """Learn from healthy windows ``x: float64[n, k + 1]``, life by life in order of time."""
        z = filled(x[:, :-1])
        self._centre = np.median(z, axis=0) if len(z) else np.zeros(z.shape[1])
        away = np.abs(z - self._centre)
        self._scale = np.maximum(1.4826 * np.median(away, axis=0), np.maximum(0.2 * z.std(axis=0), _TINY))
        self.threshold = self.config.limit(self.score(x))
        return self

    def score(self, x: Floats) -> Floats:
        """Return float64[n] of windows of one asset in order of time; NaN where no quantity has a value."""
        memory, only = self.memory(1), np.zeros(1, dtype=np.intp)
        return np.array([self.follow(memory, only, x[i : i + 1])[0] for i in range(len(x))])

    def memory(self, assets: int) -> Memory:
        """Return the state of assets that have not been seen."""
        return Memory(assets, 2 * len(self._centre))

    def follow(self, memory: Memory, rows: NDArray[np.intp], x: Floats) -> Floats:
        """Return float64[n] of one window of many assets (``rows`` of the memory), and remember them."""
        fresh, hours = memory.since(rows, x[:, -1])
        known = np.isfinite(x[:, :-1])
        z = np.clip((filled(x[:, :-1]) - self._centre) / self._scale, -self.config.cap, self.config.cap)
        z = np.where(known, z, 0.0)
        held = np.where(fresh[:, None], 0.0, memory.value[rows])
        memory.value[rows] = self.update(held, z, hours[:, None])
        out = memory.value[rows].max(axis=1, initial=0.0)
        return np.where(known.any(axis=1), out, np.nan)

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {"threshold": self.threshold, "centre": self._centre, "scale": self._scale}

    def restore(self, parts: dict[str, Any]) -> Any:
        """Take over the parts of a saved detector."""
        self.threshold = float(parts["threshold"])
        self._centre, self._scale = parts["centre"], parts["scale"]
        return self
