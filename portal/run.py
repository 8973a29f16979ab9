"""What is fixed about a run: which scenario, since when, with which seed, how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.clock import MS, NS, RunClock
from core.spec import Name


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as people know it.

    ``clock`` maps wall time to run time; ``history_start`` is the first run time (ns UTC) the store may hold.
    """

    name: Name
    seed: int
    clock: RunClock
    scenario: str = ""
    history_start: int | None = None

    def view(self, now: int) -> dict[str, Any]:
        """Return JSON-ready values; ``now`` is run time in ns."""
        start = self.clock.start
        return {
            "name": {"ko": self.name.ko, "en": self.name.en},
            "scenario": self.scenario,
            "start": start // MS,
            "now": now // MS,
            "elapsed_s": round(max(0, now - start) / NS, 3),
            "history_start": (start if self.history_start is None else self.history_start) // MS,
            "seed": self.seed,
            "speed": self.clock.speed or "max",
        }
