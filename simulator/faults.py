"""Faults, in one syntax: of equipment, of sensors, of clocks, of links.

Sensor, clock and link faults are generic and known here. Physical faults are declared by the equipment kind as
`WearFault` (multiplies the wear rate of a component) or `Effect` (a magnitude that the kind's truth reads). When a
fault happens, see `simulator.mishaps`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from core.clock import NS, parse_duration
from core.config import Config, Duration
from core.errors import ConfigError, TestbedError
from core.spec import Name

NEVER = 1 << 62
Args = Mapping[str, float | str]


@dataclass(frozen=True, slots=True)
class GenericFault:
    """A fault that every device may have. ``args`` maps what it takes to its default, ``says`` tells its effect."""

    label: Name
    args: Mapping[str, float | str]
    says: str


def _sensor(ko: str, en: str, says: str, size: float = 0.0, chance: float = 1.0) -> GenericFault:
    return GenericFault(Name(ko, en), {"channel": "", "size": size, "chance": chance, "unit": ""}, says)


#: faults of one channel's sensor; ``size`` is in the channel's unit unless said otherwise
SENSOR_FAULTS: dict[str, GenericFault] = {
    "sensor_stuck": _sensor("센서 고착", "Sensor stuck", "repeats its last value"),
    "sensor_spike": _sensor("센서 스파이크", "Sensor spikes", "adds `size` to a share `chance` of samples", 10.0, 0.02),
    "sensor_bias": _sensor("센서 편향", "Sensor bias", "adds `size`", 1.0),
    "sensor_drift": _sensor("센서 드리프트", "Sensor drift", "adds `size` an hour", 1.0),
    "sensor_noise": _sensor("센서 잡음", "Sensor noise", "adds noise of standard deviation `size`", 1.0),
    "sensor_dropout": _sensor("센서 결측", "Sensor dropout", "loses a share `chance` of samples"),
    "sensor_gain": _sensor("센서 감도 변화", "Sensor gain error", "multiplies by `size`", 0.8),
    "sensor_slow": _sensor("센서 응답 지연", "Slow sensor", "lags with a time constant of `size` s", 60.0),
    "sensor_clipped": _sensor("센서 포화", "Sensor saturates early", "reads no more than `size`"),
    "sensor_coarse": _sensor("센서 분해능 저하", "Sensor lost resolution", "moves in steps of `size`", 1.0),
}
#: faults of a device's clock; they show in ``t``
CLOCK_FAULTS: dict[str, GenericFault] = {
    "clock_jump": GenericFault(Name("시계 오차", "Clock jump"), {"size": 2.0}, "is ahead by `size` s"),
    "clock_drift": GenericFault(Name("시계 드리프트", "Clock drift"), {"size": 200.0}, "runs fast by `size` ppm"),
}
#: faults of the connection that a device reports through
LINK_FAULTS: dict[str, GenericFault] = {
    "link_outage": GenericFault(Name("통신 두절", "Link outage"), {}, "closes the connection: its will speaks"),
    "link_degrade": GenericFault(
        Name("통신 품질 저하", "Link degraded"),
        {"loss": 0.0, "delay": 0.0, "jitter": 0.0, "duplicate": 0.0, "reorder": 0.0},
        "adds to the chances of loss, duplication, reordering, and to delay and jitter (durations)",
    ),
}
GENERIC: dict[str, GenericFault] = {**SENSOR_FAULTS, **CLOCK_FAULTS, **LINK_FAULTS}


def _signed(value: object) -> object:
    """Return ns of a duration that may begin with a minus."""
    try:
        if isinstance(value, str) and value.strip().startswith("-"):
            return -parse_duration(value.strip()[1:])
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return -parse_duration(-value) if not isinstance(value, str) and value < 0 else parse_duration(value)
    except TestbedError as error:
        raise ValueError(str(error)) from error
    return value


#: simulated time relative to the live start, in ns; written like a `Duration`, negative (``-2d``) in the history
SimTime = Annotated[int, BeforeValidator(_signed, json_schema_input_type=str | float)]


class RandomConfig(Config):
    """Faults drawn at random, for each device from its own generator.

    Attributes
    ----------
    per_year
        Faults a device and year, on average.
    shape
        Of the Weibull distribution of the time between them: 1 without memory, above 1 of a regular wearing out.
    lasts
        ns, mean duration.
    spread
        How durations scatter: not at all, exponentially, or lognormally with a standard deviation of one e-fold.
    """

    per_year: float = Field(gt=0, le=10_000_000)
    shape: float = Field(default=1.0, ge=0.3, le=20)
    lasts: Duration = Field(default=3600 * NS, gt=0)
    spread: Literal["fixed", "exponential", "lognormal"] = "exponential"


class FaultConfig(Config):
    """A fault of the devices that ``device`` (an id, a path, or a pattern such as ``pump-*``) or ``area`` names.

    It comes at a time (``at``) and goes ``until`` one or after it ``lasts``, or stays; or it is drawn at ``random``,
    between ``at`` and ``until`` if they are given. ``args`` are those of the fault: see docs/faults.md.
    """

    at: SimTime | None = None
    device: str = ""
    area: str = ""
    fault: str
    args: dict[str, float | str] = Field(default_factory=dict)
    until: SimTime | None = None
    lasts: Duration | None = Field(default=None, gt=0)
    random: RandomConfig | None = None

    @model_validator(mode="after")
    def _whole(self) -> FaultConfig:
        if bool(self.device) == bool(self.area):
            raise ValueError("name either a device or an area")
        if self.at is None and self.random is None:
            raise ValueError("give the time it comes (at), or random: {per_year: …}")
        if self.lasts is not None and (self.until is not None or self.random is not None):
            raise ValueError("give one of lasts, until and random.lasts")
        if self.until is not None and self.at is not None and self.until <= self.at:
            raise ValueError("it ends (until) before it begins (at)")
        return self

    @property
    def end(self) -> int | None:
        """Simulated ns at which it goes; None: it stays."""
        return self.until if self.lasts is None or self.at is None else self.at + self.lasts


@dataclass(frozen=True, slots=True)
class WearFault:
    """Physical fault that multiplies the wear rate of a component by ``args.rate``.

    ``args.fails_in`` (a duration) instead chooses the rate from the wear at that moment, so that the component fails
    after so much working time at the present load, unless something is done.
    """

    component: str
    rate: float
    label: Name | None = None

    def factor(self, args: Args, left_s: float, load: float) -> float:
        """Return the factor on the wear rate of a component with ``left_s`` effective s to live at rate ``load``."""
        if "fails_in" not in args:
            return float(args.get("rate", self.rate))
        return left_s * NS / max(parse_duration(args["fails_in"]), 1) / (load or 1.0)


@dataclass(frozen=True, slots=True)
class Effect:
    """Physical fault of a size (``args.size``) that the kind's truth reads with ``view.fault(name)``.

    ``repaired`` tells whether maintenance ends it.
    """

    size: float = 1.0
    repaired: bool = True
    label: Name | None = None


FaultKind = WearFault | Effect
_DURATIONS = ("fails_in", "delay", "jitter")
_CHANCES = ("chance", "loss", "duplicate", "reorder")
_TEXTS = ("channel", "unit")


def check_args(fault: str, args: Args, kind: FaultKind | GenericFault, where: str = "faults") -> None:
    """Raise ConfigError for arguments that a fault cannot take."""
    known = (
        tuple(kind.args) if isinstance(kind, GenericFault) else
        ("rate", "fails_in") if isinstance(kind, WearFault) else ("size",)
    )  # fmt: skip
    for name, value in args.items():
        if name not in known:
            takes = f"known: {', '.join(known)}" if known else "it takes none"
            raise ConfigError(f"{where}.args.{name}", f"{fault} takes no argument {name!r}", takes)
        try:
            number = 0.0 if name in _TEXTS else parse_duration(value) if name in _DURATIONS else float(value)
        except (ValueError, TestbedError) as error:
            raise ConfigError(f"{where}.args.{name}", f"{fault}: {name} is {value!r}", str(error)) from error
        if name in _CHANCES and not 0 <= number <= 1:
            raise ConfigError(f"{where}.args.{name}", f"{name} is {value!r}", "a chance lies between 0 and 1")
        if name == "rate" and number < 0:
            raise ConfigError(f"{where}.args.{name}", f"rate is {value!r}", "a rate is at least 0")
