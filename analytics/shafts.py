"""How fast shafts turn: what a device's speed channel said last, its rated speed where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analytics.signals import SignalsConfig

if TYPE_CHECKING:
    from analytics.slots import Plan
    from analytics.windows import Windows

Floats = NDArray[np.float64]


class Shafts:
    """Speeds of the devices of a plan; hears slow windows, answers for waveforms.

    Parameters
    ----------
    config
        Bearing, rated speed, bands.
    plan
        Devices and the layouts that say their speed.
    """

    def __init__(self, config: SignalsConfig, plan: Plan) -> None:
        self.config = config
        self._plan = plan
        self._heard: dict[int, tuple[NDArray[np.int64], Floats]] = {}

    def reads(self, layout: str) -> bool:
        """Tell whether waveform features are wanted of a layout."""
        return any(tap.stat not in ("mean", "last") for tap in self._plan.taps.get(layout, ()))

    def hear(self, windows: Windows) -> None:
        """Take in the speeds of windows; of what was heard before, only the last stays."""
        channel = self._plan.speeds.get(windows.layout.name)
        if channel is None:
            return
        rpm = windows.column(channel, "mean")
        for stream in np.unique(windows.stream).tolist():
            row = self._plan.streams.get(stream)
            mine = np.flatnonzero((windows.stream == stream) & np.isfinite(rpm))
            if row is None or not len(mine):
                continue
            g, speed = windows.g[mine], rpm[mine]
            if row in self._heard:
                before_g, before = self._heard[row]
                g, speed = np.append(before_g[-1:], g), np.append(before[-1:], speed)
            self._heard[row] = (g, speed)

    def hz(self, stream: NDArray[np.int32], t: NDArray[np.int64]) -> Floats:
        """Return turns a second of the devices of streams at times (ns), float64[n]."""
        out = np.full(len(t), self.config.rated_rpm / 60.0)
        for index in np.unique(stream).tolist():
            heard = self._heard.get(self._plan.streams.get(index, -1))
            if heard is None:
                continue
            mine = stream == index
            at = np.searchsorted(heard[0], t[mine], side="right") - 1
            out[mine] = np.where(at >= 0, heard[1][np.maximum(at, 0)] / 60.0, out[mine])
        return out
