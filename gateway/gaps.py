"""Holes in the row numbers: ask the device for them, or report them as lost with their exact range."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from core.clock import MS, NS
from core.config import Config, Duration
from gateway.seen import Ranges, Span


class GapConfig(Config):
    """How long holes are waited for. Times are wall time.

    ``settle``: before the first ask (rows may be on their way out of order); ``late``: before the hole of a
    device that keeps no rows counts as lost; ``asks``: asks without success, while the device is heard,
    before a hole counts as lost; ``patience``: most time a hole of a silent device stays open. ``watch``: off where
    others have the rows that are missing here (members of a shared group).
    """

    settle: Duration = 250 * MS
    late: Duration = 5 * NS
    asks: int = 5
    patience: Duration = 600 * NS
    watch: bool = True


@dataclass(slots=True)
class Track:
    """Rows seen of one start of one stream. ``sid`` is stored, ``asked_sid`` is the device's own number.

    ``asked`` are the rows that this process asked the device for again.
    """

    stream: int
    sid: int
    asked_sid: int
    seen: Ranges = field(default_factory=Ranges)
    lost: Ranges = field(default_factory=Ranges)
    t_top: int = -(2**63)
    asked: Ranges = field(default_factory=Ranges)


@dataclass(slots=True)
class Gap:
    """A hole ``lo..hi``; ``head`` tells that it lies before the first contact with the device."""

    track: Track
    lo: int
    hi: int
    opened: int
    due: int
    head: bool = False
    asked: int = 0
    heard: int = -1

    def missing(self) -> list[Span]:
        """Return what has not come yet and is not lost: two holes may overlap, and their rows are lost once."""
        track = self.track
        return [span for lo, hi in track.seen.missing(self.lo, self.hi) for span in track.lost.missing(lo, hi)]


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to a device to send rows again."""

    stream: int
    sid: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Loss:
    """Rows of a stream that will not come; ``head``: from before the first contact."""

    stream: int
    sid: int
    spans: tuple[Span, ...]
    head: bool

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(hi - lo + 1 for lo, hi in self.spans)


_SPANS_TOLD = 1_000
_LOSS = re.compile(r"(?P<path>\S+) sid (?P<sid>\d+): (?P<rows>\d+) rows.* are lost: (?P<spans>[\d., ]+)$")


@dataclass(frozen=True, slots=True)
class ToldLoss:
    """What the text of a gap report names."""

    path: str
    sid: int
    rows: int
    spans: tuple[Span, ...]


def loss_text(path: str, loss: Loss) -> str:
    """Return the words for rows that are lost; :func:`read_loss_text` reads them."""
    spans = ", ".join(f"{lo}..{hi}" for lo, hi in loss.spans[:_SPANS_TOLD])
    when = " from before the first contact" if loss.head else ""
    return f"{path} sid {loss.sid}: {loss.rows} rows{when} are lost: {spans}"


def read_loss_text(text: str) -> ToldLoss | None:
    """Return what :func:`loss_text` wrote, None for any other text."""
    found = _LOSS.match(text)
    if found is None:
        return None
    ends = (span.split("..") for span in found["spans"].split(", "))
    spans = tuple((int(lo), int(hi)) for lo, hi in ends)
    return ToldLoss(found["path"], int(found["sid"]), int(found["rows"]), spans)


class GapBook:
    """Open holes and when to do what about them; ``now`` is monotonic ns everywhere.

    Parameters
    ----------
    config
        Patience.
    replays
        Tells whether the device of a stream keeps rows and answers ``replay``.
    heard
        Returns a number that grows with every row heard from the device of a stream.
    """

    def __init__(self, config: GapConfig, replays: Callable[[int], bool], heard: Callable[[int], int]) -> None:
        self.config = config
        self.hasty = False
        self._replays = replays
        self._heard = heard
        self._gaps: list[Gap] = []

    def __len__(self) -> int:
        return len(self._gaps)

    def open(self, track: Track, lo: int, hi: int, now: int, head: bool = False) -> None:
        """Note a hole."""
        if not self.config.watch:
            return
        wait = self.config.settle if self._replays(track.stream) else self.config.late
        self._gaps.append(Gap(track, lo, hi, now, now + wait, head))

    def due(self, now: int) -> tuple[list[Ask], list[Loss]]:
        """Return what to ask for and what is lost; filled holes are forgotten."""
        asks: list[Ask] = []
        losses: list[Loss] = []
        keep: list[Gap] = []
        for gap in self._gaps:
            if gap.due > now and not self.hasty:
                keep.append(gap)
                continue
            missing = gap.missing()
            if not missing:
                continue
            if self._hopeless(gap, now):
                losses.append(self._lose(gap, missing))
                continue
            keep.append(gap)
            if gap.due <= now:
                for lo, hi in missing[:16]:
                    gap.track.asked.add(lo, hi)
                    asks.append(Ask(gap.track.stream, gap.track.asked_sid, lo, hi))
                gap.due = now + (NS << min(gap.asked, 4)) // (4 if self.hasty else 1)
                gap.asked += 1
                gap.heard = self._heard(gap.track.stream)
        self._gaps = keep
        return asks, losses

    def _hopeless(self, gap: Gap, now: int) -> bool:
        if not self._replays(gap.track.stream):
            return self.hasty or now - gap.opened >= self.config.late
        if gap.due > now or not gap.asked:
            return False
        enough = gap.asked >= self.config.asks
        return (enough and (self.hasty or self._heard(gap.track.stream) > gap.heard)) or (
            now - gap.opened > self.config.patience
        )

    @staticmethod
    def _lose(gap: Gap, missing: list[Span]) -> Loss:
        for lo, hi in missing:
            gap.track.lost.add(lo, hi)
        return Loss(gap.track.stream, gap.track.sid, tuple(missing), gap.head)
