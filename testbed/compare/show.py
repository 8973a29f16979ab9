"""A comparison as tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from analytics.kpi import KPIS, Kpi
from core.spec import Name

POLICY_NAMES: Mapping[str, Name] = {
    "run_to_failure": Name("사후 정비", "Run to failure"),
    "periodic": Name("주기 정비", "Periodic"),
    "condition": Name("상태 기반", "Condition-based"),
    "predictive": Name("예지 정비", "Predictive"),
}
_UNITS = {"KRW": "million KRW", "kW.h": "MWh", "1": "", "%": "%", "h": "h"}
_SCALE = {"KRW": 1e-6, "kW.h": 1e-3}


def number(kpi: Kpi, value: float) -> str:
    """Return a value in the unit that people read it in."""
    if not math.isfinite(value):
        return "-"
    value *= _SCALE.get(kpi.unit, 1.0)
    digits = 2 if kpi.unit == "%" else 1 if abs(value) < 1000 else 0
    return f"{value:,.{digits}f}"


def unit(kpi: Kpi) -> str:
    """Return the unit that people read a figure in."""
    return _UNITS.get(kpi.unit, kpi.unit)


def percent(paired: Mapping[str, Any]) -> str:
    """Return a paired difference in percent with its interval."""
    if not math.isfinite(paired["percent"]):
        return "-"
    text = f"{paired['percent']:+.1f} %"
    if math.isfinite(paired["percent_low"]):
        text += f" [{paired['percent_low']:+.1f}, {paired['percent_high']:+.1f}]"
    return text


def rows(report: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for every figure: name, unit, policies, and the last policy against each other one."""
    policies: Sequence[str] = report["policies"]
    out = []
    for kpi in KPIS:
        told = report["figures"][kpi.key]
        cells = [f"{kpi.name.en} {kpi.name.ko}", unit(kpi)]
        cells += [number(kpi, told["by_policy"][p]["mean"]) for p in policies]
        cells += [percent(told["paired"][f"{policies[-1]} - {q}"]) for q in policies[:-1]]
        out.append(cells)
    return out


def heads(report: Mapping[str, Any]) -> list[str]:
    """Return the heads of :func:`rows`."""
    policies: Sequence[str] = report["policies"]
    last = POLICY_NAMES[policies[-1]].en
    return ["", "unit", *(POLICY_NAMES[p].en for p in policies), *(f"{last} vs {POLICY_NAMES[q].en}" for q in policies[:-1])]  # fmt: skip


def show(report: Mapping[str, Any], console: Console, with_profile: bool) -> None:
    """Print a comparison."""
    seeds = len(report["seeds"])
    title = f"{report['scenario']}: {seeds} seeds x {report['days']} days, means; differences paired, 95 % intervals"
    table = Table(title=title, box=None)
    for i, head in enumerate(heads(report)):
        table.add_column(head, justify="left" if i < 2 else "right")
    for cells in rows(report):
        table.add_row(*cells)
    console.print(table)
    for line in learnt_lines(report):
        console.print(line, highlight=False)
    for line in alarm_lines(report):
        console.print(line, highlight=False)
    if with_profile:
        console.print(_profile(report["profile"]))


def learnt_lines(report: Mapping[str, Any]) -> list[str]:
    """Return what was chosen before the comparison, in words."""
    learnt = report["learnt"]
    out = []
    if "intervals_used_days" in learnt:
        days = ", ".join(f"{k} {d:.0f} d" for k, d in sorted(learnt["intervals_used_days"].items()))
        sweep = ", ".join(f"x{f}: {krw / 1e6:,.0f}" for f, krw in learnt["sweep"].items())
        out.append(f"periodic intervals, tuned on other seeds: {days} (stretches tried, million KRW: {sweep})")
    if "limits" in learnt:
        krw = ", ".join(f"{k} {c['value']:,.0f}" for k, c in sorted(learnt["limits"].items()))
        out.append(f"predictive limits, KRW a day of waiting, tuned on other seeds: {krw}")
    return out


def alarm_lines(report: Mapping[str, Any]) -> list[str]:
    """Return how good the alarms were, in words."""
    out = []
    for group, a in report["alarms"].items():
        text = (
            f"alarms, {group}: {a['found']} of {a['predictable']} predictable failures found (recall {a['recall']:.2f}), "
            f"precision {a['precision']:.2f}, {a['false_per_week']:.3f} false a machine-week"
        )
        if "lead_h" in a:
            text += (
                f", lead time {a['lead_h']:.0f} h in the median ({a['lead_h_p10']:.0f} h in the worst tenth), "
                f"remaining life off by {a['rul_mae_h']:.0f} h, {a['confidence']:.0%} intervals cover {a['coverage']:.0%}"
            )
        out.append(text)
    return out


def _profile(profile: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title="ms of processor time a simulated day", box=None)
    keys = list(next(iter(profile.values())))
    for key in ("", *keys):
        table.add_column(key.replace("steps_a_day", "SimPy events a day"), justify="left" if not key else "right")
    for policy, told in profile.items():
        table.add_row(policy, *(f"{told[k]:,.0f}" if k == "steps_a_day" else f"{told[k]:.1f}" for k in keys))
    return table
