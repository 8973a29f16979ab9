"""JSON text to typed values: shared by the guideline codecs. Errors carry stable reason codes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from core.clock import MS, NS
from core.errors import DecodeError, RejectedError

MAX_PAYLOAD = 1 << 20  # 1 MiB: a day of one-second rows fits
_LAST_NS = 4_102_444_800 * NS  # 2100-01-01: later times are mistakes of unit
_NAN = re.compile(rb"[:,\[\s][+-]?(NaN|Inf(inity)?)\b", re.IGNORECASE)
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)

T = TypeVar("T")


def read(decoder: msgspec.json.Decoder[T], payload: bytes) -> T:
    """Return a decoded payload.

    Raises
    ------
    DecodeError
        ``too-large``, ``empty``, ``nan`` (NaN or Infinity, which are not JSON), ``bad-json``.
    RejectedError
        ``bad-shape``: JSON, but a key is missing or of the wrong type; the detail names it.
    """
    if len(payload) > MAX_PAYLOAD:
        raise RejectedError("too-large", f"{len(payload)} bytes, at most {MAX_PAYLOAD}")
    if not payload:
        raise DecodeError("empty", "no payload")
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise RejectedError("bad-shape", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if _NAN.search(payload):
            raise DecodeError("nan", "NaN and Infinity are not JSON; send null with a BAD quality") from None
        raise DecodeError("bad-json", str(error)) from None
    except RecursionError:
        raise DecodeError("bad-json", "nested too deeply") from None


def time_ns(t: float | str) -> int:
    """Return ns UTC of ms since the epoch, ns as a string, or ISO 8601 with a zone.

    Raises
    ------
    RejectedError
        ``bad-time``.
    """
    if isinstance(t, int):
        ns = t * MS
    elif isinstance(t, float):
        whole = int(t)
        ns = whole * MS + round((t - whole) * MS)  # the product alone would lose some hundred ns
    elif t.isascii() and t.isdigit() and len(t) < 20:
        ns = int(t)
    else:
        ns = _iso_ns(t)
    if not 0 <= ns < _LAST_NS:
        raise RejectedError("bad-time", f"{t!r} is not between 1970 and 2100 (ms as a number, ns as a string)")
    return ns


def time_text(ns: int) -> int | str:
    """Return ms as a number where nothing is lost, else ns as a string."""
    return ns // MS if ns % MS == 0 else str(ns)


def _iso_ns(text: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        raise RejectedError("bad-time", f"{text[:40]!r} (ms, ns as a string, or ISO 8601 with a zone)")
    try:
        whole = datetime.fromisoformat(match[1] + match[3])
    except ValueError as error:
        raise RejectedError("bad-time", f"{text[:40]!r}: {error}") from None
    return (whole - _EPOCH) // _SECOND * NS + int((match[2] or "0").ljust(9, "0"))
