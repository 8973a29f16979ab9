"""How devices are: from findings, from the quality of their last values and from silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from core import quality
from core.clock import NS
from core.finding import Finding
from core.spec import DeviceSpec
from portal.values import Board

Health = Literal["ok", "warning", "alarm", "offline", "unknown"]
SILENT_PERIODS = 5
SILENT_NS = 10 * NS
_RANK: dict[Health, int] = {"ok": 0, "warning": 1, "alarm": 2}


def from_findings(active: Iterable[Finding]) -> dict[str, Health]:
    """Return the worst severity of the active findings by device; ``info`` does not count."""
    worst: dict[str, Health] = {}
    for finding in active:
        level: Health = finding.severity if finding.severity != "info" else "ok"
        if _RANK[level] > _RANK[worst.get(finding.device, "ok")]:
            worst[finding.device] = level
    return worst


def of_values(streams: Iterable[tuple[Board, int, int]], now: int | None, speed: float) -> Health:
    """Return what the last rows tell about a device.

    Parameters
    ----------
    streams
        (board, slot, period in ns) of each stream that has rows.
    now
        Run time in ns, None where silence cannot be judged.
    speed
        Simulated seconds a wall second; silence is judged in wall time too.
    """
    seen = silent = bad = 0
    for board, slot, period in streams:
        seen += 1
        allowed = max(SILENT_PERIODS * period, SILENT_NS * max(1.0, speed))
        if now is not None and period and now - int(board.t[slot]) > allowed:
            silent += 1
        bad += bool(np.any((board.q[slot] & quality.MAJOR) == quality.BAD))
    if not seen:
        return "unknown"
    if silent == seen:
        return "offline"
    return "warning" if silent or bad else "ok"


def judge(
    devices: Mapping[str, DeviceSpec],
    found: Mapping[str, Health],
    offline: set[str],
    observed: Mapping[str, Health],
) -> dict[str, Health]:
    """Return each device's health: a farewell first, then alarms, silence and warnings."""
    out: dict[str, Health] = {}
    for path in devices:
        told, seen = found.get(path, "ok"), observed.get(path, "unknown")
        if path in offline:
            out[path] = "offline"
        elif told == "alarm" or (told == "warning" and seen != "offline"):
            out[path] = told
        else:
            out[path] = seen
    return out
