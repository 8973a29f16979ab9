"""Waveforms as features: what a store keeps of streams over 10 Hz (the raw rows go to the archive)."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.config import Config, Duration
from core.quality import BAD, GOOD, MAJOR
from core.spec import ChannelSpec, LayoutSpec

SUFFIX = ".features"
FEATURES = ("rms", "peak", "kurtosis", "crest")
_SUMS = 6  # n, sum x, x^2, x^3, x^4, max |x|


class DownsampleConfig(Config):
    """``window``: span of one feature row, on a grid that begins at the epoch."""

    kind: Literal["downsample"] = "downsample"
    window: Duration = NS


class Downsample:
    """Reduces rows of fast streams to one feature row a window: rms, peak, kurtosis (normal: 3), crest factor.

    A window is given out when its stream, or any other, has moved past it (:meth:`flush` gives out the rest).
    A feature row has the stream's index, the time of the window's start, and start and row number of its first
    row; its layout is ``<layout>.features``. :meth:`dump` holds the open windows, so that a store which keeps it
    with its position loses nothing when the process is killed.
    """

    def __init__(self, config: DownsampleConfig, catalog: Catalog) -> None:
        self.config, self.catalog = config, catalog
        self._layouts: dict[str, LayoutSpec] = {}
        self._fast: dict[int, bool] = {}
        self._open: dict[str, dict[tuple[int, int], tuple[int, int, NDArray[np.float64]]]] = {}

    def apply(self, batch: Batch) -> list[Batch]:
        """Return slow rows as they are, and the feature rows that are complete."""
        fast = self._mask(batch.stream)
        if not fast.any():
            return [batch]
        out = [] if fast.all() else [batch.take(~fast)]
        rows = batch if fast.all() else batch.take(fast)
        self._add(rows)
        closed = self._close(rows.layout, int((rows.t // self.config.window).max()))
        return [*out, closed] if len(closed) else out

    def flush(self) -> list[Batch]:
        """Return the feature rows of every open window."""
        done = [self._close(self._source(name), None) for name in list(self._open)]
        return [batch for batch in done if len(batch)]

    def dump(self) -> dict[str, Any]:
        """Return the open windows as JSON-ready values."""
        return {
            name: [
                [*key, sid, seq, base64.b64encode(sums.tobytes()).decode()] for key, (sid, seq, sums) in open_.items()
            ]
            for name, open_ in self._open.items()
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over the windows of :meth:`dump`."""
        self._open = {
            name: {
                (stream, window): (sid, seq, np.frombuffer(base64.b64decode(sums)).reshape(_SUMS, -1).copy())
                for stream, window, sid, seq, sums in rows
            }
            for name, rows in state.items()
        }

    def makes(self, layout: LayoutSpec) -> list[LayoutSpec]:
        """Return the layouts that can come of a layout."""
        fast = any(e.spec.fast and e.spec.layout.name == layout.name for e in self.catalog.streams)
        return [self.layout(layout)] if fast else []

    def layout(self, layout: LayoutSpec) -> LayoutSpec:
        """Return the layout of the features of a layout."""
        known = self._layouts.get(layout.name)
        if known is None:
            channels = tuple(_feature(c, f) for c in layout.channels for f in FEATURES)
            known = self._layouts[layout.name] = LayoutSpec(layout.name + SUFFIX, channels)
        return known

    def _source(self, name: str) -> LayoutSpec:
        return self.catalog.layout(name)

    def _mask(self, stream: NDArray[np.int32]) -> NDArray[np.bool_]:
        for index in set(stream.tolist()) - self._fast.keys():
            self._fast[index] = self.catalog.streams[index].spec.fast
        if len(stream) and bool((stream == stream[0]).all()):
            return np.full(len(stream), self._fast[int(stream[0])], dtype=np.bool_)
        return np.array([self._fast[index] for index in stream.tolist()], dtype=np.bool_)

    def _add(self, rows: Batch) -> None:
        window = rows.t // self.config.window
        cuts = np.flatnonzero((np.diff(rows.stream) != 0) | (np.diff(window) != 0)) + 1
        at = np.concatenate([[0], cuts])
        usable = np.isfinite(rows.x) & ((rows.q & MAJOR) != BAD)
        x = np.where(usable, rows.x, 0.0)
        powers = [usable.astype(np.float64), x, x**2, x**3, x**4]
        sums = np.stack([np.add.reduceat(p, at, axis=0) for p in powers], axis=1)
        peaks = np.maximum.reduceat(np.abs(x), at, axis=0)
        open_ = self._open.setdefault(rows.layout.name, {})
        for i, row in enumerate(at.tolist()):
            key = (int(rows.stream[row]), int(window[row]))
            new = np.concatenate([sums[i], peaks[i][None]])
            known = open_.get(key)
            if known is None:
                open_[key] = (int(rows.sid[row]), int(rows.seq[row]), new)
            else:
                known[2][:5] += new[:5]
                np.maximum(known[2][5], new[5], out=known[2][5])

    def _close(self, layout: LayoutSpec, newest: int | None) -> Batch:
        """Give out the windows that are past; ``newest`` None: all of them."""
        open_ = self._open.get(layout.name, {})
        tops: dict[int, int] = {}
        for stream, window in open_:
            tops[stream] = max(window, tops.get(stream, window))
        keys = sorted(k for k in open_ if newest is None or k[1] < tops[k[0]] or k[1] < newest - 1)
        held = [open_.pop(key) for key in keys]
        sums = np.array([h[2] for h in held]).reshape(len(keys), _SUMS, len(layout.channels))
        x = _statistics(sums)
        return Batch(
            self.layout(layout),
            np.array([k[0] for k in keys], dtype=np.int32),
            np.array([h[0] for h in held], dtype=np.int64),
            np.array([h[1] for h in held], dtype=np.int64),
            np.array([k[1] * self.config.window for k in keys], dtype=np.int64),
            x,
            np.where(np.isfinite(x), GOOD, BAD).astype(np.uint8),
        )


def _statistics(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[n, k * 4]`` features of ``sums: [n, 6, k]`` (count, power sums, peak)."""
    n, s1, s2, s3, s4, peak = (sums[:, i] for i in range(_SUMS))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean, square = s1 / n, s2 / n
        rms = np.sqrt(square)
        m2 = square - mean**2
        m4 = s4 / n - 4 * mean * s3 / n + 6 * mean**2 * square - 3 * mean**4
        kurtosis = m4 / m2**2
        crest = peak / rms
        peak = np.where(n > 0, peak, np.nan)
    return np.stack([rms, peak, kurtosis, crest], axis=2).reshape(len(sums), sums.shape[2] * len(FEATURES))


def _feature(channel: ChannelSpec, feature: str) -> ChannelSpec:
    same_unit = feature in ("rms", "peak")
    return replace(
        channel,
        name=f"{channel.name}_{feature}",
        unit=channel.unit if same_unit else "1",
        low=None,
        high=None,
        accuracy=channel.accuracy if same_unit else None,
        resolution=None,
        states=None,
        label=None,
    )
