"""Whom the broker turned away: its log, read as it grows, becomes counted events that everyone can see."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from core.clock import NS, mono_ns
from core.command import Event
from core.errors import RejectedError
from wire import topics
from wire.broker_log import LogReader, Refusal

#: device of events that concern no device
BROKER = "broker"
#: one event of a kind and a culprit in this span; the counts have all of them
EVERY = 10 * NS
_PIECE = 1 << 20
_CULPRITS = 1_000


class BrokerWatch:
    """Follows a log file from its present end. ``counts`` are refusals by kind since the start."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.counts: Counter[str] = Counter()
        self._reader = LogReader()
        self._at = log.stat().st_size if log.exists() else 0
        self._rest = b""
        self._told: dict[tuple[str, str, str], tuple[int, int]] = {}

    def look(self, now: int) -> list[Event]:
        """Return what is new; ``now`` is run time (ns). Reads at most 1 MiB a call."""
        try:
            size = self.log.stat().st_size
            self._at = min(self._at, size)  # a file that was made anew
            if size == self._at:
                return []
            with self.log.open("rb") as file:
                file.seek(self._at)
                piece = file.read(_PIECE)
        except OSError:
            return []
        self._at += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        refusals = (self._reader.read(line.decode("utf-8", "replace")) for line in lines)
        return [event for refusal in refusals if refusal is not None and (event := self._event(refusal, now))]

    def _event(self, refusal: Refusal, now: int) -> Event | None:
        self.counts[refusal.kind] += 1
        if len(self._told) > _CULPRITS:
            self._told.clear()
        device = _target(refusal)
        key, moment = (refusal.kind, refusal.who, device), mono_ns()
        told, held = self._told.get(key, (moment - EVERY, 0))
        if moment - told < EVERY:
            self._told[key] = (told, held + 1)
            return None
        self._told[key] = (moment, 0)
        who = f"account or client {refusal.who!r}" if refusal.who else "an unknown client"
        more = f" ({held} more since the last word)" if held else ""
        return Event(device, refusal.kind, f"{who}: {refusal.what[:300]}{more}", now, "alarm")


def _target(refusal: Refusal) -> str:
    """Return the device that a refused publish was aimed at."""
    if refusal.kind != "publish-denied":
        return BROKER
    try:
        return topics.parse(refusal.what).path
    except RejectedError:
        return BROKER
