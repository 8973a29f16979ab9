"""Spells of weather as pure functions of the date: each is drawn by hashing the seed and the number of a slot of time.

So any process, however far back its world begins, has the same weather on the same day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core import seed
from core.clock import NS
from simulator.climate import ChanceConfig, ClimateConfig, SpellConfig, SpellKind
from simulator.grid import Floats, Ints
from simulator.holidays import DAY, HOUR, KST

_EDGE_NS = 3 * HOUR  # a spell comes and goes in
_MONTH = 30.436875 * DAY
_RAIN_SLOT = DAY
_RAIN_SHORTEST, _RAIN_LONGEST = 2 * HOUR, 14 * HOUR


def month_of(utc: Ints) -> NDArray[np.intp]:
    """Return the month of UTC ns, 0 = January."""
    days = ((utc + KST) // DAY).astype("datetime64[D]")
    return np.asarray(days.astype("datetime64[M]").astype(np.int64) % 12, dtype=np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """One spell a slot, whether it comes or not: arrays of the shape of what asked."""

    there: NDArray[np.bool_]
    since: Ints
    length: Ints
    luck: Floats
    month: NDArray[np.intp]


def _draw(key: int, utc: Ints, slot: int, back: int, chance: Floats, shortest: int, longest: int) -> _Drawn:
    """Return the spell of each instant's slot, or of one ``back``."""
    number = utc // slot - back
    keys = np.array(key, dtype=np.int64)
    u = [seed.uniform(keys, number * 4 + n) for n in range(4)]
    month = month_of(number * slot)
    length = shortest + np.rint(u[2] * (longest - shortest)).astype(np.int64)
    since = utc - number * slot - np.rint(u[1] * slot).astype(np.int64)
    return _Drawn(u[0] < chance[month], since, length, u[3], month)


def _shape(since: Ints, length: Ints | int) -> Floats:
    """Return the course of a spell, 0 to 1 and back."""
    edge = np.minimum(_EDGE_NS, np.asarray(length) // 3) / float(NS)
    inner = np.minimum(since, length - since) / float(NS)
    return np.asarray(np.clip(inner / edge, 0.0, 1.0), dtype=np.float64)


class Spells:
    """Spells of one world.

    Parameters
    ----------
    root
        Root seed.
    start
        UTC ns of simulated time 0, which ordered spells count from.
    """

    def __init__(self, root: int, start: int, climate: ClimateConfig) -> None:
        self._root = root
        self._start = start
        self._climate = climate
        self._rain_chance = np.array(climate.rain_days) * DAY / _MONTH
        # mm of a day with rain; its size is drawn from an exponential distribution
        self._rain_mm = np.array(climate.rain_mm) / np.array(climate.rain_days)

    def size(self, kind: SpellKind, utc: Ints) -> Floats:
        """Return what spells of a kind add at UTC ns, 0 where there is none; the strongest counts."""
        out = np.zeros(utc.shape)
        if self._climate.chance:
            out = self._rain(utc) if kind == "rain" else self._by_chance(kind, getattr(self._climate, kind), utc)
        for spell in self._climate.spells:
            if spell.kind == kind:
                out = np.maximum(out, self._ordered(spell, utc))
        return out

    def factor(self, kind: SpellKind, utc: Ints) -> Floats:
        """Return the logarithm of the factor of a spell at UTC ns: its size is the factor itself."""
        return np.asarray(np.log(np.maximum(self.size(kind, utc), 1.0)), dtype=np.float64)

    def _by_chance(self, kind: SpellKind, how: ChanceConfig, utc: Ints) -> Floats:
        out, chance = np.zeros(utc.shape), np.array(how.chance)
        for back in (0, 1):
            d = _draw(self._key(kind), utc, how.slot, back, chance, how.shortest, how.longest)
            size = how.least + (how.most - how.least) * d.luck
            out = np.maximum(out, d.there * size * _shape(d.since, d.length))
        return out

    def _rain(self, utc: Ints) -> Floats:
        """Return mm/h: each rain is a triangle over its length."""
        out = np.zeros(utc.shape)
        for back in (0, 1):
            d = _draw(self._key("rain"), utc, _RAIN_SLOT, back, self._rain_chance, _RAIN_SHORTEST, _RAIN_LONGEST)
            mm = -np.log(1.0 - d.luck) * self._rain_mm[d.month]
            half = d.length / 2.0
            course = np.clip(1.0 - np.abs(d.since - half) / half, 0.0, 1.0)
            out = out + d.there * mm * course * (2.0 * HOUR / d.length)
        return out

    def _ordered(self, spell: SpellConfig, utc: Ints) -> Floats:
        return spell.size * _shape(utc - self._start - spell.at, spell.until - spell.at)

    def _key(self, kind: str) -> int:
        return seed.key(self._root, "environment", "spell", kind)
