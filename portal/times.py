"""Times as people and programs write them in a query."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from core.clock import MS, NS, parse_duration
from core.errors import TestbedError
from portal.errors import ApiError

_ZONE_LOST = re.compile(r"(T\d\d:\d\d\S*) (\d\d:?\d\d)$")  # "+09:00" arrives as " 09:00" when not escaped
_HINT = "write ISO 8601 (2026-03-01T09:00:00+09:00), ms since the epoch, or a span before now (-15m)"


def parse_time(text: str, now: int) -> int:
    """Return ns UTC of ISO 8601 (no zone: UTC), ms or ns since the epoch, ``now`` or ``-15m``.

    Raises
    ------
    ApiError
        If the text is none of these.
    """
    text = text.strip()
    if text in ("", "now"):
        return now
    if text.isascii() and text.isdigit() and len(text) <= 19:
        return int(text) * (1 if len(text) > 16 else MS)
    try:
        if text.startswith("-"):
            return now - parse_duration(text[1:])
        moment = datetime.fromisoformat(_ZONE_LOST.sub(r"\1+\2", text))
    except (ValueError, TestbedError) as error:
        raise ApiError(400, f"not a time: {text[:40]!r} ({_HINT})") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * NS + moment.microsecond * 1_000


def parse_span(start: str, end: str, now: int) -> tuple[int, int]:
    """Return (start, end) in ns; defaults are the last 15 minutes.

    Raises
    ------
    ApiError
        If the span is empty or turned round.
    """
    t1 = parse_time(end, now)
    t0 = parse_time(start, now) if start else t1 - 900 * NS
    if t0 >= t1:
        raise ApiError(400, "start must be before end")
    return t0, t1


def parse_every(text: str, span: int, points: int) -> int:
    """Return the bucket width in ns: ``raw`` 0, a duration, or empty for about ``points`` buckets of the span."""
    if text == "raw":
        return 0
    if text:
        try:
            every = parse_duration(text)
        except TestbedError as error:
            raise ApiError(400, f"every: {error}, or raw") from error
        if every <= 0:
            raise ApiError(400, "every must be positive, or raw")
        return every
    wanted = max(span // points, 1)
    return next((n for n in _NICE if n >= wanted), -(-wanted // _DAY) * _DAY)


_DAY = 86_400 * NS
_NICE = [
    *(n * MS for n in (1, 2, 5, 10, 20, 50, 100, 200, 500)),
    *(n * NS for n in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)),
]
