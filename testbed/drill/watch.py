"""How long a run needs after a kill until it owes nothing that was made before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.clock import NS, mono_ns
from testbed.drill.plan import Kill, Target
from testbed.drill.streams import Watched
from testbed.drill.targets import Targets

Statuses = Mapping[str, Mapping[str, Any]]
_STEP_S = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """A kill and what came of it: s since everything was ready, s until the process was back, s until recovery.

    None: it did not happen while it was waited for.
    """

    target: Target
    at: float
    back_s: float | None
    recovery_s: float | None


class Watch:
    """Judges recovery from what the roles say of themselves, once a second.

    Recovered means: every row that was made until the killed process was back is in the store, or is reported as lost;
    no hole in the row numbers is open; and every stream that is polled has been read again since.
    """

    def __init__(self, statuses: Statuses, streams: Mapping[str, Watched], limit_s: float) -> None:
        self._statuses, self._limit_s = statuses, limit_s
        self._sent = {path for path, stream in streams.items() if stream.group != "polled"}
        self._polled = {path for path, stream in streams.items() if stream.group == "polled"}

    async def after(self, kill: Kill, began: int, targets: Targets) -> Outcome:
        """Kill, and wait for recovery, twice the limit at most. ``began``: monotonic ns."""
        old, killed = targets.kill(kill.target), mono_ns()
        deadline = killed + round(2 * self._limit_s * NS)
        at = (killed - began) / NS
        while not targets.back(kill.target, old):
            if mono_ns() > deadline:
                return Outcome(kill.target, at, None, None)
            await asyncio.sleep(_STEP_S)
        back = (mono_ns() - killed) / NS
        owed, polls = await self._present(), self._polls()
        while not self._recovered(owed, polls):
            if mono_ns() > deadline:
                return Outcome(kill.target, at, back, None)
            await asyncio.sleep(_STEP_S)
        return Outcome(kill.target, at, back, (mono_ns() - killed) / NS)

    async def _present(self) -> int:
        """Return how many rows have been sent by now: the simulator's next word, and the gateway's after it."""
        for role in ("simulator", "gateway"):
            last = self._statuses.get(role)
            while self._statuses.get(role) is last:  # noqa: ASYNC110 - statuses have no event
                await asyncio.sleep(_STEP_S)
        return int(self._statuses["simulator"].get("owed_rows", 0))

    def _recovered(self, owed: int, polls: Mapping[str, int]) -> bool:
        if self._settled() < owed or self._statuses["gateway"].get("open_gaps"):
            return False
        return all(n > polls.get(path, 0) for path, n in self._polls().items())

    def _settled(self) -> int:
        """Return the rows that are stored, or lost with notice."""
        stored = self._statuses.get("platform", {}).get("stored", {})
        told = self._statuses.get("gateway", {}).get("streams", {})
        lost = sum(int(counts["lost"]) for path, counts in told.items() if path in self._sent)
        return lost + sum(int(n) for path, n in stored.items() if path in self._sent)

    def _polls(self) -> dict[str, int]:
        told = self._statuses.get("gateway", {}).get("streams", {})
        return {path: told.get(path, {}).get("received", 0) for path in self._polled}
