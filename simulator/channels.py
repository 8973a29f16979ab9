"""How equipment declares what it reports: channels with their sensors, grouped in streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from core.clock import MS, NS
from core.config import Config, Duration
from core.spec import ChannelSpec, LayoutSpec, Name, StreamSpec


class Cross(Config):
    """What else a sensor feels: the true value z of a channel of the same stream, or of a field of the environment.

    ``x (1 + share (z' - ref)) C + slope (z' - ref)`` with z' = z held within ``above`` .. ``below``. C is the growth
    of particles in humid air (Petters and Kreidenweis 2007 in the form of Crilley et al. 2018): with ``kappa`` > 0,
    C = 1 + (kappa / 1.65) / (100 / z - 1), z in % and held below 98.
    """

    to: str = Field(min_length=1)
    slope: float = 0.0
    share: float = 0.0
    ref: float = 0.0
    above: float | None = None
    below: float | None = None
    kappa: float = Field(default=0.0, ge=0, le=2)


class Sensor(Config):
    """What a measuring chain does to the true value. Also the form of overrides in YAML.

    ``gain``, ``bias`` are spreads over the fleet (each device draws its own); ``scale``, ``offset`` are fixed
    and known, e.g. to make one device wrong on purpose.

    Durations are written as ``"5s"`` or in seconds, and kept in ns.

    Attributes
    ----------
    lag
        ns, first-order response time (time constant).
    gain, bias
        Standard deviation over devices of the relative gain error, and of the zero error (channel unit).
    scale, offset
        Fixed factor and shift (channel unit) of this device.
    drift, drift_tau
        Standard deviation (channel unit) and correlation time of the slow wander.
    trend
        Steady ageing, channel unit a year from the world's beginning.
    noise, noise_share
        Standard deviation of a sample (channel unit), and what it grows by as a share of the value.
    resolution
        Smallest step (channel unit); 0: none.
    low, high
        Where it saturates, if narrower than the channel's range.
    cross
        What else it feels.
    dropout
        Chance that a sample is missing.
    spike, spike_size
        Chance of a spike a sample, and its height (channel unit), up or down.
    stuck, stuck_for
        Times a year that it freezes, and for how long on average; each leaves its label in the truth.
    """

    lag: Duration = Field(default=0, ge=0)
    gain: float = Field(default=0.0, ge=0)
    bias: float = Field(default=0.0, ge=0)
    scale: float = 1.0
    offset: float = 0.0
    drift: float = Field(default=0.0, ge=0)
    drift_tau: Duration = Field(default=86_400 * NS, gt=0)
    trend: float = 0.0
    noise: float = Field(default=0.0, ge=0)
    noise_share: float = Field(default=0.0, ge=0)
    resolution: float = Field(default=0.0, ge=0)
    low: float | None = None
    high: float | None = None
    cross: tuple[Cross, ...] = ()
    dropout: float = Field(default=0.0, ge=0, le=1)
    spike: float = Field(default=0.0, ge=0, le=1)
    spike_size: float = 0.0
    stuck: float = Field(default=0.0, ge=0, le=10_000_000)
    stuck_for: Duration = Field(default=3600 * NS, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Sensor:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self

    def changed(self, by: Sensor) -> Sensor:
        """Return the sensor with the settings that ``by`` names."""
        return self.model_copy(update={name: getattr(by, name) for name in by.model_fields_set})


EXACT = Sensor()


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as reported, and the sensor that measures it."""

    spec: ChannelSpec
    sensor: Sensor


@dataclass(frozen=True)
class Stream:
    """Channels sampled together.

    ``burst`` > 1 samples that often, ``period`` apart, once ``every`` ns (waveforms); otherwise ``every`` is the
    period.
    """

    name: str
    channels: tuple[Channel, ...]
    period: int = NS
    burst: int = 1
    every: int = 0

    @property
    def cycle(self) -> int:
        """Ns between samples, or between starts of bursts."""
        return self.every if self.burst > 1 else self.period

    @property
    def fast(self) -> bool:
        """Tell whether history keeps only bursts of it (period below 100 ms)."""
        return self.period < 100 * MS

    def spec(self, family: str) -> StreamSpec:
        """Return the stream as the catalog has it; its layout is ``<family>.<stream>``."""
        layout = LayoutSpec(f"{family}.{self.name}", tuple(c.spec for c in self.channels))
        return StreamSpec(self.name, layout, self.period)


def measured(
    name: str,
    quantity: str,
    unit: str,
    low: float,
    high: float,
    sensor: Sensor = EXACT,
    *,
    ko: str = "",
    en: str = "",
    group: Literal["status", "health", "process", "consumption"] = "process",
    accuracy: float | None = None,
) -> Channel:
    """Return a measured channel; outside ``low`` .. ``high`` the instrument saturates (UNCERTAIN, range)."""
    label = Name(ko or en or name, en or name)
    spec = ChannelSpec(name, quantity, unit, low, high, accuracy, sensor.resolution or None, None, label, group=group)
    return Channel(spec, sensor)


def counted(name: str, quantity: str, unit: str = "1", *, ko: str = "", en: str = "") -> Channel:
    """Return a counter or other exactly known number."""
    label = Name(ko or en or name, en or name)
    return Channel(ChannelSpec(name, quantity, unit, 0.0, label=label, group="consumption"), EXACT)


def enumerated(name: str, states: dict[int, str], *, ko: str = "", en: str = "") -> Channel:
    """Return an enumeration: codes with named states."""
    label = Name(ko or en or name, en or name)
    return Channel(ChannelSpec(name, "state", states=states, label=label, group="status"), EXACT)
