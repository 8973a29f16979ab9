"""The latest windowed value of channels that policies want, of any kind of device, learnt from or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from analytics.windows import Windows
from core.catalog import Catalog

STALE = 5


class Readings:
    """Means (states: last codes) of the newest window by device, under the names ``<kind>.<channel>``.

    Parameters
    ----------
    wanted
        Kind -> channels.
    grid_ns
        Width of a window; a value older than :data:`STALE` windows is not told any more.
    """

    def __init__(self, wanted: Mapping[str, Sequence[str]], grid_ns: int) -> None:
        self._wanted = wanted
        self._grid_ns = grid_ns
        self._devices: dict[int, tuple[str, str]] = {}
        self._values: dict[str, dict[str, tuple[int, float]]] = {}
        self.layouts: set[str] = set()

    def place(self, catalog: Catalog) -> None:
        """Find the devices in a catalog, which may have grown."""
        for device in catalog.devices.values():
            channels = set(self._wanted.get(device.kind, ()))
            for stream in device.streams:
                if channels & {c.name for c in stream.layout.channels}:
                    self.layouts.add(stream.layout.name)
                    self._devices[catalog.index(device.stream_path(stream.name))] = (device.path, device.kind)

    def take(self, closed: Iterable[Windows]) -> None:
        """Take in closed windows; a window without a GOOD value leaves the older one to grow stale."""
        for windows in closed:
            last = np.flatnonzero(np.append(windows.stream[1:] != windows.stream[:-1], True))
            for i in last.tolist():
                where = self._devices.get(int(windows.stream[i]))
                if where is not None:
                    self._keep(*where, windows, i)

    def state(self, now: int) -> dict[str, dict[str, float]]:
        """Return what is known of each device at ``now`` (ns)."""
        oldest = now - STALE * self._grid_ns
        fresh = {d: {k: v for k, (t, v) in values.items() if t >= oldest} for d, values in self._values.items()}
        return {device: values for device, values in fresh.items() if values}

    def _keep(self, device: str, kind: str, windows: Windows, i: int) -> None:
        own = self._values.setdefault(device, {})
        end = int(windows.g[i]) + self._grid_ns
        for channel in windows.layout.channels:
            if channel.name not in self._wanted[kind]:
                continue
            stat = "last" if channel.states is not None or channel.group == "consumption" else "mean"
            value = float(windows.column(channel.name, stat)[i])
            if np.isfinite(value):
                own[f"{kind}.{channel.name}"] = (end, value)
