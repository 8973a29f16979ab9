"""The yardstick of `testbed bench simulate`: the plain way to simulate sensors, one SimPy process each.

Every channel is a process that wakes once a period, computes its value (a daily course here, which is less than most
channels of the reference world do), takes it through the same measuring chain sample by sample, and appends it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from core.quality import BAD_SENSOR, GOOD, UNCERTAIN_RANGE
from simulator.channels import Sensor


@dataclass(slots=True)
class NaiveSensor:
    """One channel: its chain's settings and what it has measured. Times in s."""

    sensor: Sensor
    low: float
    high: float
    random: random.Random
    t: list[float] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    q: list[int] = field(default_factory=list)

    def run(self, env: simpy.Environment, period: float) -> Generator[simpy.Event, Any, None]:
        """Measure once a period, for ever."""
        s, draw = self.sensor, self.random
        gain = 1.0 + s.gain * draw.gauss(0.0, 1.0)
        bias = s.bias * draw.gauss(0.0, 1.0)
        lag = s.lag / 1e9
        keep = math.exp(-period / lag) if lag else 0.0
        stay = math.exp(-period / (s.drift_tau / 1e9))
        wander, held = 0.0, self.low
        while True:
            yield env.timeout(period)
            now = env.now
            true = self.low + (self.high - self.low) * (0.5 + 0.3 * math.sin(now * 7.27e-5))
            held = keep * held + (1.0 - keep) * true
            wander = stay * wander + math.sqrt(1.0 - stay * stay) * draw.gauss(0.0, 1.0)
            value = held * gain + bias + s.drift * wander + s.noise * draw.gauss(0.0, 1.0)
            if s.resolution:
                value = round(value / s.resolution) * s.resolution
            quality = GOOD
            if not self.low <= value <= self.high:
                value, quality = min(max(value, self.low), self.high), UNCERTAIN_RANGE
            if draw.random() < s.dropout:
                value, quality = math.nan, BAD_SENSOR
            self.t.append(now)
            self.x.append(value)
            self.q.append(quality)


def run_naive(sensors: list[NaiveSensor], period: float, seconds: float) -> int:
    """Run that many simulated seconds; returns the number of values made."""
    env = simpy.Environment()
    for sensor in sensors:
        env.process(sensor.run(env, period))
    env.run(until=seconds)
    return sum(len(sensor.x) for sensor in sensors)
