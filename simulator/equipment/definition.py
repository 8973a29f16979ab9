"""The sections of a `generic` entry: channels, parts, faults, commands, events, as written in YAML."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from core.clock import NS
from core.config import Config, Duration, Label
from core.errors import RejectedError
from core.spec import ChannelSpec, Name
from simulator.channels import EXACT, Channel, Sensor
from simulator.equipment.behaviours import NAME, Behaviour, FormulaText, Level
from simulator.faults import Effect, FaultKind, WearFault
from simulator.wear.bearing import BearingWear
from simulator.wear.tool import ToolWear
from wire.quantities import check_unit

Ident = Annotated[str, Field(pattern=NAME)]


def known_unit(unit: str, quantity: str = "") -> None:
    """Raise ValueError for what is no UCUM code, or does not measure the quantity."""
    try:
        check_unit(quantity, unit, "unit")
    except RejectedError as error:
        raise ValueError(error.detail.removeprefix("unit: ")) from error


class ChannelConfig(Behaviour):
    """A reported channel: what it measures, its instrument, and one behaviour. ``range``: the instrument's limits."""

    quantity: str = Field(default="value", pattern=r"^[a-z][a-z0-9_-]*$")
    unit: str = "1"
    range: tuple[float, float] | None = None
    name: Label | None = None
    group: Literal["status", "health", "process", "consumption"] = "process"
    sensor: Sensor = EXACT
    accuracy: float | None = Field(default=None, gt=0)

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, value: str) -> str:
        known_unit(value)
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        known_unit(self.unit, self.quantity.replace("-", "_"))
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("the first number of range must be below the second")
        return self

    def channel(self, name: str) -> Channel:
        """Return the channel as equipment declares it."""
        label = self.name or Name(name, name)
        if self.states is not None:
            # not "state": that quantity is the common state, from which lives and availability are read
            quantity = "mode" if self.quantity == "value" else self.quantity
            return Channel(ChannelSpec(name, quantity, states=self.states.codes, label=label, group="status"), EXACT)
        low, high = self.range or ((0.0, None) if self.counter is not None else (None, None))
        group = "consumption" if self.counter is not None and self.group == "process" else self.group
        resolution = self.sensor.resolution or None
        spec = ChannelSpec(
            name, self.quantity, self.unit, low, high, self.accuracy, resolution, label=label, group=group
        )
        return Channel(spec, self.sensor)


class ReportConfig(Config):
    """A stream: channels that are sampled together ``every`` so often."""

    every: Duration = NS
    channels: dict[Ident, ChannelConfig] = Field(min_length=1)

    @field_validator("every")
    @classmethod
    def _positive(cls, value: int) -> int:
        if value <= 0:
            raise ValueError("must be above 0")
        return value


class PartConfig(Config):
    """A part that wears: its model, and how fast it wears while the equipment runs (1: nominal)."""

    wear: Annotated[BearingWear | ToolWear, Field(discriminator="kind")] = BearingWear()
    rate: Level = 1.0


class FaultDefinition(Config):
    """A physical fault: either it makes a ``part`` wear ``rate`` times as fast, or it has a ``size`` that formulas read
    as ``fault.<name>`` (0: absent)."""

    name: Label | None = None
    part: str = ""
    rate: float = Field(default=10.0, gt=0)
    size: float = 1.0
    repaired: bool = True

    def kind(self, name: str) -> FaultKind:
        """Return the fault as equipment declares it."""
        label = self.name or Name(name, name)
        return WearFault(self.part, self.rate, label) if self.part else Effect(self.size, self.repaired, label)


class ArgConfig(Config):
    """A number that a command takes: its name, limits and default. ``unit``: default that of the channel it sets."""

    arg: Ident
    unit: str = ""
    low: float
    high: float
    default: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.unit:
            known_unit(self.unit)
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class CommandDefinition(Config):
    """A command and its effect.

    Attributes
    ----------
    set
        New targets of set-points: a number, or an argument.
    state
        New states of channels with states.
    reset
        Counters that begin again at their initial value.
    for_
        How long the new states last (an argument counts in seconds); then ``then`` is entered and the command is done.
    only_if, because
        Interlock: a formula over set-points, counters, states, wear, faults, weather and time; refused for the reason
        where it does not hold.
    """

    name: Label | None = None
    set: dict[str, float | ArgConfig] = Field(default_factory=dict)
    state: dict[str, str] = Field(default_factory=dict)
    reset: tuple[str, ...] = ()
    for_: ArgConfig | Duration | None = Field(default=None, alias="for")
    then: dict[str, str] = Field(default_factory=dict)
    only_if: FormulaText | None = None
    because: str = "interlock"

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.set or self.state or self.reset):
            raise ValueError("give set, state or reset: the command does nothing")
        if bool(self.for_) != bool(self.then):
            raise ValueError("`for` and `then` go together")
        return self

    def args(self) -> list[tuple[ArgConfig, str]]:
        """Return its arguments, with the channel that gives the unit ('' for the duration)."""
        out = [(value, channel) for channel, value in self.set.items() if isinstance(value, ArgConfig)]
        return [*out, (self.for_, "")] if isinstance(self.for_, ArgConfig) else out


class EventDefinition(Config):
    """A note that is told when channels enter states."""

    when: dict[str, str] = Field(min_length=1)
    name: Ident
    text: str
    severity: Literal["info", "warning", "alarm"] = "info"
