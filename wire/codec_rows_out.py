"""Rows of guideline v1, outgoing: batches to messages (the form is described in :mod:`wire.codec_rows`)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from core import quality
from core.batch import NO_SEQ, Batch
from core.clock import MS
from core.quality import BAD, GOOD, MAJOR
from wire.codec_rows import Quality, Run
from wire.json_text import time_text

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A data message ready to go, with what it holds."""

    stream: int
    sid: int
    first: int
    last: int
    payload: bytes


def encode_rows(batch: Batch, sent_ms: float | None = None) -> bytes:
    """Return the message of a batch that holds rows of one stream and one start.

    A value that is not finite goes as null and BAD, whatever its quality says.
    """
    n = len(batch)
    if n == 0:
        raise ValueError("a message needs at least one row")
    x, q = _sendable(batch.x, batch.q)
    if n == 1:
        return _one(batch.layout.columns, batch.t, batch.sid, batch.seq, x, q, 0, sent_ms)
    message: dict[str, Any] = _times(batch.t) | _numbers(batch.sid, batch.seq)
    message["v"] = {name: _nulls(x[:, j]) for j, name in enumerate(batch.layout.columns)}
    bad = np.flatnonzero((q != GOOD).any(axis=0))
    if len(bad):
        message["q"] = {batch.layout.columns[j]: _runs(q[:, j]) for j in bad}
    if sent_ms is not None:
        message["sent"] = sent_ms
    return _ENCODER.encode(message)


def encode_batch(batch: Batch, sent_ms: float | None = None, max_rows: int = 4096) -> list[Outgoing]:
    """Return the messages of a batch of any streams: rows of one stream and start together, in order."""
    if not len(batch):
        return []
    order = np.lexsort((batch.sid, batch.stream)) if _mixed(batch) else slice(None)
    rows = batch.take(order)
    change = (np.diff(rows.stream) != 0) | (np.diff(rows.sid) != 0)
    edges = [0, *(np.flatnonzero(change) + 1).tolist(), len(rows)]
    x, q = _sendable(rows.x, rows.q)
    columns = batch.layout.columns
    out: list[Outgoing] = []
    for a, b in pairwise(edges):
        stream, sid = int(rows.stream[a]), int(rows.sid[a])
        if b - a == 1:
            payload = _one(columns, rows.t, rows.sid, rows.seq, x, q, a, sent_ms)
            out.append(Outgoing(stream, sid, int(rows.seq[a]), int(rows.seq[a]), payload))
            continue
        for i in range(a, b, max_rows):
            part = rows.take(slice(i, min(i + max_rows, b)))
            seq = part.seq
            out.append(Outgoing(stream, sid, int(seq[0]), int(seq[-1]), encode_rows(part, sent_ms)))
    return out


def _mixed(batch: Batch) -> bool:
    """Tell whether rows of one stream and start do not lie together already."""
    step = np.diff(batch.stream)
    return bool((step < 0).any() or (np.diff(batch.sid)[step == 0] != 0).any())


def _sendable(x: NDArray[np.float64], q: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    missing = ~np.isfinite(x)
    if not missing.any():
        return x, q
    return np.where(missing, np.nan, x), np.where(missing & ((q & MAJOR) != BAD), np.uint8(BAD), q)


def _one(
    columns: tuple[str, ...],
    t: NDArray[np.int64],
    sid: NDArray[np.int64],
    seq: NDArray[np.int64],
    x: NDArray[np.float64],
    q: NDArray[np.uint8],
    row: int,
    sent_ms: float | None,
) -> bytes:
    number, start = int(seq[row]), int(sid[row])
    codes = q[row].tolist()
    message: dict[str, Any] = {"t": time_text(int(t[row]))}
    if start:
        message["sid"] = start
    if number != NO_SEQ:
        message["seq"] = number
    message["v"] = dict(zip(columns, [v if v == v else None for v in x[row].tolist()], strict=True))
    if codes.count(GOOD) != len(codes):
        message["q"] = {
            c: (code & MAJOR, quality.reason(code)) for c, code in zip(columns, codes, strict=True) if code != GOOD
        }
    if sent_ms is not None:
        message["sent"] = sent_ms
    return _ENCODER.encode(message)


def _times(t: NDArray[np.int64]) -> dict[str, Any]:
    steps = np.diff(t)
    dt = int(steps[0])
    if dt >= 0 and bool((steps == dt).all()):
        return {"t0": str(int(t[0])), "dt": dt}
    if bool((t % MS == 0).all()):
        return {"t": (t // MS).tolist()}
    return {"t": [str(ns) for ns in t.tolist()]}


def _numbers(sid: NDArray[np.int64], seq: NDArray[np.int64]) -> dict[str, Any]:
    out: dict[str, Any] = {"sid": int(sid[0])} if sid[0] else {}
    if bool((seq != NO_SEQ).all()):
        out["seq"] = int(seq[0]) if bool((np.diff(seq) == 1).all()) else seq.tolist()
    return out


def _nulls(column: NDArray[np.float64]) -> list[float | None]:
    values = column.tolist()
    return [v if v == v else None for v in values] if bool(np.isnan(column).any()) else values


def _runs(q: NDArray[np.uint8]) -> list[Run] | Quality:
    edges = [0, *(np.flatnonzero(np.diff(q)) + 1).tolist(), len(q)]
    if len(edges) == 2:
        return int(q[0]) & MAJOR, quality.reason(int(q[0]))
    spans = pairwise(edges)
    return [(a, b - a, int(q[a]) & MAJOR, quality.reason(int(q[a]))) for a, b in spans if q[a] != GOOD]
