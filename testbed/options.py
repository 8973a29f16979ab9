"""Texts of the command line that need parsing: speeds and times."""

from __future__ import annotations

from datetime import UTC, datetime

from core.clock import NS
from core.errors import TestbedError


def parse_speed(text: str | None) -> float | None:
    """Return simulated seconds a wall second; 0 for ``max``, None for None."""
    if text is None:
        return None
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed <= 100_000:
        raise TestbedError(f"--speed {text}: write a number above 0, or max")
    return speed


def parse_time(text: str | None) -> int | None:
    """Return ns UTC of an ISO 8601 time or of a number of ns; None for None."""
    if text is None or text.isdigit():
        return None if text is None else int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise TestbedError(f"--start {text}: write 2026-03-02T08:00:00Z or ns since the epoch") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * NS + moment.microsecond * 1000
