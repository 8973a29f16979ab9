"""The line against queueing theory: two stations with exponential times and a finite buffer between them.

Blocking after service: the packs behind the first station (in the buffer, in service, held by the blocked first) are a
birth-death chain with K = buffer + 2, the same as M/M/1/K; p_k = (1 - r) r^k / (1 - r^(K+1)), r = mu1 / mu2, and the
throughput is mu2 (1 - p_0).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from core import eventlog
from core.clock import NS
from core.command import Event
from simulator.world import World
from tests.sim_worlds import build

HOUR = 3600 * NS
HOURS = 1000
LOT = 100
NEVER = {"life_h": 1e7, "scatter": 0}


def line(first: float, second: float, room: int, variation: float = 1.0) -> World:
    """Return a world after `HOURS` of a filler and a capper with so many lots an hour."""
    plain = {"area": "l", "reel": 0, "jam": 0, "reject": 0, "parts": NEVER, "variation": variation, "lot": LOT}
    equipment: list[dict[str, Any]] = [
        {"kind": "filler", "speed": first * LOT, "outputs": ["b"], **plain},
        {"kind": "capper", "speed": second * LOT, "inputs": ["b"], **plain},
    ]
    world = build({"domain": "factory", "site": "s", "flows": {"b": room}, "equipment": equipment})
    world.advance(HOURS * HOUR)
    return world


def shares(notes: Sequence[object], device: str) -> dict[str, float]:
    """Return the share of time in each (state, cause), from the event log alone."""
    told = [n for n in notes if isinstance(n, Event) and n.name == eventlog.STATE and n.device == device]
    spent: dict[str, float] = {}
    for event, following in pairwise(told):
        words = eventlog.fields(event.text)
        key = words.get("cause", words["state"])
        spent[key] = spent.get(key, 0.0) + following.t - event.t
    total = sum(spent.values())
    return {key: value / total for key, value in spent.items()}


def chain(r: float, k: int) -> list[float]:
    """Return p_0 .. p_K of M/M/1/K."""
    weights = [r**n for n in range(k + 1)]
    return [w / sum(weights) for w in weights]


@pytest.mark.parametrize(
    ("first", "second", "room"), [(10.0, 10.0, 1), (10.0, 10.0, 4), (8.0, 12.0, 2), (12.0, 9.0, 2)]
)
def test_throughput_blocking_and_starving_of_two_stations(first: float, second: float, room: int) -> None:
    world = line(first, second, room)
    p = chain(first / second, room + 2)
    capper = world.assets["s/l/capper-01"]
    assert capper.get("made") / LOT / HOURS == pytest.approx(second * (1 - p[0]), rel=0.03)
    notes = world.notes()
    blocked = shares(notes, "s/l/filler-01").get("blocked", 0.0)
    starved = shares(notes, "s/l/capper-01").get("starved", 0.0)
    assert blocked == pytest.approx(p[-1], abs=0.02)
    assert starved == pytest.approx(p[0], abs=0.02)


def test_without_variation_the_slower_station_sets_the_pace() -> None:
    world = line(10.0, 12.0, 1, variation=0.0)
    assert world.assets["s/l/capper-01"].get("made") / LOT / HOURS == pytest.approx(10.0, rel=1e-3)


def test_more_room_gives_more_throughput() -> None:
    made = [line(10.0, 10.0, room).assets["s/l/capper-01"].get("made") for room in (1, 3, 9)]
    assert made[0] < made[1] < made[2]
