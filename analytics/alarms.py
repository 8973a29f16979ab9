"""Alarms scored against what really happened. For evaluation alone: the only module here that is given truth.

An alarm is right if its machine fails by wear within a span after it; it is false if the machine is known to have
lived on. A failure is found if an alarm was raised before it, within that span. A failure counts as predictable if
the machine had been observed for a while before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.detectors.alarm import AlarmConfig, Alarms
from analytics.lives import Life
from core.clock import NS

Floats = NDArray[np.float64]
_H = 3600 * NS


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm: device, time (ns UTC), and running number of the life it was raised in."""

    device: str
    t: int
    life: int


def raised(
    lives: Sequence[Life], life: NDArray[np.int64], t: NDArray[np.int64], p: Floats, how: AlarmConfig, at: float
) -> list[Raised]:
    """Return the alarms that chances of failure ``p: float64[n]`` raise, life by life."""
    out: list[Raised] = []
    for number in np.unique(life).tolist():
        rows = np.flatnonzero(life == number)
        alarm = Alarms(how, 1)
        ordered = rows[np.argsort(t[rows], kind="stable")].tolist()
        up = [row for row in ordered if len(alarm.update(p[row : row + 1], at)[0])]
        out += [Raised(lives[number].device, int(t[row]), number) for row in up]
    return out


def score(
    alarms: Sequence[Raised],
    failures: Mapping[str, Sequence[int]],
    begun: Mapping[str, Sequence[int]],
    span: tuple[int, int],
    within: int,
    settle: int,
) -> dict[str, float]:
    """Return counts and rates of alarms.

    Parameters
    ----------
    alarms
        As raised.
    failures
        True failures by wear (ns UTC) of every watched device; devices without any are listed too.
    begun
        When each device was first seen or came back, ns UTC.
    span
        Begin and end of the observation.
    within
        ns after an alarm in which its failure must come.
    settle
        ns that a machine must have been observed before its failure, for it to count as predictable.
    """
    right = false = undecided = 0
    by_device: dict[str, list[int]] = {}
    for alarm in alarms:
        by_device.setdefault(alarm.device, []).append(alarm.t)
        coming = [f for f in failures[alarm.device] if alarm.t < f <= alarm.t + within]
        if coming:
            right += 1
        elif alarm.t + within > span[1]:
            undecided += 1
        else:
            false += 1
    leads, predictable, every, known = [], 0, 0, 0
    for device, times in failures.items():
        for failed in times:
            since = max((b for b in begun[device] if b <= failed), default=span[0])
            first = min(
                (a for a in by_device.get(device, ()) if max(since, failed - within) <= a < failed), default=None
            )
            every += 1
            known += first is not None
            if failed - since >= settle:
                predictable += 1
                if first is not None:
                    leads.append((failed - first) / _H)
    weeks = len(failures) * (span[1] - span[0]) / (7 * 24 * _H)
    return {
        "failures": every,
        "predictable": predictable,
        "found": len(leads),
        "alarms": len(alarms),
        "right": right,
        "false": false,
        "undecided": undecided,
        "recall": _share(len(leads), predictable),
        "recall_all": _share(known, every),
        "precision": _share(right, right + false),
        "lead_h": float(np.median(leads)) if leads else float("nan"),
        "lead_h_p10": float(np.quantile(leads, 0.1)) if leads else float("nan"),
        "false_per_week": false / weeks if weeks else float("nan"),
        "machine_weeks": weeks,
    }


def life_error(rul_s: Floats, lower_s: Floats, upper_s: Floats, true_s: Floats, cap_s: float) -> dict[str, float]:
    """Return the error of remaining life where it is below the cap, and the coverage of its interval.

    ``true_s`` is NaN where the end of the life is not known.
    """
    known = np.isfinite(true_s)
    near = known & (true_s <= cap_s)
    target = np.minimum(true_s[known], cap_s)
    inside = (target >= lower_s[known]) & (target <= upper_s[known])
    error = np.abs(rul_s[near] - true_s[near]) / 3600.0
    return {
        "rul_mae_h": float(error.mean()) if near.any() else float("nan"),
        "rul_rows": int(near.sum()),
        "coverage": float(inside.mean()) if known.any() else float("nan"),
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
