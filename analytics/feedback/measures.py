"""What policies share that act otherwise than by maintenance: when to begin and to end, and the orders themselves."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Config, Duration
from core.finding import WorkOrder

State = Mapping[str, Mapping[str, float]]
Orders = list[WorkOrder | Command]
Turn = Literal["begin", "end", ""]


class BoundsConfig(Config):
    """Bounds of a policy that sends commands.

    Attributes
    ----------
    persist, clear
        Windows in a row that must ask for a measure, and for its end.
    pause
        Time after a command in which the same device gets no other, but the end of a measure.
    at_most, per
        Beginnings within a span of run time.
    expires
        How long a command stays valid.
    """

    persist: int = Field(default=3, ge=1)
    clear: int = Field(default=5, ge=1)
    pause: Duration = 1800 * NS
    at_most: int = Field(default=6, ge=1)
    per: Duration = 3600 * NS
    expires: Duration = 60 * NS


class Bounds:
    """Turns what each window asks for into beginnings and ends of measures, none of them a flicker."""

    def __init__(self, config: BoundsConfig, policy: str) -> None:
        self.active: set[str] = set()
        self._config = config
        self._policy = policy
        self._wants: dict[str, int] = {}
        self._calm: dict[str, int] = {}
        self._last: dict[str, int] = {}
        self._sent: deque[int] = deque()

    def turn(self, now: int, device: str, wants: bool, calm: bool) -> Turn:
        """Take in one window of a device; say whether its measure begins or ends now."""
        self._wants[device] = self._wants.get(device, 0) + 1 if wants else 0
        self._calm[device] = self._calm.get(device, 0) + 1 if calm else 0
        if device in self.active:
            if self._calm[device] < self._config.clear:
                return ""
            self.active.discard(device)
            return "end"
        if self._wants[device] < self._config.persist or not self._may(now, device):
            return ""
        self._sent.append(now)
        self._last[device] = now
        self.active.add(device)
        return "begin"

    def _may(self, now: int, device: str) -> bool:
        while self._sent and self._sent[0] <= now - self._config.per:
            self._sent.popleft()
        rested = device not in self._last or now - self._last[device] >= self._config.pause
        return rested and len(self._sent) < self._config.at_most

    def order(
        self, now: int, device: str, name: str, args: Mapping[str, float | str], reason: str, saving_krw: float = 0.0
    ) -> Orders:
        """Return the order and its command; their ids follow from policy, device, command and time alone."""
        digest = hashlib.blake2b(f"{self._policy}|{device}|{name}|{now}".encode(), digest_size=8).hexdigest()
        command_id, expires = f"{self._policy}-{digest}", now + self._config.expires
        work = WorkOrder(
            id=f"wo-{digest}",
            device=device,
            action=name,
            policy=self._policy,
            t=now,
            due=expires,
            reason=reason,
            crew=0,
            saving_krw=round(saving_krw),
            command=command_id,
        )
        return [work, Command(command_id, device, name, f"policy:{self._policy}", now, expires, dict(args))]


class Trend:
    """Last readings of each device, for a slope."""

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self._seen: dict[str, deque[tuple[int, float]]] = {}

    def take(self, device: str, t: int, value: float) -> float:
        """Keep a reading and return the slope over the span, units a second (0 with one reading)."""
        seen = self._seen.setdefault(device, deque())
        seen.append((t, value))
        while seen[0][0] < t - self._span_ns:
            seen.popleft()
        (t0, v0), (t1, v1) = seen[0], seen[-1]
        return (v1 - v0) * NS / (t1 - t0) if t1 > t0 else 0.0


def having(state: State, *names: str) -> Sequence[tuple[str, Mapping[str, float]]]:
    """Return the devices of which all these readings are known, by path."""
    return [(device, state[device]) for device in sorted(state) if all(n in state[device] for n in names)]
