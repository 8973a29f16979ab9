"""Features of waveform bursts, declared as data and computed for all bursts at once.

Spectra are Hann-windowed amplitude spectra (a sine of amplitude A at a bin shows A). The envelope is the size of the
analytic signal of the band ``envelope_hz`` (Randall and Antoni 2011, doi:10.1016/j.ymssp.2010.07.017): impacts of a
damaged bearing ring the structure there, and the envelope repeats at the rate of the impacts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.bearings import SKF_6205, BearingConfig
from core.config import Config

Floats = NDArray[np.float64]
SHORTEST = 256  # samples; fewer resolve no bearing frequency
HARMONICS = 3
_PAD = 4  # zero padding: bins four times as dense


class SignalsConfig(Config):
    """Waveform features of a model group.

    Attributes
    ----------
    bearing
        Geometry of the bearing that carries the shaft.
    rated_rpm
        Speed where no channel says it.
    speed
        Quantity of the channel that says the shaft's speed (/min).
    tolerance
        Relative width, each side, in which a bearing frequency is looked for: slip and speed error.
    edges_hz
        Edges of the three spectral bands.
    envelope_hz
        Band whose envelope is taken; cut at 0.95 of half the sampling rate.
    """

    bearing: BearingConfig = SKF_6205
    rated_rpm: float = Field(default=1480.0, gt=0)
    speed: str = "rotational-speed"
    tolerance: float = Field(default=0.02, gt=0, lt=0.2)
    edges_hz: tuple[float, float, float, float] = (10.0, 200.0, 600.0, 1200.0)
    envelope_hz: tuple[float, float] = (500.0, 1200.0)


@dataclass(frozen=True, eq=False)
class Bursts:
    """Evenly sampled bursts of equal length.

    Attributes
    ----------
    x : float64[b, L, k]
        Samples without gaps.
    rate_hz : float
        Sampling rate.
    shaft_hz : float64[b]
        Turns a second, NaN where unknown.
    """

    x: Floats
    rate_hz: float
    shaft_hz: Floats
    config: SignalsConfig

    @cached_property
    def deviation(self) -> Floats:
        """Samples about their mean."""
        return np.asarray(self.x - self.x.mean(axis=1, keepdims=True))

    @cached_property
    def moments(self) -> tuple[Floats, Floats, Floats]:
        """Central moments 2, 3, 4, float64[b, k] each."""
        d = self.deviation
        return (d**2).mean(axis=1), (d**3).mean(axis=1), (d**4).mean(axis=1)

    @cached_property
    def spectrum(self) -> tuple[Floats, Floats]:
        """(frequencies [f] in Hz, amplitudes [b, f, k]) of the signal."""
        return self._amplitudes(self.deviation)

    @cached_property
    def envelope(self) -> Floats:
        """Size of the analytic signal of the band, float64[b, L, k]."""
        n = self.x.shape[1]
        whole = np.fft.fft(self.deviation, axis=1)
        hz = np.fft.fftfreq(n, 1.0 / self.rate_hz)
        low, high = self.config.envelope_hz
        band = (hz >= low) & (hz <= min(high, 0.475 * self.rate_hz))
        return np.asarray(np.abs(np.fft.ifft(np.where(band[None, :, None], 2.0 * whole, 0.0), axis=1)))

    @cached_property
    def envelope_spectrum(self) -> tuple[Floats, Floats]:
        """(frequencies [f] in Hz, amplitudes [b, f, k]) of the envelope about its mean."""
        return self._amplitudes(self.envelope - self.envelope.mean(axis=1, keepdims=True))

    def band(self, number: int) -> Floats:
        """Return the r.m.s. of a spectral band, float64[b, k]: by Parseval's theorem, without a window."""
        n = self.x.shape[1]
        power = np.abs(np.fft.rfft(self.deviation, axis=1)) ** 2 * (2.0 / n**2)
        if n % 2 == 0:
            power[:, -1] /= 2.0
        hz = np.fft.rfftfreq(n, 1.0 / self.rate_hz)
        low, high = self.config.edges_hz[number : number + 2]
        return np.asarray(np.sqrt(power[:, (hz >= low) & (hz < high)].sum(axis=1)))

    def shaft(self, order: float) -> Floats:
        """Return the amplitude at an order of the shaft, float64[b, k]; NaN where the speed is unknown."""
        return self._peak(self.spectrum, order)

    def impacts(self, order: float) -> Floats:
        """Return the envelope's amplitude at a bearing order: root of the sum of squares of three harmonics."""
        parts = [self._peak(self.envelope_spectrum, order * h) ** 2 for h in range(1, HARMONICS + 1)]
        return np.asarray(np.sqrt(np.sum(parts, axis=0)))

    def _amplitudes(self, x: Floats) -> tuple[Floats, Floats]:
        n = x.shape[1]
        window = np.hanning(n + 1)[:-1]
        size = np.abs(np.fft.rfft(x * window[None, :, None], n * _PAD, axis=1)) * (2.0 / window.sum())
        return np.asarray(np.fft.rfftfreq(n * _PAD, 1.0 / self.rate_hz), dtype=np.float64), np.asarray(size)

    def _peak(self, spectrum: tuple[Floats, Floats], order: float) -> Floats:
        """Return the largest amplitude about an order: within the tolerance, at least one unpadded bin wide."""
        hz, size = spectrum
        centre = self.shaft_hz * order
        reach = np.maximum(centre * self.config.tolerance, 0.5 * self.rate_hz / self.x.shape[1])
        near = np.abs(hz[None, :] - centre[:, None]) <= reach[:, None]
        found = np.where(near[:, :, None], size, -1.0).max(axis=1)
        inside = np.isfinite(centre) & (centre > 0) & (centre < self.rate_hz / 2)
        return np.where(inside[:, None] & (found >= 0), found, np.nan)


