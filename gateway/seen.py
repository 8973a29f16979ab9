"""What has been seen of a stream, in little memory: ranges of row numbers, runs of timestamps."""

from __future__ import annotations

from bisect import bisect_right

Span = tuple[int, int]


class Ranges:
    """A set of integers as sorted, disjoint, inclusive ranges; cheap where numbers arrive in order."""

    __slots__ = ("first", "last")

    def __init__(self, spans: list[Span] | None = None) -> None:
        self.first = [lo for lo, _ in spans or ()]
        self.last = [hi for _, hi in spans or ()]

    def spans(self) -> list[Span]:
        """Return the ranges in order."""
        return list(zip(self.first, self.last, strict=True))

    def __len__(self) -> int:
        return sum(self.last) - sum(self.first) + len(self.first)

    @property
    def top(self) -> int:
        """The greatest number, -1 in an empty set."""
        return self.last[-1] if self.last else -1

    def append(self, lo: int, hi: int) -> bool:
        """Take in ``lo..hi`` if it follows on the last range; False (and nothing done) otherwise."""
        if self.last and self.last[-1] + 1 == lo:
            self.last[-1] = hi
            return True
        return False

    def missing(self, lo: int, hi: int) -> list[Span]:
        """Return the parts of ``lo..hi`` that are not in the set."""
        out: list[Span] = []
        at = bisect_right(self.first, lo) - 1
        if at < 0 or self.last[at] < lo:
            at += 1
        while lo <= hi:
            if at == len(self.first) or self.first[at] > hi:
                out.append((lo, hi))
                break
            if self.first[at] > lo:
                out.append((lo, self.first[at] - 1))
            lo = self.last[at] + 1
            at += 1
        return out

    def add(self, lo: int, hi: int) -> None:
        """Take in ``lo..hi``, joining what touches."""
        if self.append(lo, hi):
            return
        a = bisect_right(self.first, lo) - 1
        if a < 0 or self.last[a] + 1 < lo:
            a += 1
        b = bisect_right(self.first, hi + 1)
        if a < b:
            lo, hi = min(lo, self.first[a]), max(hi, self.last[b - 1])
        self.first[a:b] = [lo]
        self.last[a:b] = [hi]


class Times:
    """A set of timestamps as arithmetic runs ``(start, step, stop)``: a steady stream is a single run.

    At most ``most`` runs are kept; when the oldest is forgotten, ``floor`` rises to its end, and everything
    at or below the floor counts as seen.
    """

    __slots__ = ("floor", "most", "start", "step", "stop")

    def __init__(self, most: int = 512, runs: list[tuple[int, int, int]] | None = None, floor: int = -(2**63)) -> None:
        self.most, self.floor = most, floor
        self.start = [run[0] for run in runs or ()]
        self.step = [run[1] for run in runs or ()]
        self.stop = [run[2] for run in runs or ()]

    def runs(self) -> list[tuple[int, int, int]]:
        """Return the runs in order; a run of one has step 0."""
        return list(zip(self.start, self.step, self.stop, strict=True))

    @property
    def top(self) -> int:
        """The greatest time, the floor in an empty set."""
        return self.stop[-1] if self.stop else self.floor

    def add(self, t: int) -> bool:
        """Take in a time; False if it has been seen."""
        if self.stop and t > self.stop[-1]:
            self._extend(t)
            return True
        if t <= self.floor:
            return False
        at = bisect_right(self.start, t) - 1
        if at >= 0 and t <= self.stop[at]:
            if t == self.stop[at] or self.step[at] == 0 or (t - self.start[at]) % self.step[at] == 0:
                return False
            self._split(at, t)
        else:
            self._insert(at + 1, (t, 0, t))
        return True

    def append(self, first: int, step: int, last: int) -> bool:
        """Take in a regular run of two or more if it begins after everything seen; False otherwise."""
        if first <= self.top:
            return False
        tail = len(self.stop) - 1
        if tail >= 0 and first - self.stop[tail] == step and self.step[tail] in (0, step):
            self.step[tail], self.stop[tail] = step, last
        else:
            self._insert(tail + 1, (first, step, last))
        return True

    def _extend(self, t: int) -> None:
        gap = t - self.stop[-1]
        if self.step[-1] == 0:
            self.step[-1], self.stop[-1] = gap, t
        elif self.step[-1] == gap:
            self.stop[-1] = t
        else:
            self._insert(len(self.stop), (t, 0, t))

    def _split(self, at: int, t: int) -> None:
        start, step, stop = self.start[at], self.step[at], self.stop[at]
        below = start + (t - start) // step * step
        above = below + step
        del self.start[at], self.step[at], self.stop[at]
        pieces = [(start, step if below > start else 0, below), (t, 0, t), (above, step if stop > above else 0, stop)]
        for offset, piece in enumerate(pieces):
            self._insert(at + offset, piece, bound=False)
        self._bound()

    def _insert(self, at: int, run: tuple[int, int, int], bound: bool = True) -> None:
        self.start.insert(at, run[0])
        self.step.insert(at, run[1])
        self.stop.insert(at, run[2])
        if bound:
            self._bound()

    def _bound(self) -> None:
        over = len(self.start) - self.most
        if over > 0:
            self.floor = max(self.floor, self.stop[over - 1])
            del self.start[:over], self.step[:over], self.stop[:over]
