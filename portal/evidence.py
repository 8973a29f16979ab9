"""The plot behind a work order: what was measured until it was written, as an SVG that any page can show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal
from xml.sax.saxutils import escape

import numpy as np

from core.clock import NS
from core.finding import Finding, WorkOrder
from core.spec import ChannelSpec, DeviceSpec

Language = Literal["ko", "en"]
Scale = Callable[[float], float]
SPAN_NS = 24 * 3600 * NS
AFTER = 12  # the plot goes on for a twelfth of the span after the order
_W, _H, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 190, 56, 12, 30, 24
_KST = timezone(timedelta(hours=9))
_WORDS: dict[Language, dict[str, str]] = {
    "ko": {"order": "작업 지시", "new": "새것일 때", "none": "아직 저장된 값이 없습니다"},
    "en": {"order": "work order", "new": "when new", "none": "nothing stored yet"},
}
#: what a policy looks at that needs no finding
_READS = {"cold_chain": "product_temp", "charging": "charge", "leak_isolation": "inflow", "dust_day": "pm25"}
_UNITS = {"Cel": "°C", "1": "", "m3/h": "m³/h", "m/s2": "m/s²", "ug/m3": "µg/m³"}


@dataclass(frozen=True, slots=True)
class Exhibit:
    """What to show: a channel, and what it was when the machine was new (NaN: unknown)."""

    channel: ChannelSpec
    base: float


def exhibit(order: WorkOrder, device: DeviceSpec, findings: Sequence[Finding]) -> Exhibit | None:
    """Return what speaks for an order: the quantity of the last finding before it, what its policy reads, or the
    first health channel; None for a device that measures nothing."""
    channels = [c for s in sorted(device.streams, key=lambda s: s.fast) for c in s.layout.channels if c.states is None]
    before = [f for f in findings if f.device == order.device and f.t <= order.t and f.active]
    for finding in sorted(before, key=lambda f: -f.t):
        for name in finding.evidence:
            slot, _, what = name.rpartition(".")
            chosen = _nth(channels, slot) if what == "level" else None
            if chosen is not None:
                return Exhibit(chosen, finding.evidence.get(f"{slot}.base", float("nan")))
    named = [c for c in channels if c.name == _READS.get(order.policy)]
    said = [c for c in channels if c.quantity.replace("-", " ") in order.reason]
    health = [c for c in channels if c.group == "health"]
    first = next(iter([*named, *said, *health, *channels]), None)
    return Exhibit(first, float("nan")) if first else None


def plot(
    order: WorkOrder,
    shown: Exhibit,
    t: Sequence[int],
    values: Sequence[float | None],
    span: tuple[int, int],
    lang: Language,
) -> str:
    """Return the SVG; ``t`` and ``span`` in ns UTC."""
    words, (start, end) = _WORDS[lang], span
    label = shown.channel.label
    title = f"{(label.ko if lang == 'ko' else label.en) if label else shown.channel.name} "
    unit = _UNITS.get(shown.channel.unit, shown.channel.unit)
    title += f"[{unit}]" if unit else ""
    known = [v for v in values if v is not None]
    lines = [_text(_LEFT, 18, title, weight="600")]
    if not known:
        return _frame([*lines, _text(_W / 2, _H / 2, words["none"], "middle")], title)
    bottom, top = _range([*known, shown.base])

    def x(at: float) -> float:
        return _LEFT + (at - start) / max(end - start, 1) * (_W - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (top - value) / (top - bottom) * (_H - _TOP - _BOTTOM)

    for level in np.linspace(bottom, top, 4).tolist():
        lines.append(_line(_LEFT, y(level), _W - _RIGHT, y(level), "#d9dee5"))
        lines.append(_text(_LEFT - 6, y(level) + 4, f"{level:.3g}", "end", "#5b6673"))
    for share in (0.0, 0.5, 1.0):
        at = start + share * (end - start)
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[share]
        lines.append(_text(x(at), _H - 7, _clock(round(at)), anchor, "#5b6673"))
    if np.isfinite(shown.base):
        lines.append(_line(_LEFT, y(shown.base), _W - _RIGHT, y(shown.base), "#2e7d5b", "5 4"))
        lines.append(_text(_LEFT + 4, y(shown.base) - 4, words["new"], colour="#2e7d5b"))
    lines.append(f'<path fill="none" stroke="#1f5fbf" stroke-width="1.6" d="{_path(t, values, x, y)}"/>')
    lines.append(_line(x(order.t), _TOP, x(order.t), _H - _BOTTOM, "#b3261e"))
    lines.append(_text(x(order.t) - 4, _TOP + 11, words["order"], "end", "#b3261e"))
    return _frame(lines, title)


def _nth(channels: Sequence[ChannelSpec], slot: str) -> ChannelSpec | None:
    """Return the channel of a slot: the n-th of its quantity, health channels alone where a device has them."""
    name, _, nth = slot.partition("#")
    quantity = name.partition(".")[0]
    like = [c for c in channels if c.quantity == quantity]
    like = [c for c in like if c.group == "health"] or like
    place = int(nth or 1) - 1 if (nth or "1").isdigit() else 0
    return like[place] if 0 <= place < len(like) else None


def _range(values: Sequence[float]) -> tuple[float, float]:
    finite = [v for v in values if np.isfinite(v)]
    low, high = min(finite), max(finite)
    room = 0.08 * (high - low) or 0.05 * max(abs(high), 1.0)
    return low - room, high + room


def _path(t: Sequence[int], values: Sequence[float | None], x: Scale, y: Scale) -> str:
    """Return a path with gaps where values are missing."""
    out, pen = [], "M"
    for at, value in zip(t, values, strict=True):
        if value is None:
            pen = "M"
            continue
        out.append(f"{pen}{x(at):.1f} {y(value):.1f}")
        pen = "L"
    return " ".join(out)


def _clock(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS, UTC).astimezone(_KST).strftime("%m-%d %H:%M")


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = "#1c2530", weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dashes: str = "") -> str:
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{dash}/>'


def _frame(lines: Sequence[str], title: str) -> str:
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_W} {_H}" width="{_W}" height="{_H}" '
        f'font-family="system-ui, sans-serif" font-size="11">\n<title>{escape(title)}</title>\n'
        f'<rect width="{_W}" height="{_H}" rx="6" fill="#ffffff"/>\n{body}\n</svg>\n'
    )
