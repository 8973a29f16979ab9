"""Notices a connection that is up but silent: it sends a heartbeat to itself through the broker and listens for it."""

from __future__ import annotations

from core.clock import mono_ns


class Watchdog:
    """Times of one connection. ``limit`` is the longest silence in ns; 0: none is watched for."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._heard = self._beat = mono_ns()

    def begin(self) -> None:
        """Start afresh with a new connection."""
        self._heard = self._beat = mono_ns()

    def heard(self) -> None:
        """Note a sign of life; any thread."""
        self._heard = mono_ns()

    def beats(self) -> bool:
        """Tell whether a heartbeat is due, and take it as sent."""
        now = mono_ns()
        if not self.limit or now - self._beat <= self.limit / 4:
            return False
        self._beat = now
        return True

    @property
    def silent(self) -> bool:
        """Tell whether the silence has been too long."""
        return bool(self.limit) and mono_ns() - self._heard > self.limit
