"""What a channel of `generic` equipment can do, as written in YAML: one of these for each channel or variable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from core.clock import NS
from core.config import Config, Duration, Label
from simulator import formula

NAME = r"^[a-z][a-z0-9_]*$"
#: a number, or numbers by the state of one channel: ``{valve: {open: 0.8, closed: 0}}``
Level = float | dict[str, dict[str, float]]
Hours = Annotated[tuple[float, ...], Field(min_length=24, max_length=24)]


def _formula(text: str) -> str:
    formula.parse(text)
    return text


#: text of a safe formula (`simulator.formula`)
FormulaText = Annotated[str, AfterValidator(_formula)]


class Setpoint(Config):
    """A value that approaches its target with a lag. ``target`` by state makes it follow a channel with states;
    otherwise commands ``set`` it."""

    initial: float = 0.0
    lag: Duration = 0
    target: Level | None = None


class Random(Config):
    """Ornstein-Uhlenbeck process about ``mean``: standard deviation ``sigma``, correlation time ``tau``. ``spread`` is
    the standard deviation of the mean over the devices."""

    mean: float = 0.0
    sigma: float = Field(default=1.0, ge=0)
    tau: Duration = 3600 * NS
    spread: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.tau <= 0:
            raise ValueError("tau must be above 0")
        return self


class Daily(Config):
    """A cosine over the day: ``mean`` plus and minus ``swing``, highest at local hour ``peak``."""

    mean: float = 0.0
    swing: float = 1.0
    peak: float = Field(default=15.0, ge=0, lt=24)


class Profile(Config):
    """Values by local hour, linear in between; ``day_off``: Saturday and Sunday (default as on workdays)."""

    workday: Hours
    day_off: Hours | None = None


class Counter(Config):
    """A number that grows by ``rate`` a second (0 or more) from ``initial``."""

    rate: Level = 0.0
    initial: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        for rate in numbers(self.rate):
            if rate < 0:
                raise ValueError(f"a counter cannot go back: rate {rate:g}")
        return self


class StateConfig(Config):
    """One state: how long it lasts (``for``, median; ``scatter``: standard deviation of the logarithm) and what comes
    then (weights). Without ``for`` it lasts until a command."""

    for_: Duration | None = Field(default=None, alias="for")
    scatter: float = Field(default=0.0, ge=0, le=3)
    next: dict[str, float] = Field(default_factory=dict)
    name: Label | None = None

    @model_validator(mode="after")
    def _leads_on(self) -> Self:
        if self.for_ is not None and self.for_ <= 0:
            raise ValueError("`for` must be above 0")
        if (self.for_ is None) == bool(self.next):
            raise ValueError("a state that ends by itself needs both `for` and `next`")
        if any(weight < 0 for weight in self.next.values()) or (self.next and not sum(self.next.values()) > 0):
            raise ValueError("weights of `next` must be 0 or more, and one above 0")
        return self

    def draw_s(self, draw: np.random.Generator) -> float:
        """Return a dwell time in s."""
        return float(self.for_ or 0) / NS * float(np.exp(self.scatter * draw.standard_normal()))

    def choose(self, draw: np.random.Generator) -> str:
        """Return the state that comes then."""
        at = float(draw.random()) * sum(self.next.values())
        for name, weight in self.next.items():
            at -= weight
            if at < 0:
                return name
        return next(reversed(self.next))


class States(Config):
    """A channel with named states; ``initial`` is the first unless said otherwise. Codes count from 0."""

    initial: str = ""
    of: dict[Annotated[str, Field(pattern=NAME)], StateConfig] = Field(min_length=2)

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in (self.initial, *(n for s in self.of.values() for n in s.next)):
            if name and name not in self.of:
                raise ValueError(f"no state {name!r}; there are {', '.join(self.of)}")
        return self

    @property
    def first(self) -> str:
        """Name of the initial state."""
        return self.initial or next(iter(self.of))

    @property
    def codes(self) -> dict[int, str]:
        """Names by code."""
        return dict(enumerate(self.of))


class Behaviour(Config):
    """Exactly one of the behaviours."""

    setpoint: Setpoint | None = None
    random: Random | None = None
    daily: Daily | None = None
    profile: Profile | None = None
    counter: Counter | None = None
    states: States | None = None
    formula: FormulaText | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in Behaviour.model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of {', '.join(Behaviour.model_fields)}" + f"; got {given}" * bool(given))
        return self


def numbers(level: Level | None) -> list[float]:
    """Return every number of a level."""
    if level is None:
        return []
    if isinstance(level, dict):
        return [value for by in level.values() for value in by.values()]
    return [level]


def level_at(level: Level, state_of: Mapping[str, str]) -> float:
    """Return a level while channels are in the given states (0 where it does not name the state)."""
    if not isinstance(level, dict):
        return level
    ((channel, by),) = level.items()
    return by.get(state_of[channel], 0.0)
