"""Rows of one layout, of one or many streams, as columns."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.spec import LayoutSpec

_HEAD = struct.Struct("<HIH")  # length of layout name, rows, channels
_ROW = 4 + 8 + 8 + 8  # bytes of stream, sid, seq, t
_VALUE = 8 + 1  # bytes of one value and its quality
NO_SEQ = -1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of one layout; order within a stream is kept.

    Attributes
    ----------
    layout
        Names and units of the k channels.
    stream : int32[n]
        Index into the catalog.
    sid : int64[n]
        The device's start number, 0 where the protocol has none.
    seq : int64[n]
        Row number since that start, ``NO_SEQ`` where the protocol has none.
    t : int64[n]
        Time of the measurement, ns UTC.
    x : float64[n, k]
        Values in the channel's unit; NaN where missing (then BAD).
    q : uint8[n, k]
        Quality codes of :mod:`core.quality`.
    """

    layout: LayoutSpec
    stream: NDArray[np.int32]
    sid: NDArray[np.int64]
    seq: NDArray[np.int64]
    t: NDArray[np.int64]
    x: NDArray[np.float64]
    q: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.t)

    @property
    def values(self) -> int:
        """Number of single values (rows times channels)."""
        return int(self.x.size)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Batch:
        """Return the chosen rows."""
        return Batch(
            self.layout, self.stream[rows], self.sid[rows], self.seq[rows], self.t[rows], self.x[rows], self.q[rows]
        )

    def by_stream(self) -> Iterator[tuple[int, Batch]]:
        """Yield (stream index, its rows in order)."""
        if not len(self):
            return
        first = int(self.stream[0])
        if bool((self.stream == first).all()):
            yield first, self
            return
        order = np.argsort(self.stream, kind="stable")
        cuts = np.flatnonzero(np.diff(self.stream[order])) + 1
        for rows in np.split(order, cuts):
            yield int(self.stream[rows[0]]), self.take(rows)

    def pack(self) -> bytes:
        """Return the rows as bytes (little-endian columns behind a small header)."""
        name = self.layout.name.encode()
        n, k = self.x.shape
        columns = (self.stream, self.sid, self.seq, self.t, self.x, self.q)
        return b"".join(
            [_HEAD.pack(len(name), n, k), name, *(np.ascontiguousarray(c).tobytes() for c in columns)],
        )


def unpack(data: bytes | memoryview, layout_of: Callable[[str], LayoutSpec]) -> Batch:
    """Return the rows of :meth:`Batch.pack`; ``layout_of`` finds a layout by name.

    Raises
    ------
    ValueError
        If the bytes are cut short or the channel count differs from the layout's.
    KeyError
        If ``layout_of`` does not know the layout.
    """
    if len(data) < _HEAD.size:
        raise ValueError(f"{len(data)} bytes are too few for packed rows")
    size, n, k = _HEAD.unpack_from(data)
    at = _HEAD.size + size
    if len(data) != at + n * (_ROW + k * _VALUE):
        raise ValueError(f"{len(data)} bytes do not hold {n} rows of {k} channels")
    layout = layout_of(bytes(data[_HEAD.size : at]).decode())
    if len(layout.channels) != k:
        raise ValueError(f"layout {layout.name} has {len(layout.channels)} channels, the rows have {k}")

    def column(kind: str, count: int) -> NDArray[np.generic]:
        nonlocal at
        out = np.frombuffer(data, dtype=kind, count=count, offset=at)
        at += out.nbytes
        return out

    return Batch(
        layout,
        column("<i4", n).astype(np.int32, copy=False),
        column("<i8", n).astype(np.int64, copy=False),
        column("<i8", n).astype(np.int64, copy=False),
        column("<i8", n).astype(np.int64, copy=False),
        column("<f8", n * k).astype(np.float64, copy=False).reshape(n, k),
        column("u1", n * k).astype(np.uint8, copy=False).reshape(n, k),
    )


def concat(batches: Sequence[Batch]) -> Batch:
    """Return one batch of several of the same layout, in the order given."""
    if len(batches) == 1:
        return batches[0]
    layout = batches[0].layout
    if any(b.layout.name != layout.name for b in batches):
        raise ValueError("batches of different layouts cannot be joined")
    return Batch(
        layout,
        np.concatenate([b.stream for b in batches]),
        np.concatenate([b.sid for b in batches]),
        np.concatenate([b.seq for b in batches]),
        np.concatenate([b.t for b in batches]),
        np.concatenate([b.x for b in batches]),
        np.concatenate([b.q for b in batches]),
    )


def merge(batches: Sequence[Batch]) -> list[Batch]:
    """Return batches joined by layout, each layout's rows in the order given."""
    groups: dict[str, list[Batch]] = {}
    for batch in batches:
        if len(batch):
            groups.setdefault(batch.layout.name, []).append(batch)
    return [concat(group) for group in groups.values()]
