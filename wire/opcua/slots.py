"""Where rows go on the server: one slot a stream, one cell a node.

A quantum's scalars are encoded in one go (:func:`wire.opcua.packing.pack_scalars`) and put on their cells
without a coroutine a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from asyncua.server.address_space import AttributeValue
from numpy.typing import NDArray

from core.batch import NO_SEQ, Batch
from core.quality import GOOD
from core.spec import StreamSpec
from wire.opcua.history import BlockPool, BlockRing, RowRing, status_of
from wire.opcua.items import Items
from wire.opcua.packing import pack_array, pack_bytes, pack_scalars
from wire.opcua.sample import Sample

#: rows that a block may claim to have: it takes five numbers to ask for any memory
_MOST_ROWS = 1_000_000


class Cell:
    """The value of one node."""

    __slots__ = ("_value", "shown")

    def __init__(self, value: AttributeValue) -> None:
        self._value = value
        self.shown: int | None = -1

    def put(self, value: Any) -> None:
        """Set the value and offer it to every subscription."""
        cell = self._value
        cell.value = value
        for handle, notify in cell.datachange_callbacks.items():
            items = getattr(notify, "__self__", None)
            if isinstance(items, Items):
                items.offer(handle, value)

    def show(self, value: Sample) -> None:
        """Set a value that was there before, without telling anyone."""
        self._value.value = value

    def text(self, value: str, t: int, server: int) -> Sample:
        """Put a text and return it as a value."""
        sample = Sample(pack_bytes(value, t, server), t, 0, server)
        self.put(sample)
        return sample

    def code(self) -> int | None:
        """Return the value as the code of an enumeration, None where it has none."""
        value = self._value.value
        content = value.Value.Value if value is not None and value.Value is not None else None
        return int(content) if isinstance(content, (int, float)) else None

    def moment(self) -> datetime | None:
        """Return when the value was measured."""
        return self._value.value.SourceTimestamp if self._value.value is not None else None


class Slot:
    """A stream on the server."""

    def __init__(self, path: str, spec: StreamSpec, history_ns: int, pool: BlockPool) -> None:
        self.path = path
        self.spec = spec
        self.cells: list[Cell] = []
        self.integer = np.array([bool(c.states) and not spec.fast for c in spec.layout.channels])
        self.keeps = history_ns > 0
        self.ring: RowRing | BlockRing = (
            BlockRing(pool) if spec.fast else RowRing(spec, self.integer, history_ns if self.keeps else 0)
        )

    def restore(self) -> None:
        """Put the last known values on new nodes, so that a client sees them before the next row."""
        if not self.keeps:
            return
        for column, cell in enumerate(self.cells):
            values = self.ring.last(column)
            if values is not None:
                cell.show(Sample(*values))


def put(rows: Iterable[tuple[Sequence[Slot], Batch]], server: int, *, live: bool) -> int:
    """Write batches, each with the slot of every row; returns the number of scalars written.

    Rows of fast streams come one stream a batch. ``live`` False fills only the history, as while the server
    is down.
    """
    pending = _Pending(server)
    for slots, batch in rows:
        if slots[0].spec.fast:
            _put_block(slots[0], batch, server, live=live)
        else:
            pending.add(slots, batch)
    return pending.write(live=live)


class _Pending:
    """Scalars of one call, encoded together."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._cells: list[Cell] = []
        self._t: list[NDArray[np.int64]] = []
        self._x: list[NDArray[np.float64]] = []
        self._q: list[NDArray[np.uint8]] = []
        self._integer: list[NDArray[np.bool_]] = []

    def add(self, slots: Sequence[Slot], batch: Batch) -> None:
        n, k = batch.x.shape
        for slot, t, x, q in zip(slots, batch.t.tolist(), batch.x, batch.q, strict=True):
            if slot.keeps:
                assert isinstance(slot.ring, RowRing)
                slot.ring.add(t, x, q, self._server)
            self._cells += slot.cells
        self._t.append(np.repeat(batch.t, k))
        self._x.append(batch.x.ravel())
        self._q.append(batch.q.ravel())
        self._integer.append(np.tile(slots[0].integer, n))

    def write(self, *, live: bool) -> int:
        if not live or not self._cells:
            return 0
        t, q = np.concatenate(self._t), np.concatenate(self._q)
        status = status_of(q)
        stamp = np.full(len(t), self._server, dtype=np.int64)
        raws = pack_scalars(t, np.concatenate(self._x), status, np.concatenate(self._integer), stamp)
        server = self._server
        for cell, raw, when, code in zip(self._cells, raws, t.tolist(), status.tolist(), strict=True):
            cell.put(Sample(raw, when, code, server))
        return len(raws)


def _put_block(slot: Slot, batch: Batch, server: int, *, live: bool) -> None:
    """Write the rows of a fast stream as one array a channel, with what makes them rows again."""
    t0 = int(batch.t[0])
    statuses = [*status_of(_worst(batch.q)).tolist(), 0, 0]
    raws = [pack_array(np.ascontiguousarray(batch.x[:, j]), t0, statuses[j], server) for j in range(batch.x.shape[1])]
    raws.append(pack_array(describe_block(batch), t0, 0, server))
    quality = b"" if bool((batch.q == GOOD).all()) else batch.q.tobytes()
    raws.append(pack_bytes(quality, t0, server))
    if slot.keeps:
        assert isinstance(slot.ring, BlockRing)
        slot.ring.add(t0, raws)
    if live:
        for cell, raw, status in zip(slot.cells, raws, statuses, strict=True):
            cell.put(Sample(raw, t0, status, server))


def _worst(q: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return each column's worst code; the ranking of codes follows the major quality, GOOD highest."""
    return np.asarray(q.min(axis=0), dtype=np.uint8)


def describe_block(batch: Batch) -> NDArray[np.int64]:
    """Return ``[sid, seq, n, t0, dt]``, or ``[sid, seq, n, t...]`` where three or more times are not evenly spaced.

    ``seq`` is the first row's, ``NO_SEQ`` where rows are not numbered one after the other.
    """
    n, t = len(batch), batch.t
    numbered = int(batch.seq[0]) >= 0 and bool((np.diff(batch.seq) == 1).all())
    head = [int(batch.sid[0]), int(batch.seq[0]) if numbered else NO_SEQ, n]
    steps = np.diff(t)
    if n == 1 or bool((steps == steps[0]).all()):
        return np.array([*head, int(t[0]), int(steps[0]) if n > 1 else 0], dtype=np.int64)
    return np.concatenate([np.array(head, dtype=np.int64), t])


def block_times(block: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the times of :func:`describe_block`; raises ValueError on anything else."""
    if len(block) < 5 or block[2] < 1:
        raise ValueError("a block has at least five numbers")
    n = int(block[2])
    if n > _MOST_ROWS:
        raise ValueError(f"a block of {n} rows is too large")
    if len(block) == 5:
        return np.asarray(block[3] + block[4] * np.arange(n, dtype=np.int64))
    if len(block) == 3 + n:
        return block[3:]
    raise ValueError(f"a block of {n} rows does not have {len(block)} numbers")
