"""What keeps a maintenance policy within bounds: interlocks, crews, rate limit; and the orders themselves."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping

from pydantic import Field

from core.clock import NS
from core.command import Command
from core.config import Config, Duration
from core.finding import WorkOrder


class GateConfig(Config):
    """Bounds of a policy.

    Attributes
    ----------
    crews
        Devices that may be in maintenance at once, those asked for included.
    at_most, per
        Orders within a span of run time.
    pause
        Time after an order in which the same device gets no other.
    duration
        Length of the maintenance asked for.
    parts
        What to replace: names with commas, or ``all``.
    expires
        How long the command stays valid.
    stock, lead
        Sets of parts kept for each pool of like machines (0: always enough), and how long a used one takes to be
        replaced.
    """

    crews: int = Field(default=2, ge=1)
    at_most: int = Field(default=6, ge=1)
    per: Duration = 24 * 3600 * NS
    pause: Duration = 4 * 3600 * NS
    duration: Duration = 2 * 3600 * NS
    parts: str = "all"
    expires: Duration = 600 * NS
    stock: int = Field(default=0, ge=0)
    lead: Duration = 7 * 86_400 * NS


class Gate:
    """Decides whether an order may go out and writes it.

    Of a device's state it reads ``down``, ``window`` (0: production would stand still for it; absent: any time will
    do) and ``pool`` (number of the pool that its parts come from).
    """

    def __init__(self, config: GateConfig, policy: str) -> None:
        self._config = config
        self._policy = policy
        self._sent: deque[int] = deque()
        self._last: dict[str, int] = {}
        self._used: dict[float, deque[int]] = {}

    def free(self, now: int, state: Mapping[str, Mapping[str, float]]) -> int:
        """Return how many orders may go out now."""
        while self._sent and self._sent[0] <= now - self._config.per:
            self._sent.popleft()
        down = {device for device, s in state.items() if s.get("down", 0.0) > 0}
        asked = {device for device, t in self._last.items() if now - t < self._config.expires}
        return min(self._config.crews - len(down | asked), self._config.at_most - len(self._sent))

    def open(self, now: int, device: str, state: Mapping[str, float], urgent: bool = False) -> bool:
        """Tell whether a device may get an order: it is up, had none lately, and the time is right or it is urgent."""
        if state.get("down", 0.0) > 0 or not (urgent or state.get("window", 1.0) > 0):
            return False
        last = self._last.get(device)
        return last is None or now - last >= self._config.pause

    def parts(self, now: int, state: Mapping[str, float]) -> bool:
        """Tell whether a set of parts is in stock for a device, and take it."""
        if not self._config.stock:
            return True
        used = self._used.setdefault(state.get("pool", 0.0), deque())
        while used and used[0] <= now - self._config.lead:
            used.popleft()
        if len(used) >= self._config.stock:
            return False
        used.append(now)
        return True

    def order(self, now: int, device: str, reason: str, due: int, saving_krw: float = 0.0) -> list[WorkOrder | Command]:
        """Return the work order and its command; their ids follow from policy, device and time alone."""
        self._sent.append(now)
        self._last[device] = now
        digest = hashlib.blake2b(f"{self._policy}|{device}|{now}".encode(), digest_size=8).hexdigest()
        config, command_id = self._config, f"{self._policy}-{digest}"
        parts = tuple(p for p in config.parts.split(",") if p)
        args: dict[str, float | str] = {"duration": config.duration / NS, "parts": config.parts}
        work = WorkOrder(
            id=f"wo-{digest}",
            device=device,
            action="maintain",
            policy=self._policy,
            t=now,
            due=due,
            reason=reason,
            parts=parts,
            duration_s=config.duration / NS,
            saving_krw=saving_krw,
            command=command_id,
        )
        issuer = f"policy:{self._policy}"
        return [work, Command(command_id, device, "maintain", issuer, now, now + config.expires, args)]
