"""Every row of a drill accounted for: what the simulator made, what the store holds, what the gap reports name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.clock import FOREVER
from core.command import Event
from gateway.gaps import read_loss_text
from gateway.stores.duck import DuckStore
from testbed.drill.streams import WHOLE, Group, Watched
from testbed.export import open_store
from testbed.runfolder import RunFolder

_OPCUA_GAP = re.compile(r"stream=(?P<stream>\S+) after=(?P<after>\d+) before=(?P<before>\d+)")
Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


@dataclass(slots=True)
class Account:
    """Rows of a group of streams.

    ``lost``: made and not stored. ``reported``: rows that gap reports name. ``unreported``: lost, and in no report;
    ``overreported``: named in a report, and yet stored. ``gaps``: reports.
    """

    streams: int = 0
    emitted: int = 0
    stored: int = 0
    duplicated: int = 0
    lost: int = 0
    reported: int = 0
    unreported: int = 0
    overreported: int = 0
    gaps: int = 0
    wrong: list[str] = field(default_factory=list)

    def whole(self) -> bool:
        """Tell whether nothing is lost and nothing is there twice."""
        return not self.lost and not self.duplicated

    def exact(self) -> bool:
        """Tell whether the reports name what is lost, and nothing else."""
        return not self.unreported and not self.overreported and not self.duplicated


def account(run: RunFolder, emitted: Mapping[str, int], streams: Mapping[str, Watched]) -> dict[Group, Account]:
    """Return the accounts of a finished run by group. ``emitted``: rows made, by stream path (not of polled ones)."""
    _, store = open_store(run)
    try:
        rows, stored = _rows(store), store.counts()
        gaps = _gaps(store)
    finally:
        store.close()
    out: dict[Group, Account] = {}
    for path, stream in streams.items():
        mine = out.setdefault(stream.group, Account())
        if stream.fast:  # stored as features: rows are counted, not compared
            _add(mine, path, emitted.get(path, 0), stored.get(path, 0), 0, 0, 0)
            continue
        told = gaps.get(path, [])
        mine.gaps += len(told)
        _judge(mine, path, stream, rows.get(path), told, emitted.get(path, 0))
    return out


def failed(accounts: Mapping[Group, Account]) -> list[str]:
    """Return what speaks against a drill."""
    out = []
    for group, found in accounts.items():
        if group in WHOLE and found.lost:
            out.append(f"{found.lost} rows of {group} devices are lost")
        if group not in WHOLE and not found.exact():
            out.append(
                f"gap reports of {group} devices miss {found.unreported} rows and name {found.overreported} stored ones"
            )
        if found.duplicated:
            out.append(f"{found.duplicated} rows of {group} devices are stored twice")
    return out


def plain(accounts: Mapping[Group, Account]) -> dict[str, Any]:
    """Return accounts as JSON-ready values."""
    return {group: asdict(found) for group, found in accounts.items()}


def _judge(mine: Account, path: str, stream: Watched, rows: Rows | None, told: Iterable[str], emitted: int) -> None:
    """Add one stream to the account of its group."""
    none = np.zeros(0, dtype=np.int64)
    sid, seq, t = rows if rows is not None else (none, none, none)
    if stream.protocol == "opcua":  # a row is known by its time
        have = set(t.tolist())
        named = sum(1 for text in told if _OPCUA_GAP.search(text))
        lost = max(0, emitted - len(have))
        _add(mine, path, emitted, len(have), len(t) - len(have), named, max(0, lost - named))
        return
    have_rows = set(zip(sid.tolist(), seq.tolist(), strict=True))
    doubled = len(seq) - len(have_rows)
    reported = {(s, n) for text in told for s, n in _named(text)}
    starts = {s for s, _ in have_rows | reported}
    if stream.group == "polled":  # due: every slot between the first and the last one known
        due = {(s, n) for s in starts for n in _between([k for z, k in have_rows | reported if z == s])}
    else:
        one = next(iter(starts), 0)  # the simulator lives through a drill: one start
        due = {(one, n) for n in range(emitted)}
    missing = due - have_rows
    _add(mine, path, len(due), len(have_rows), doubled, len(reported), len(missing - reported), len(reported - missing))


def _add(
    mine: Account, path: str, emitted: int, stored: int, doubled: int, reported: int, unreported: int, over: int = 0
) -> None:
    mine.streams += 1
    mine.emitted += emitted
    mine.stored += stored
    mine.duplicated += doubled
    mine.lost += max(0, emitted - stored)
    mine.reported += reported
    mine.unreported += unreported
    mine.overreported += over
    if (doubled or unreported or over) and len(mine.wrong) < 10:
        mine.wrong.append(f"{path}: {emitted} due, {stored} stored, {unreported} unreported, {over} overreported")


def _between(numbers: list[int]) -> range:
    return range(min(numbers), max(numbers) + 1)


def _named(text: str) -> Iterable[tuple[int, int]]:
    loss = read_loss_text(text)
    if loss is not None:
        yield from ((loss.sid, n) for lo, hi in loss.spans for n in range(lo, hi + 1))


def _rows(store: DuckStore) -> dict[str, Rows]:
    """Return (sid, seq, t) of every stored row by stream path."""
    reader, out = store.reader(), {}
    paths = [entry.path for entry in store.catalog.streams]
    for layout in sorted(reader.sizes()):
        if layout not in store.catalog.layouts:
            continue  # features of a fast stream
        table = reader.rows(layout, 0, FOREVER).select(["stream", "sid", "seq", "t"])
        stream, *columns = (table.column(name).to_numpy() for name in ("stream", "sid", "seq", "t"))
        for index in np.unique(stream).tolist():
            at = stream == index
            sid, seq, t = (column[at].astype(np.int64) for column in columns)
            out[paths[index]] = (sid, seq, t)
    return out


def _gaps(store: DuckStore) -> dict[str, list[str]]:
    """Return the texts of gap reports by stream path; the same text twice counts once."""
    out: dict[str, Counter[str]] = {}
    for note in store.reader().notes(Event, 0, FOREVER):
        if not isinstance(note, Event) or note.name != "gap":
            continue
        other = _OPCUA_GAP.search(note.text)
        loss = None if other else read_loss_text(note.text)
        path = f"{note.device}/{other['stream']}" if other else loss.path if loss else note.device
        out.setdefault(path, Counter())[note.text] += 1
    return {path: list(texts) for path, texts in out.items()}
