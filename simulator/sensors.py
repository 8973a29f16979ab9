"""The measuring chain, vectorised over samples, devices and channels of a kind.

true value -> cross-sensitivity -> lag -> gain, bias -> drift, trend -> noise, spikes -> analog faults -> resolution
-> saturation -> dropout -> output faults -> quality
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core import quality, seed
from core.clock import NS
from simulator.channels import Channel, Sensor
from simulator.cross import CrossTerm
from simulator.grid import Block, Floats, Ints
from simulator.recursion import first_order
from simulator.sensor_faults import SensorFault
from simulator.slow import SlowNoise

_STEPS_A_TAU = 4
_YEAR = 365.2425 * 86_400e9


Fields = Callable[[str], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Params:
    """Settings of D devices and k channels, every array float64[D, k]; ``steps`` are steps a unit, 0 for none.

    ``slack`` is how far a value may lie outside the range by the sensor's own error and still count as good.
    """

    decay: Floats
    gain: Floats
    bias: Floats
    drift: Floats
    noise: Floats
    steps: Floats
    low: Floats
    high: Floats
    dropout: Floats
    slack: Floats
    noise_share: Floats
    trend: Floats
    spike: Floats
    spike_size: Floats
    stuck: Floats
    stuck_for: Floats


def params(channels: Sequence[Channel], sensors: Sequence[Sequence[Sensor]], keys: Ints, period: int) -> Params:
    """Return the settings of ``sensors[D][k]``; ``keys: int64[D, k]`` draw each device's own gain and bias."""

    def column(name: str) -> Floats:
        return np.array([[getattr(s, name) for s in row] for row in sensors], dtype=np.float64)

    def limit(name: str, missing: float) -> Floats:
        given = (
            (getattr(c.spec, name), getattr(s, name)) for row in sensors for c, s in zip(channels, row, strict=True)
        )
        flat = [missing if (v := spec if own is None else own) is None else v for spec, own in given]
        return np.array(flat, dtype=np.float64).reshape(keys.shape)

    low, high = limit("low", -np.inf), limit("high", np.inf)
    top = np.where(np.isfinite(high), np.abs(high), 0.0)
    share = column("noise_share")
    lag = column("lag")
    zero, one = np.zeros_like(keys), np.ones_like(keys)
    return Params(
        decay=np.where(lag > 0, np.exp(-period / np.maximum(lag, 1.0)), 0.0),
        gain=column("scale") * (1.0 + column("gain") * seed.normal(keys, zero - 2)),
        bias=column("offset") + column("bias") * seed.normal(keys, zero - 2 - one),
        drift=column("drift"),
        noise=column("noise"),
        steps=_steps(column("resolution")),
        low=low,
        high=high,
        dropout=column("dropout"),
        slack=6.0 * (column("noise") + share * top) + 5.0 * (column("bias") + column("drift")) + column("resolution"),
        noise_share=share,
        trend=column("trend"),
        spike=column("spike"),
        spike_size=column("spike_size"),
        stuck=column("stuck"),
        stuck_for=column("stuck_for"),
    )


