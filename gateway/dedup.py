"""Which rows are new: by (stream, sid, seq), or by (stream, t) where rows carry no numbers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.batch import NO_SEQ, Batch, concat
from gateway.gaps import GapBook, Track
from gateway.seen import Ranges, Times

RECEIVED, DUPLICATE, REORDERED, REJECTED, LOST, REPAIRED = range(6)
#: ``reordered``: late by itself; ``repaired``: late because the gateway asked for it again
NAMES = ("received", "duplicated", "reordered", "rejected", "lost", "repaired")
STARTS_KEPT = 8


class Dedup:
    """Rows seen of every stream, in memory that does not grow with the number of rows.

    A device that counts from 0 again under the same start number is noticed by rows whose number is known but
    whose time is later than all before; it gets a start number of our own, the time of its first row, so that
    nothing is lost.
    """

    def __init__(self, gaps: GapBook) -> None:
        self.gaps = gaps
        self.counts: dict[int, list[int]] = {}
        self.restarts: list[int] = []
        self._tracks: dict[tuple[int, int], Track] = {}
        self._sids: dict[int, list[int]] = {}
        self._times: dict[int, Times] = {}
        self._alias: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def fresh(self, batch: Batch, now: int, opening: bool = True) -> Batch:
        """Return the rows that are new, in their order, and remember them.

        ``now`` is monotonic ns; ``opening`` False does not look for holes (when state is being restored).
        """
        if self._alias:
            batch = self._renamed(batch)
        keep: NDArray[np.bool_] | None = None
        for start, stop, numbered in _runs(batch):
            stream = int(batch.stream[start])
            counts = self.counts.get(stream)
            if counts is None:
                counts = self.counts[stream] = [0] * len(NAMES)
            if numbered:
                track = self._track(stream, int(batch.sid[start]))
                lo = int(batch.seq[start])
                t_last = int(batch.t[stop - 1])
                if track.seen.append(lo, lo + stop - start - 1):
                    counts[RECEIVED] += stop - start
                    if t_last > track.t_top:
                        track.t_top = t_last
                    continue
                if lo <= track.seen.top and int(batch.t[start]) > track.t_top and not track.seen.missing(lo, lo):
                    return self._restarted(batch, start, keep, now, opening)
                mask = self._numbered(track, batch, start, stop, counts, now, opening)
            else:
                mask = self._timed(stream, batch.t[start:stop], counts)
            if mask is not None:
                keep = np.ones(len(batch), dtype=np.bool_) if keep is None else keep
                keep[start:stop] = mask
        return batch if keep is None else batch.take(keep)

    def expect(self, stream: int, sid: int, last: int, now: int) -> None:
        """Note that a device says its last row had this number; opens a hole for what has not come."""
        track = self._track(stream, self._latest(stream, sid))
        if last > track.seen.top:
            self.gaps.open(track, track.seen.top + 1, last, now)

    def top_times(self) -> dict[int, int]:
        """Return the last time seen of the streams without numbers, ns."""
        return {stream: times.top for stream, times in self._times.items() if times.stop}

    def last_seen(self, stream: int) -> int:
        """Return how many rows have come of a stream, also again."""
        counts = self.counts.get(stream)
        return counts[RECEIVED] + counts[DUPLICATE] if counts else 0

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON-ready values."""
        return {
            "tracks": [
                [t.stream, t.sid, t.asked_sid, t.t_top, t.seen.spans(), t.lost.spans()] for t in self._tracks.values()
            ],
            "times": [[stream, times.floor, times.runs()] for stream, times in self._times.items()],
            "alias": [[*key, pairs] for key, pairs in self._alias.items()],
            "counts": [[stream, *counts] for stream, counts in self.counts.items()],
        }

    def load(self, state: dict[str, Any], now: int) -> None:
        """Take over the state of :meth:`dump`."""
        for stream, sid, asked_sid, t_top, seen, lost in state["tracks"]:
            track = Track(stream, sid, asked_sid, Ranges(seen), Ranges(lost), t_top)
            self._tracks[stream, sid] = track
            self._sids.setdefault(stream, []).append(sid)
        for stream, floor, runs in state["times"]:
            self._times[stream] = Times(runs=[tuple(run) for run in runs], floor=floor)
        self._alias = {(a, b): [tuple(pair) for pair in pairs] for a, b, pairs in state["alias"]}
        self.counts = {s: [*counts, *[0] * (len(NAMES) - len(counts))] for s, *counts in state["counts"]}

    def reopen(self, now: int) -> None:
        """Open every hole that is neither filled nor given up (after a restart)."""
        for track in self._tracks.values():
            alone = len(self._sids[track.stream]) == 1
            for lo, hi in track.seen.missing(0, track.seen.top):
                for a, b in track.lost.missing(lo, hi):
                    self.gaps.open(track, a, b, now, head=alone and lo == 0)

    def _track(self, stream: int, sid: int) -> Track:
        track = self._tracks.get((stream, sid))
        if track is None:
            track = self._tracks[stream, sid] = Track(stream, sid, sid)
            sids = self._sids.setdefault(stream, [])
            sids.append(sid)
            if len(sids) > STARTS_KEPT:
                del self._tracks[stream, sids.pop(0)]
        return track

    def _numbered(
        self, track: Track, batch: Batch, start: int, stop: int, counts: list[int], now: int, opening: bool
    ) -> NDArray[np.bool_] | None:
        lo, n = int(batch.seq[start]), stop - start
        seen, top = track.seen, track.seen.top
        new = seen.missing(lo, lo + n - 1)
        seen.add(lo, lo + n - 1)
        track.t_top = max(track.t_top, int(batch.t[stop - 1]))
        rows = sum(b - a + 1 for a, b in new)
        counts[RECEIVED] += rows
        counts[DUPLICATE] += n - rows
        late = [(a, min(b, top)) for a, b in new if a <= top]
        if late:
            unasked = sum(b - a + 1 for lo, hi in late for a, b in track.asked.missing(lo, hi))
            counts[REORDERED] += unasked
            counts[REPAIRED] += sum(b - a + 1 for a, b in late) - unasked
        if lo > top + 1 and opening:
            self.gaps.open(track, top + 1, lo - 1, now, head=top < 0 and len(self._sids[track.stream]) == 1)
        if rows == n:
            return None
        mask = np.zeros(n, dtype=np.bool_)
        for a, b in new:
            mask[a - lo : b - lo + 1] = True
        return mask

    def _timed(self, stream: int, t: NDArray[np.int64], counts: list[int]) -> NDArray[np.bool_] | None:
        times = self._times.get(stream)
        if times is None:
            times = self._times[stream] = Times()
        n = len(t)
        if n == 1:
            at = int(t[0])
            top = times.top
            new = times.add(at)
            counts[RECEIVED if new else DUPLICATE] += 1
            counts[REORDERED] += int(new and at < top)
            return None if new else np.zeros(1, dtype=np.bool_)
        steps = np.diff(t)
        step = int(steps[0])
        if step > 0 and bool((steps == step).all()) and times.append(int(t[0]), step, int(t[-1])):
            counts[RECEIVED] += n
            return None
        top = times.top
        mask = np.fromiter((times.add(at) for at in t.tolist()), dtype=np.bool_, count=n)
        rows = int(mask.sum())
        counts[RECEIVED] += rows
        counts[DUPLICATE] += n - rows
        counts[REORDERED] += int((mask & (t < top)).sum())
        return None if rows == n else mask

    def _restarted(self, batch: Batch, start: int, keep: NDArray[np.bool_] | None, now: int, opening: bool) -> Batch:
        """Give the rows of a device that counts anew a start number of our own, and look again."""
        stream, sid = int(batch.stream[start]), int(batch.sid[start])
        track = self._tracks[stream, sid]
        alias = int(batch.t[start])
        self._alias.setdefault((stream, track.asked_sid), []).append((alias, alias))
        self._track(stream, alias).asked_sid = track.asked_sid
        self.restarts.append(stream)
        mask = np.ones(len(batch), dtype=np.bool_) if keep is None else keep
        before = batch.take(np.flatnonzero(mask[:start]))
        after = self.fresh(batch.take(slice(start, None)), now, opening)
        return _joined(before, after)

    def _renamed(self, batch: Batch) -> Batch:
        sid = batch.sid.copy()
        for (stream, asked), pairs in self._alias.items():
            rows = (batch.stream == stream) & (batch.sid == asked)
            for t_from, alias in pairs:
                sid[rows & (batch.t >= t_from)] = alias
        return Batch(batch.layout, batch.stream, sid, batch.seq, batch.t, batch.x, batch.q)

    def _latest(self, stream: int, sid: int) -> int:
        pairs = self._alias.get((stream, sid))
        return pairs[-1][1] if pairs else sid


def _joined(a: Batch, b: Batch) -> Batch:
    return concat([a, b]) if len(a) else b


def _runs(batch: Batch) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, stop, numbered) of maximal runs: one stream and start, numbers going up by one.

    Rows with no number, or with no start number to make it unique, are identified by their time.
    """
    n = len(batch)
    if n == 1:
        yield 0, 1, bool(batch.seq[0] != NO_SEQ and batch.sid[0] != 0)
        return
    numbered = (batch.seq != NO_SEQ) & (batch.sid != 0)
    same = (batch.stream[1:] == batch.stream[:-1]) & (batch.sid[1:] == batch.sid[:-1])
    same &= numbered[1:] == numbered[:-1]
    same &= ~numbered[1:] | (np.diff(batch.seq) == 1)
    cuts = [0, *(np.flatnonzero(~same) + 1).tolist(), n]
    for start, stop in pairwise(cuts):
        yield start, stop, bool(numbered[start])
