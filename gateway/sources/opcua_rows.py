"""From single values back to rows: one row is the values of one stream with one source timestamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.batch import NO_SEQ, Batch
from core.catalog import StreamEntry
from core.clock import NS
from core.quality import BAD_COMM, GOOD, from_opcua
from wire.opcua.packing import Item, Notices
from wire.opcua.slots import block_times

HOLD_NS = NS
_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows of a stream that nobody can give any more: after one time and before another, ns UTC."""

    stream: str
    device: str
    after: int
    before: int


@dataclass(slots=True)
class Taken:
    """Complete rows by the server time of their writing, gaps before them, and what could not be read."""

    rows: list[tuple[int, Batch]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    rejects: list[tuple[str, str, bytes]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class _Values:
    """Values that wait for the rest of their row; columns of equal length."""

    slot: NDArray[np.int64]
    col: NDArray[np.int64]
    t: NDArray[np.int64]
    x: NDArray[np.float64]
    status: NDArray[np.uint32]
    sent: NDArray[np.int64]
    since: NDArray[np.int64]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> _Values:
        return _Values(
            self.slot[rows], self.col[rows], self.t[rows], self.x[rows], self.status[rows], self.sent[rows],
            self.since[rows],
        )  # fmt: skip


_NONE = np.empty(0, np.int64)
_EMPTY = _Values(_NONE, _NONE, _NONE, np.empty(0), np.empty(0, np.uint32), _NONE, _NONE)


class RowBuilder:
    """Assembles rows of many streams, each in order of time and each time once.

    A row is complete when all channels arrived; after 1 s it goes as it is, missing channels BAD_COMM, and
    younger rows of the stream wait for it that long.
    """

    def __init__(self) -> None:
        self.slots: list[StreamEntry] = []
        self.last = np.zeros(0, np.int64)  # time of the last row of each stream, 0 unknown
        self.unproven: set[int] = set()  # streams that may have missed rows since ``last``
        self._k = np.zeros(0, np.int64)
        self._period = np.zeros(0, np.int64)
        self._slot_of = np.zeros(0, np.int64)
        self._col_of = np.zeros(0, np.int64)
        self._slow = np.zeros(0, np.bool_)
        self._base: list[int] = []
        self._wait = _EMPTY
        self._blocks: dict[int, dict[int, _Block]] = {}
        self._next_seq: dict[int, tuple[int, int]] = {}

    def add(self, entry: StreamEntry, last: int) -> int:
        """Add a stream whose last known row is at ``last`` (0: none); returns the handle of its first node."""
        slot, base = len(self.slots), len(self._slot_of)
        k = len(entry.spec.layout.channels)
        nodes = k + 2 * entry.spec.fast
        self.slots.append(entry)
        self._base.append(base)
        self.last = np.append(self.last, last)
        self._k = np.append(self._k, k)
        self._period = np.append(self._period, entry.spec.period_ns)
        self._slow = np.append(self._slow, not entry.spec.fast)
        self._slot_of = np.append(self._slot_of, np.full(nodes, slot))
        self._col_of = np.append(self._col_of, np.arange(nodes))
        if last:
            self.unproven.add(slot)
        return base

    def base(self, slot: int) -> int:
        """Return the handle of a stream's first node."""
        return self._base[slot]

    @property
    def waiting(self) -> bool:
        """Tell whether incomplete rows wait."""
        return len(self._wait.slot) > 0 or any(self._blocks.values())

    def holes(self, notices: Notices) -> list[int]:
        """Return the streams of which these values skip more than a period and a half."""
        own = notices.handle < len(self._slot_of)
        slot, t = self._slot_of[notices.handle[own]], notices.t[own]
        first = np.full(len(self.slots), _FAR)
        news = t > self.last[slot]
        np.minimum.at(first, slot[news], t[news])
        numbered = dict(self._next_seq)
        for item in notices.items:
            at = int(self._slot_of[item.handle]) if item.handle < len(self._slot_of) else -1
            if at >= 0 and item.t > self.last[at] and not self._follows(at, item, numbered):
                first[at] = min(first[at], item.t)
        late = (first < _FAR) & (self.last > 0) & (self._period > 0)
        return np.flatnonzero(late & ((first - self.last) * 2 > 3 * self._period)).tolist()

    def cover(self, notices: Notices) -> None:
        """Learn from history which streams missed nothing: those whose last row it still holds."""
        handles, times = notices.handle, notices.t
        if notices.items:
            handles = np.append(handles, [item.handle for item in notices.items])
            times = np.append(times, [item.t for item in notices.items])
        first = np.full(len(self.slots), _FAR)
        np.minimum.at(first, self._slot_of[handles], times)
        self.unproven -= set(np.flatnonzero(first <= self.last).tolist())

    def take(self, notices: Notices, now: int) -> Taken:
        """Add values; return the rows that are ready. ``now`` is monotonic, ns."""
        taken = Taken()
        self._take_scalars(notices, now, taken)
        for item in notices.items:
            self._take_item(item, now, taken)
        for slot in [s for s, blocks in self._blocks.items() if blocks]:
            self._release_blocks(slot, now, taken)
        return taken

    def _take_scalars(self, notices: Notices, now: int, taken: Taken) -> None:
        values = self._fresh(notices, now)
        if not len(values.slot):
            return
        values = _latest(values)
        starts = _starts(values.slot, values.t)
        group = np.cumsum(starts) - 1
        heads = np.flatnonzero(starts)
        slot = values.slot[heads]
        counts = np.diff(np.append(heads, len(group)))
        oldest = np.minimum.reduceat(values.since, heads)
        ready = (counts == self._k[slot]) | (oldest <= now - HOLD_NS)
        ready &= ~_blocked(slot, ready)
        out = ready[group]
        self._wait = values.take(~out)
        if out.any():
            self._emit(values.take(out), taken)

    def _fresh(self, notices: Notices, now: int) -> _Values:
        """Return what waits and what is new, of slow streams, later than their last row."""
        own = notices.handle < len(self._slot_of)
        handle, t = notices.handle[own], notices.t[own]
        slot, col = self._slot_of[handle], self._col_of[handle]
        new = (t > self.last[slot]) & (col < self._k[slot]) & self._slow[slot]
        w = self._wait
        return _Values(
            np.concatenate([w.slot, slot[new]]),
            np.concatenate([w.col, col[new]]),
            np.concatenate([w.t, t[new]]),
            np.concatenate([w.x, notices.x[own][new]]),
            np.concatenate([w.status, notices.status[own][new]]),
            np.concatenate([w.sent, notices.sent[own][new]]),
            np.concatenate([w.since, np.full(int(new.sum()), now)]),
        )

    def _emit(self, values: _Values, taken: Taken) -> None:
        starts = _starts(values.slot, values.t)
        row = np.cumsum(starts) - 1
        heads = np.flatnonzero(starts)
        slot, t = values.slot[heads], values.t[heads]
        self._judge_gaps(slot, t, taken)
        np.maximum.at(self.last, slot, t)
        sent = np.maximum.reduceat(values.sent, heads)
        quality = _quality(values.status)
        layouts = np.array([id(self.slots[s].spec.layout) for s in slot.tolist()])
        for layout in dict.fromkeys(layouts.tolist()):
            mine = layouts == layout
            place = np.cumsum(mine) - 1
            chosen = mine[row]
            spec = self.slots[int(slot[mine][0])].spec.layout
            n, k = int(mine.sum()), len(spec.channels)
            x, q = np.full((n, k), np.nan), np.full((n, k), BAD_COMM, np.uint8)
            at = place[row[chosen]], values.col[chosen]
            x[at], q[at] = values.x[chosen], quality[chosen]
            streams = np.array([self.slots[s].index for s in slot[mine].tolist()], np.int32)
            batch = Batch(spec, streams, np.zeros(n, np.int64), np.full(n, NO_SEQ), t[mine], x, q)
            taken.rows += _by_sent(batch, sent[mine])

    def _judge_gaps(self, slot: NDArray[np.int64], t: NDArray[np.int64], taken: Taken) -> None:
        """Report streams whose first rows after a break do not follow the last ones."""
        if not self.unproven:
            return
        for s in [s for s in dict.fromkeys(slot.tolist()) if s in self.unproven]:
            self.unproven.discard(s)
            first, after, period = int(t[slot == s][0]), int(self.last[s]), int(self._period[s])
            if after and (not period or (first - after) * 2 > 3 * period):
                entry = self.slots[s]
                taken.gaps.append(Gap(entry.path, entry.device, after, first))

    def _take_item(self, item: Item, now: int, taken: Taken) -> None:
        if item.handle >= len(self._slot_of):
            return
        slot, col = int(self._slot_of[item.handle]), int(self._col_of[item.handle])
        fits = isinstance(item.value, bytes if col == self._k[slot] + 1 else np.ndarray)
        if not self.slots[slot].spec.fast or not item.t or not fits:
            reason = "a value of another type than its channel's" if item.t else "a value without a time"
            taken.rejects.append((self.slots[slot].path, reason, b""))
            return
        block = self._blocks.setdefault(slot, {}).setdefault(item.t, _Block(now, item.sent))
        block.values[col] = item.value

    def _follows(self, slot: int, item: Item, numbered: dict[int, tuple[int, int]]) -> bool:
        """Tell whether a block carries on the numbering of the one before; other nodes of it say nothing."""
        if int(self._col_of[item.handle]) != self._k[slot]:
            return True
        block = item.value
        if not isinstance(block, np.ndarray):
            return False
        follows = len(block) > 2 and numbered.get(slot) == (int(block[0]), int(block[1]))
        if follows:
            numbered[slot] = (int(block[0]), int(block[1] + block[2]))
        return follows

    def _release_blocks(self, slot: int, now: int, taken: Taken) -> None:
        blocks, nodes = self._blocks[slot], int(self._k[slot]) + 2
        for t in sorted(blocks):
            block = blocks[t]
            if len(block.values) < nodes and block.since > now - HOLD_NS:
                return
            del blocks[t]
            entry = self.slots[slot]
            try:
                batch = _rows_of(entry, block.values)
            except (ValueError, KeyError, TypeError) as error:
                taken.rejects.append((entry.path, f"block: {error}", b""))
                continue
            self._note_seq(slot, np.asarray(block.values[int(self._k[slot])], np.int64))
            late = batch.t > self.last[slot]
            if late.any():
                batch = batch.take(late)
                self._judge_gaps(np.full(len(batch), slot), batch.t, taken)
                self.last[slot] = batch.t[-1]
                taken.rows.append((block.sent, batch))

    def _note_seq(self, slot: int, block: NDArray[np.int64]) -> None:
        if block[1] >= 0:
            self._next_seq[slot] = (int(block[0]), int(block[1] + block[2]))


@dataclass(slots=True)
class _Block:
    """Values of one block by node, and when the first of them came."""

    since: int
    sent: int
    values: dict[int, NDArray[np.float64] | NDArray[np.int64] | bytes] = field(default_factory=dict)


def _rows_of(entry: StreamEntry, values: dict[int, NDArray[np.float64] | NDArray[np.int64] | bytes]) -> Batch:
    layout = entry.spec.layout
    k = len(layout.channels)
    t = block_times(np.asarray(values[k], np.int64))
    n = len(t)
    x, q = np.full((n, k), np.nan), np.full((n, k), GOOD, np.uint8)
    quality = values.get(k + 1, b"")
    if len(quality):
        q = np.frombuffer(bytes(quality), np.uint8).reshape(n, k)
    for j in range(k):
        if j not in values:
            q = q.copy()
            q[:, j] = BAD_COMM
        elif len(values[j]) != n:
            raise ValueError(f"{layout.columns[j]} has {len(values[j])} values, the block {n} rows")
        else:
            x[:, j] = values[j]
    return Batch(layout, np.full(n, entry.index, np.int32), np.zeros(n, np.int64), np.full(n, NO_SEQ), t, x, q)


def _starts(slot: NDArray[np.int64], t: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where a new (slot, t) begins in columns sorted by both."""
    first = np.ones(len(slot), np.bool_)
    first[1:] = (slot[1:] != slot[:-1]) | (t[1:] != t[:-1])
    return first


def _latest(values: _Values) -> _Values:
    """Sort by stream, time and channel; of values for the same place keep the last that came."""
    values = values.take(np.lexsort((values.col, values.t, values.slot)))
    keep = np.ones(len(values.slot), np.bool_)
    keep[:-1] = _starts(values.slot, values.t)[1:] | (values.col[1:] != values.col[:-1])
    return values if keep.all() else values.take(keep)


def _blocked(slot: NDArray[np.int64], ready: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which rows have an older one of their stream that is not ready (rows sorted by stream, time)."""
    unready = np.cumsum(~ready)
    first = np.searchsorted(slot, slot)  # index of the stream's first row
    before: NDArray[np.int64] = unready[first] - ~ready[first]
    return np.asarray(unready - before > 0)


def _quality(status: NDArray[np.uint32]) -> NDArray[np.uint8]:
    codes, where = np.unique(status, return_inverse=True)
    return np.array([from_opcua(code) for code in codes.tolist()], np.uint8)[where]


def _by_sent(batch: Batch, sent: NDArray[np.int64]) -> Sequence[tuple[int, Batch]]:
    """Split rows by server time, so that their latency is exact; not where that would make crumbs of them."""
    times = np.unique(sent)
    if len(times) == 1:
        return [(int(times[0]), batch)]
    if len(times) > 8:
        return [(0, batch)]
    return [(int(s), batch.take(sent == s)) for s in times]