@dataclass(slots=True)
class Chain:
    """The measuring chain of one stream of a fleet: D devices, k channels.

    ``noise_keys``, ``drop_keys``, ``spike_keys: int64[D, k]``; ``epoch`` is the simulated ns from which trends count.
    """

    p: Params
    noise_keys: Ints
    drop_keys: Ints
    wander: Sequence[tuple[NDArray[np.intp], SlowNoise]]
    faults: list[SensorFault] = field(default_factory=list)
    spike_keys: Ints | None = None
    crosses: Sequence[CrossTerm] = ()
    epoch: int = 0
    _held: Floats = field(init=False)
    _warm: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self._held = np.zeros(self.p.decay.shape)
        self._warm = np.zeros(len(self.p.decay), dtype=np.bool_)

    def restart(self) -> None:
        """Forget the lag's state: the next samples start from the true value."""
        self._warm[:] = False

    def measure(self, x: Floats, block: Block, fields: Fields | None = None) -> NDArray[np.uint8]:
        """Turn true values ``x: float64[n, d, k]`` into measured ones in place; return quality, uint8[n, d, k].

        ``fields`` returns a field of the environment at the block's instants, float64[n, d].
        """
        d = block.devices
        p = self.p
        if self.crosses:
            self._cross(x, block, fields)
        self._lag(x, block)
        if (p.gain != 1.0).any():
            x *= p.gain[d]
        if p.bias.any():
            x += p.bias[d]
        for columns, process in self.wander:
            x[:, :, columns] += process.at(block.t, d) * p.drift[np.ix_(d, columns)]
        self._trend(x, block)
        self._noise(x, block)
        self._spike(x, block)
        live = [f for f in self.faults if f.touches(block)]
        for fault in live:
            fault.disturb(x, block)
        self._quantise(x, d)
        x += 0.0  # -0.0 becomes 0.0: which of them a clip returns depends on the block's shape
        q = self._saturate(x, d)
        self._drop(x, block)
        for fault in live:
            fault.override(x, block)
        q[np.isnan(x)] = quality.BAD_SENSOR
        return q

    def forget(self, t: int) -> None:
        """Drop the faults that ended before ``t`` (simulated ns): they will not be rendered again."""
        if self.faults:
            self.faults[:] = [fault for fault in self.faults if fault.end > t]

    def _cross(self, x: Floats, block: Block, fields: Fields | None) -> None:
        """Let every channel feel the others' true values, whatever these become themselves."""
        felt: dict[int | str, Floats] = {}
        for term in self.crosses:
            if term.source not in felt:
                if isinstance(term.source, int):
                    felt[term.source] = x[:, :, term.source].copy()
                elif fields is not None:
                    felt[term.source] = fields(term.source)
        for term in self.crosses:
            term.apply(x, felt[term.source], block.devices)

    def _trend(self, x: Floats, block: Block) -> None:
        columns = _used(self.p.trend != 0)
        if columns is not None:
            years = (block.t - self.epoch) / _YEAR
            x[:, :, columns] += years[:, :, None] * self.p.trend[block.devices][:, columns]

    def _spike(self, x: Floats, block: Block) -> None:
        columns = _used(self.p.spike)
        if columns is None or self.spike_keys is None:
            return
        d = block.devices
        keys, index = self.spike_keys[d][:, columns], block.index[:, :, None]
        hit = _below(keys, index, self.p.spike[d][:, columns])
        if hit.any():
            up = seed.bits(keys, -1 - index) & np.uint64(1)
            part = x[:, :, columns]
            size = np.broadcast_to(self.p.spike_size[d][:, columns], part.shape)
            part[hit] += np.where(up[hit] > 0, size[hit], -size[hit])
            x[:, :, columns] = part

    def _lag(self, x: Floats, block: Block) -> None:
        decay = self.p.decay[block.devices]
        values = np.unique(decay[decay > 0])
        if not len(values):
            return
        held = self._held[block.devices]
        cold = ~self._warm[block.devices]
        held[cold] = x[0, cold]
        for value in values.tolist():
            rows, columns = np.nonzero(decay == value)
            raw = x[:, rows, columns]
            out = first_order(raw, 1.0 - value, value, value * held[rows, columns])
            x[:, rows, columns] = out
            held[rows, columns] = out[block.counts[rows] - 1, np.arange(len(rows))]
        self._held[block.devices] = held
        self._warm[block.devices] = True

    def _noise(self, x: Floats, block: Block) -> None:
        columns = _used((self.p.noise > 0) | (self.p.noise_share > 0))
        if columns is None:
            return
        d = block.devices
        noise = seed.normal(self.noise_keys[d][:, columns], block.index[:, :, None])
        share = self.p.noise_share[d][:, columns]
        size = self.p.noise[d][:, columns]
        noise *= size + share * np.abs(x[:, :, columns]) if share.any() else size
        x[:, :, columns] += noise

    def _quantise(self, x: Floats, d: NDArray[np.intp]) -> None:
        columns = _used(self.p.steps)
        if columns is None:
            return
        fine = self.p.steps[d][:, columns]  # steps a unit: dividing by 10 gives 60.4 where times 0.1 does not
        coarse = fine > 0
        fine = np.where(coarse, fine, 1.0)
        part = x[:, :, columns]
        rounded = part * fine
        np.rint(rounded, out=rounded)
        rounded /= fine
        x[:, :, columns] = rounded if bool(coarse.all()) else np.where(coarse, rounded, part)

    def _saturate(self, x: Floats, d: NDArray[np.intp]) -> NDArray[np.uint8]:
        low, high = self.p.low[d], self.p.high[d]
        slack = self.p.slack[d]
        outside = x < low - slack
        outside |= x > high + slack
        q = np.full(x.shape, quality.GOOD, dtype=np.uint8)
        q[outside] = quality.UNCERTAIN_RANGE
        np.clip(x, low, high, out=x)
        return q

    def _drop(self, x: Floats, block: Block) -> None:
        columns = _used(self.p.dropout)
        if columns is None:
            return
        d = block.devices
        lost = _below(self.drop_keys[d][:, columns], block.index[:, :, None], self.p.dropout[d][:, columns])
        if lost.any():
            part = x[:, :, columns]
            part[lost] = np.nan
            x[:, :, columns] = part


def wander(sensors: Sequence[Sequence[Sensor]], keys: Ints, epoch: int) -> list[tuple[NDArray[np.intp], SlowNoise]]:
    """Return the slow wander of drifting channels, grouped by correlation time (that of the first device)."""
    groups: dict[int, list[int]] = {}
    for column in range(keys.shape[1]):
        drifting = [row[column].drift_tau for row in sensors if row[column].drift > 0]
        if drifting:
            groups.setdefault(max(drifting[0], NS), []).append(column)
    out = []
    for tau, columns in groups.items():
        index = np.array(columns, dtype=np.intp)
        out.append((index, SlowNoise(keys[:, index], tau, tau // _STEPS_A_TAU, epoch)))
    return out


def _steps(resolution: Floats) -> Floats:
    """Return steps a unit of resolutions, whole where they nearly are; 0 for none."""
    steps = np.divide(1.0, resolution, out=np.zeros_like(resolution), where=resolution > 0)
    whole = np.rint(steps)
    return np.where(np.abs(steps - whole) < 1e-9 * np.maximum(whole, 1.0), whole, steps)


def _below(keys: Ints, index: Ints, chance: Floats) -> NDArray[np.bool_]:
    """Return where the uniform of (key, index) is below a chance, compared as integers of 53 bits."""
    bound = np.ceil(chance * 2.0**53).astype(np.uint64) << np.uint64(11)
    return np.asarray(seed.bits(keys, index) < bound, dtype=np.bool_)


def _used(setting: Floats | NDArray[np.bool_]) -> NDArray[np.intp] | slice | None:
    """Return the columns where any device has a setting: a slice when all, None when none."""
    used = (setting > 0).any(axis=0)
    if bool(used.all()):
        return slice(None)
    return np.flatnonzero(used) if bool(used.any()) else None
