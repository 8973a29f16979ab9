"""A comparison as tables for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

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


def rows(report: Mapping[str, Any], language: Literal["en", "ko"] = "en") -> list[list[str]]:
    """Return a row for every figure: name with unit, and its mean under each policy."""
    policies: Sequence[str] = report["policies"]
    out = []
    for kpi in KPIS:
        told = report["figures"][kpi.key]["by_policy"]
        name = getattr(kpi.name, language) + (f", {unit(kpi)}" if unit(kpi) else "")
        out.append([name, *(number(kpi, told[p]["mean"]) for p in policies)])
    return out


def heads(report: Mapping[str, Any], language: Literal["en", "ko"] = "en") -> list[str]:
    """Return the heads of :func:`rows`."""
    return ["", *(getattr(POLICY_NAMES[p], language) for p in report["policies"])]


def differences(report: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for every figure: how the last policy differs from each other one."""
    *others, last = report["policies"]
    figures = report["figures"]
    return [[kpi.name.en, *(percent(figures[kpi.key]["paired"][f"{last} - {q}"]) for q in others)] for kpi in KPIS]


def difference_heads(report: Mapping[str, Any]) -> list[str]:
    """Return the heads of :func:`differences`."""
    *others, last = report["policies"]
    return [f"{POLICY_NAMES[last].en} against", *(POLICY_NAMES[q].en for q in others)]


def show(report: Mapping[str, Any], console: Console, with_profile: bool) -> None:
    """Print a comparison."""
    title = f"{report['scenario']}: {len(report['seeds'])} seeds x {report['days']} days, means"
    console.print(_table(title, heads(report), rows(report)))
    if len(report["policies"]) > 1:
        paired = "differences paired by seed, with 95 % intervals"
        console.print(_table(paired, difference_heads(report), differences(report)))
    for line in (*learnt_lines(report), *alarm_lines(report)):
        console.print(line, highlight=False)
    if with_profile:
        console.print(_profile(report["profile"]))


def _table(title: str, names: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, box=None)
    for i, name in enumerate(names):
        table.add_column(name, justify="right" if i else "left")
    for cells in lines:
        table.add_row(*cells)
    return table


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
            f"alarms, {group}: {a['found']} of {a['predictable']} predictable failures found "
            f"(recall {a['recall']:.2f}), precision {a['precision']:.2f}, "
            f"{a['false_per_week']:.3f} false a machine-week"
        )
        if "lead_h" in a:
            text += (
                f", lead time {a['lead_h']:.0f} h in the median ({a['lead_h_p10']:.0f} h in the worst tenth), "
                f"remaining life off by {a['rul_mae_h']:.0f} h, "
                f"{a['confidence']:.0%} intervals cover {a['coverage']:.0%}"
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
