"""Seoul's climate as configuration: monthly normals, and spells of weather that come by chance or by order.

Monthly values are normals of Seoul 1991-2020 (Korea Meteorological Administration, station 108), rounded. Chances,
sizes and lengths of the spells are assumptions near what is published: a heat wave is two days and more of 33 Cel or
above (advisory of the same office), mostly in July and August; Asian dust is seen on some 5 to 10 days a year, most
in spring; haze stays for 1 to 4 days two or three times a month from November to April.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from core.clock import NS
from core.config import Config, Duration
from simulator.faults import SimTime

Months = Annotated[tuple[float, ...], Field(min_length=12, max_length=12)]
Chance = Annotated[float, Field(ge=0, le=1)]
Chances = Annotated[tuple[Chance, ...], Field(min_length=12, max_length=12)]

#: what a spell changes: K, K, mm/h, factor on PM10, factor on all particles
SpellKind = Literal["heat_wave", "cold_wave", "rain", "dust", "haze"]


class SpellConfig(Config):
    """A spell on order: a scenario's heat wave or yellow dust.

    Attributes
    ----------
    at, until
        When, in simulated time.
    size
        K warmer or colder, mm/h of rain, factor on the particles.
    """

    kind: SpellKind
    at: SimTime
    until: SimTime
    size: float = Field(gt=0, le=200)

    @model_validator(mode="after")
    def _ordered(self) -> SpellConfig:
        if self.until <= self.at:
            raise ValueError("it ends (until) before it begins (at)")
        return self


class ChanceConfig(Config):
    """How spells of a kind come by chance.

    Attributes
    ----------
    slot
        ns; one at most begins in each slot of that length.
    chance
        Of a slot that begins in a month, January first.
    shortest, longest, least, most
        Limits of length (ns) and size, drawn evenly.
    """

    slot: Duration = Field(gt=0)
    chance: Chances
    shortest: Duration = Field(gt=0)
    longest: Duration = Field(gt=0)
    least: float = Field(gt=0)
    most: float = Field(gt=0)

    @model_validator(mode="after")
    def _fits(self) -> ChanceConfig:
        if not (self.shortest <= self.longest <= self.slot and self.least <= self.most):
            raise ValueError("shortest must not exceed longest, longest not slot, least not most")
        return self


_H = 3600 * NS
_D = 24 * _H


def _chance(slot_d: int, days: tuple[float, float], size: tuple[float, float], *months: float) -> ChanceConfig:
    shortest, longest = (round(d * _D) for d in days)
    return ChanceConfig.model_construct(
        slot=slot_d * _D, chance=months, shortest=shortest, longest=longest, least=size[0], most=size[1]
    )


class ClimateConfig(Config):
    """Climate of a world; the default is Seoul.

    Attributes
    ----------
    temperature, humidity
        Monthly means, Cel and %.
    day_swing
        K from the day's mean to its maximum.
    rain_mm, rain_days
        Amount and days with 0.1 mm or more, by month.
    heat_wave, cold_wave, dust, haze
        Spells by chance.
    chance
        Whether anything comes by chance; if not, only ``spells`` come, and no rain but theirs.
    spells
        Spells on order.
    """

    temperature: Months = (-1.9, 0.7, 6.1, 12.6, 18.2, 22.7, 25.3, 26.1, 21.6, 15.0, 7.5, 0.2)
    humidity: Months = (56.0, 55.0, 54.0, 55.0, 60.0, 66.0, 76.0, 73.0, 67.0, 62.0, 60.0, 57.0)
    day_swing: float = Field(default=4.0, ge=0, le=15)
    rain_mm: Months = (16.8, 28.2, 36.9, 72.9, 103.6, 129.5, 414.4, 348.2, 141.5, 52.2, 51.1, 22.6)
    rain_days: Months = (6.1, 5.8, 7.0, 8.4, 8.6, 9.9, 16.3, 14.7, 9.1, 6.1, 8.8, 7.8)
    heat_wave: ChanceConfig = _chance(10, (2, 8), (3.0, 6.0), 0, 0, 0, 0, 0, 0.05, 0.45, 0.45, 0.03, 0, 0, 0)
    cold_wave: ChanceConfig = _chance(10, (2, 5), (4.0, 8.0), 0.45, 0.3, 0.05, 0, 0, 0, 0, 0, 0, 0, 0.1, 0.4)
    dust: ChanceConfig = _chance(5, (0.6, 1.8), (2.5, 6.5), 0.03, 0.06, 0.15, 0.15, 0.12, 0, 0, 0, 0, 0, 0.05, 0.05)
    haze: ChanceConfig = _chance(5, (1, 4), (1.4, 2.6), 0.45, 0.45, 0.45, 0.4, 0.1, 0, 0, 0, 0, 0.1, 0.4, 0.45)
    chance: bool = True
    spells: tuple[SpellConfig, ...] = ()

    @model_validator(mode="after")
    def _possible(self) -> ClimateConfig:
        if any(not 0 < days <= 28 for days in self.rain_days) or any(mm < 0 for mm in self.rain_mm):
            raise ValueError("rain_days must be above 0 and at most 28, rain_mm not below 0")
        return self
