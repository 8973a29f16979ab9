"""What the world lends to its assets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import simpy

from core.command import CommandResult, Event
from simulator.environment import Environment
from simulator.process.flow import FlowBus
from simulator.truth import TruthLog


@dataclass(frozen=True, slots=True)
class Service:
    """How repairs go: crew size a domain, s of a repair after a failure (unplanned) and of planned maintenance."""

    repair_s: float
    maintain_s: float


@dataclass(frozen=True, slots=True)
class Host:
    """The event clock, the shared parts, and where notes and truth go. ``start`` is UTC ns of simulated time 0."""

    env: simpy.Environment
    root: int
    start: int
    crew: simpy.PriorityResource
    service: Service
    flows: FlowBus
    weather: Environment
    truth: TruthLog
    emit: Callable[[Event | CommandResult], None]
