"""Rows of guideline v1: measurements of one stream in one message.

One row     ``{"t": …, "seq": 42, "v": {"pm25": 17.2, "pm10": null}, "q": {"pm10": [0, "sensor"]}}``
Many rows   ``{"t0": "…", "dt": 1000000, "seq": 42, "v": {"ax": [..]}}`` or ``"t": [..]`` in place of t0, dt

Quality ``q``, absent where all is GOOD: a channel maps to ``[code, reason]`` (all rows of the message) or, with
many rows, to runs ``[[first, count, code, reason], …]``; rows outside the runs are GOOD. ``seq`` is the number of
the first row, or a list where numbers are missing between. ``sid`` is the start that numbered the rows; where it
is absent, the one of the last birth or state holds. ``sent`` is when the sender handed it over (wall ms).
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from core import quality
from core.batch import NO_SEQ, Batch
from core.catalog import StreamEntry
from core.clock import MS
from core.errors import RejectedError
from core.quality import BAD, GOOD, MAJOR, UNCERTAIN
from core.spec import LayoutSpec
from wire.codec_birth import Sid
from wire.json_text import read, time_ns

MAX_ROWS = 100_000
_ALLOWED = frozenset([*range(BAD, UNCERTAIN + 64), GOOD])  # BAD and UNCERTAIN with any sub-status
Seq = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
Time = int | float | str
Quality = tuple[int, str]
Run = tuple[int, int, int, str]


class RowsJson(Struct, frozen=True):
    """Payload of ``data/{stream}``."""

    v: dict[str, float | list[float | None] | None]
    t: int | float | str | list[int | float | str] | None = None
    t0: int | float | str | None = None
    dt: Annotated[int, Meta(ge=0)] | None = None
    seq: Seq | list[Seq] | None = None
    sid: Sid | None = None
    sent: Annotated[float, Meta(ge=0)] | None = None
    q: dict[str, list[Any]] | None = None


_DECODER = msgspec.json.Decoder(RowsJson)


def decode_rows(payload: bytes, entry: StreamEntry, sid: int = 0) -> tuple[Batch, int]:
    """Return the rows and when they were sent (wall ns, 0 unknown). ``sid`` is used where the message has none.

    ``seq`` means something only together with a ``sid``: without one, rows are identified by their time.

    Raises
    ------
    DecodeError
        ``bad-json``, ``nan``, ``empty``.
    RejectedError
        ``bad-shape``, ``too-large``, ``bad-time``, ``unknown-channel``, ``missing-channel``, ``length-mismatch``,
        ``null-not-bad``, ``bad-quality``.
    """
    message = read(_DECODER, payload)
    layout = entry.spec.layout
    sent = 0 if message.sent is None else round(message.sent * MS)
    start = sid if message.sid is None else message.sid
    _check_channels(message, layout)
    if message.t is not None and not isinstance(message.t, list):
        t, x, q = _single(message, layout)
    else:
        t, x, q = _many(message, layout)
    n = len(t)
    return Batch(
        layout, np.full(n, entry.index, np.int32), np.full(n, start, np.int64), _seq(message, n, start), t, x, q
    ), sent


def probe(payload: bytes) -> tuple[int | None, tuple[str, ...]]:
    """Return the start number (None: not given) and the channels of a data message, judged by its shape alone.

    Raises DecodeError or RejectedError like :func:`decode_rows`.
    """
    message = read(_DECODER, payload)
    return message.sid, tuple(message.v)


def _check_channels(message: RowsJson, layout: LayoutSpec) -> None:
    columns = layout.columns
    if tuple(message.v) == columns:
        return
    unknown = [c for c in message.v if c not in columns]
    if unknown:
        raise RejectedError("unknown-channel", f"{unknown[0][:80]!r} (announced: {', '.join(columns)[:300]})")
    missing = [c for c in columns if c not in message.v]
    if missing:
        raise RejectedError("missing-channel", f"{missing[0]!r}: send null with a BAD quality")


def _single(message: RowsJson, layout: LayoutSpec) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    assert message.t is not None
    assert not isinstance(message.t, list)
    values = [message.v[c] for c in layout.columns]
    codes = [GOOD] * len(values)
    for channel, pair in (message.q or {}).items():
        codes[_column(layout, channel)] = _code(channel, pair)
    for j, value in enumerate(values):
        if isinstance(value, list):
            raise RejectedError("length-mismatch", f"{layout.columns[j]}: a list of values beside a single t")
        if value is None and codes[j] & MAJOR != BAD:
            raise RejectedError("null-not-bad", f"{layout.columns[j]} is null but not BAD")
    return (
        np.array([time_ns(message.t)], np.int64),
        np.array([values], np.float64),
        np.array([codes], np.uint8),
    )


def _many(message: RowsJson, layout: LayoutSpec) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]]:
    columns = [message.v[c] for c in layout.columns]
    lists = [c for c in columns if isinstance(c, list)]
    n = len(lists[0]) if lists else 0
    if len(lists) != len(columns) or any(len(c) != n for c in lists):
        raise RejectedError("length-mismatch", "every channel needs a list of the same length")
    if not 0 < n <= MAX_ROWS:
        raise RejectedError("length-mismatch", f"{n} rows in one message (1 to {MAX_ROWS})")
    t = _row_times(message, n)
    x = np.array(lists, np.float64).T.copy()
    q = np.full(x.shape, GOOD, np.uint8)
    for channel, spans in (message.q or {}).items():
        _mark(q[:, _column(layout, channel)], channel, spans)
    naked = np.isnan(x) & ((q & MAJOR) != BAD)
    if naked.any():
        row, column = np.argwhere(naked)[0]
        raise RejectedError("null-not-bad", f"{layout.columns[column]} is null in row {row} but not BAD")
    return t, x, q


def _row_times(message: RowsJson, n: int) -> NDArray[np.int64]:
    if isinstance(message.t, list):
        if len(message.t) != n:
            raise RejectedError("length-mismatch", f"{len(message.t)} times for {n} rows")
        return np.array([time_ns(t) for t in message.t], np.int64)
    if message.t0 is None or message.dt is None:
        raise RejectedError("bad-time", "many rows need t0 and dt (ns), or a list t")
    first = time_ns(message.t0)
    time_ns(str(first + message.dt * (n - 1)))
    return first + message.dt * np.arange(n, dtype=np.int64)


def _seq(message: RowsJson, n: int, sid: int) -> NDArray[np.int64]:
    if isinstance(message.seq, list) and len(message.seq) != n:
        raise RejectedError("length-mismatch", f"{len(message.seq)} row numbers for {n} rows")
    if message.seq is None or sid == 0:
        return np.full(n, NO_SEQ, np.int64)
    if isinstance(message.seq, list):
        return np.array(message.seq, np.int64)
    return np.arange(message.seq, message.seq + n, dtype=np.int64)


def _column(layout: LayoutSpec, channel: str) -> int:
    try:
        return layout.column(channel)
    except ValueError:
        raise RejectedError("unknown-channel", f"{channel[:80]!r} in q") from None


def _code(channel: str, pair: list[Any]) -> int:
    """Return the quality byte of ``[code]`` or ``[code, reason]``; a full status byte keeps its own reason."""
    code, reason = (pair[0], "" if len(pair) == 1 else pair[1]) if 1 <= len(pair) <= 2 else (None, "")
    if type(code) is not int or not isinstance(reason, str) or code not in _ALLOWED:
        raise RejectedError("bad-quality", f'{channel}: {pair!r:.80} (write [0, "sensor"], [64, "range"] or [192])')
    return code if not reason and code in quality.CODES else quality.from_reason(code, reason)


def _mark(q: NDArray[np.uint8], channel: str, spans: list[Any]) -> None:
    """Write runs ``[first, count, code, reason]``, or one ``[code, reason]`` for all rows, into a column."""
    if not spans or not isinstance(spans[0], list):
        q[:] = _code(channel, spans)
        return
    for span in spans:
        if not (isinstance(span, list) and 3 <= len(span) <= 4 and all(type(v) is int for v in span[:3])):
            raise RejectedError("bad-quality", f"{channel}: {span!r:.80} (write [first, count, code, reason])")
        first, count = span[:2]
        if first < 0 or count < 1 or first + count > len(q):
            raise RejectedError("bad-quality", f"{channel}: rows {first} + {count} of {len(q)}")
        q[first : first + count] = _code(channel, span[2:])
