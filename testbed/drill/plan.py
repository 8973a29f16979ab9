"""When what is killed: every part equally often, in random order, at random moments."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal, get_args

from core.errors import ConfigError

Target = Literal["broker", "gateway", "platform", "opcua"]
TARGETS: tuple[Target, ...] = get_args(Target)
#: s before the first kill, and after the last one
LEAD_S, TAIL_S = 6.0, 14.0
#: s that a kill takes of the time at least, recovery included
LEAST_S = 8.0


@dataclass(frozen=True, slots=True)
class Kill:
    """``at``: s since everything was ready."""

    at: float
    target: Target


def plan(kills: int, seconds: float, seed: int, targets: tuple[Target, ...] = TARGETS) -> list[Kill]:
    """Return the kills of a drill in order of time; raises ConfigError where the time is too short for them."""
    need = LEAD_S + TAIL_S + kills * LEAST_S
    if seconds < need:
        raise ConfigError("--for", f"{seconds:g} s are too short for {kills} kills", f"give it {need:.0f} s or more")
    chance = random.Random(seed)
    order: list[Target] = []
    while len(order) < kills:
        order += chance.sample(targets, len(targets))
    slot = (seconds - LEAD_S - TAIL_S) / max(kills, 1)
    return [Kill(LEAD_S + slot * (n + 0.3 * chance.random()), target) for n, target in enumerate(order[:kills])]