@dataclass(frozen=True, slots=True)
class SignalFeature:
    """A feature of a burst; ``unit`` "=" stands for the channel's own; ``of`` gives float64[b, k]."""

    name: str
    unit: str
    formula: str
    of: Callable[[Bursts], Floats]

    @property
    def spectral(self) -> bool:
        """Tell whether it needs evenly spaced samples without gaps."""
        return self.name not in TIME


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), np.nan)


def _bearing(part: str) -> Callable[[Bursts], Floats]:
    return lambda b: b.impacts(getattr(b.config.bearing.orders, part))


def _centroid(b: Bursts) -> Floats:
    hz, size = b.spectrum
    return _ratio((hz[None, :, None] * size**2).sum(axis=1), (size**2).sum(axis=1))


#: features that :mod:`analytics.windows` also gives for bursts with missing samples
TIME = ("rms", "skew", "kurtosis", "crest", "peak")
_ENVELOPE = "envelope amplitude at {} (turns of the shaft times {}), root of the sum of squares of 3 harmonics"
SIGNAL_FEATURES: tuple[SignalFeature, ...] = (
    SignalFeature("rms", "=", "sqrt(mean x^2)", lambda b: np.sqrt((b.x**2).mean(axis=1))),
    SignalFeature("skew", "1", "mean (x - m)^3 / s^3", lambda b: _ratio(b.moments[1], b.moments[0] ** 1.5)),
    SignalFeature(
        "kurtosis", "1", "mean (x - m)^4 / s^4 (3 for a normal signal)",
        lambda b: _ratio(b.moments[2], b.moments[0] ** 2)
    ),
    SignalFeature(
        "crest", "1", "max |x - m| / s", lambda b: _ratio(np.abs(b.deviation).max(axis=1), np.sqrt(b.moments[0]))
    ),
    SignalFeature("peak", "=", "max |x - m|", lambda b: np.abs(b.deviation).max(axis=1)),
    SignalFeature("band1", "=", "r.m.s. of the lowest spectral band", lambda b: b.band(0)),
    SignalFeature("band2", "=", "r.m.s. of the middle spectral band", lambda b: b.band(1)),
    SignalFeature("band3", "=", "r.m.s. of the highest spectral band", lambda b: b.band(2)),
    SignalFeature("centroid", "Hz", "sum f A^2 / sum A^2", _centroid),
    SignalFeature("order1", "=", "amplitude at the shaft's speed", lambda b: b.shaft(1.0)),
    SignalFeature("order2", "=", "amplitude at twice the shaft's speed", lambda b: b.shaft(2.0)),
    SignalFeature("env_bpfo", "=", _ENVELOPE.format("the outer race", "N (1 - d/D cos a) / 2"), _bearing("bpfo")),
    SignalFeature("env_bpfi", "=", _ENVELOPE.format("the inner race", "N (1 + d/D cos a) / 2"), _bearing("bpfi")),
    SignalFeature("env_bsf", "=", _ENVELOPE.format("the ball", "D/(2 d) (1 - (d/D cos a)^2)"), _bearing("bsf")),
    SignalFeature("env_ftf", "=", _ENVELOPE.format("the cage", "(1 - d/D cos a) / 2"), _bearing("ftf")),
)  # fmt: skip
SPECTRAL: tuple[SignalFeature, ...] = tuple(f for f in SIGNAL_FEATURES if f.name not in TIME)
UNITS: dict[str, str] = {f.name: f.unit for f in SIGNAL_FEATURES}
