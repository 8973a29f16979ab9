"""What a faulty sensor does to the samples of one channel of one device."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core import seed
from simulator.grid import Block, Floats
from simulator.recursion import first_order

_OUTPUT = ("sensor_stuck", "sensor_dropout")


@dataclass(slots=True)
class SensorFault:
    """A sensor fault on one channel of one device of a chain, from ``start`` to ``end`` (simulated ns)."""

    kind: str
    device: int
    column: int
    start: int
    end: int
    size: float
    chance: float
    key: int
    _held: float | None = field(default=None, init=False)

    def touches(self, block: Block) -> bool:
        """Tell whether any sample of the block may be affected."""
        return self.end > int(block.t.min()) and self.start <= int(block.t.max()) and self.device in block.devices

    def disturb(self, x: Floats, block: Block) -> None:
        """Apply what acts before the digitiser."""
        if self.kind in _OUTPUT:
            return
        rows, d = self._rows(block)
        if len(rows):
            x[rows, d, self.column] = self._disturbed(x[rows, d, self.column], rows, d, block)

    def override(self, x: Floats, block: Block) -> None:
        """Apply what acts on the output: stuck, dropout."""
        if self.kind not in _OUTPUT:
            return
        rows, d = self._rows(block)
        if not len(rows):
            return
        if self.kind == "sensor_dropout":
            x[rows[self._hit(block.index[rows, d])], d, self.column] = np.nan
            return
        if self._held is None:
            self._held = float(x[rows[0], d, self.column])
        x[rows, d, self.column] = self._held

    def _disturbed(self, y: Floats, rows: NDArray[np.intp], d: int, block: Block) -> Floats:
        size = self.size
        if self.kind == "sensor_bias":
            y = y + size
        elif self.kind == "sensor_drift":
            y = y + size * ((block.t[rows, d] - self.start) / 3.6e12)
        elif self.kind == "sensor_noise":
            y = y + size * seed.normal(np.array(self.key, dtype=np.int64), block.index[rows, d])
        elif self.kind == "sensor_spike":
            y = np.where(self._hit(block.index[rows, d]), y + size, y)
        elif self.kind == "sensor_gain":
            y = y * size
        elif self.kind == "sensor_slow":
            y = self._lagged(y, block)
        elif self.kind == "sensor_clipped":
            y = np.minimum(y, size)
        elif self.kind == "sensor_coarse" and size > 0:
            y = np.rint(y / size) * size
        return y

    def _lagged(self, y: Floats, block: Block) -> Floats:
        """Return a first-order response; over the gap between bursts it goes on as if there were none."""
        rho = float(np.exp(-block.grid.period / (max(self.size, 1e-3) * 1e9)))
        held = float(y[0]) if self._held is None else self._held
        out = first_order(y, 1.0 - rho, rho, np.array(rho * held))
        self._held = float(out[-1])
        return out

    def _rows(self, block: Block) -> tuple[NDArray[np.intp], int]:
        d = int(np.flatnonzero(block.devices == self.device)[0])
        t = block.t[: block.counts[d], d]
        return np.flatnonzero((t >= self.start) & (t < self.end)), d

    def _hit(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        keys = np.array(self.key, dtype=np.int64)
        return np.asarray(seed.uniform(keys, index) < self.chance, dtype=np.bool_)
