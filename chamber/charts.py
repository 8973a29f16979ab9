"""Charts as inline SVG: they need no script, print sharply and survive being copied into a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from chamber.evidence import Panel
from chamber.texts import Language, pick, text
from chamber.verdict import KST
from core.clock import NS

Floats = NDArray[np.float64]
#: colours that colour-blind readers can tell apart (Okabe and Ito 2008), each with its own dash for grey print
INKS = (("#0072B2", ""), ("#D55E00", "6 2"), ("#009E73", "2 2"), ("#CC79A7", "8 2 2 2"), ("#E69F00", "4 4"))
_HOUR, _DAY = 3600 * NS, 24 * 3600 * NS
_KST_SHIFT = 9 * _HOUR


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawing area and the ranges it shows."""

    left: float
    top: float
    width: float
    height: float
    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, value: Floats | float) -> Floats:
        """Return horizontal positions."""
        return self.left + (np.asarray(value, dtype=np.float64) - self.x0) / (self.x1 - self.x0) * self.width

    def y(self, value: Floats | float) -> Floats:
        """Return vertical positions."""
        return self.top + (self.y1 - np.asarray(value, dtype=np.float64)) / (self.y1 - self.y0) * self.height


def lines(panel: Panel, language: Language) -> Markup:
    """Return reference and units over time."""
    top = _top([panel.reference, *panel.units.values()])
    step = int(panel.t[1] - panel.t[0]) if len(panel.t) > 1 else NS
    x0, x1 = (int(panel.t[0]), int(panel.t[-1]) + step) if len(panel.t) else (0, step)
    wide = panel.kind == "field"
    frame = Frame(52, 30, 640 if wide else 326, 180 if wide else 240, 0.0, float(x1 - x0), 0.0, top)
    at = np.asarray(panel.t - x0, dtype=np.float64) + step / 2
    parts = [
        _grid_y(frame),
        _grid_time(frame, x0, x1, 15 if wide else 7),
        _axis_title(frame, text("axis_pm", language)),
    ]
    for (colour, dash), values in zip(_inks(len(panel.units)), panel.units.values(), strict=True):
        parts.append(_path(frame, at, values, colour, dash, 1.1))
    parts.append(_path(frame, at, panel.reference, "#111", "", 1.6))
    names = [text("legend_reference", language), *(unit.rpartition("/")[2] for unit in panel.units)]
    parts.append(_legend(frame, names, [("#111", ""), *_inks(len(panel.units))]))
    return _svg(710 if wide else 396, 240 if wide else 312, pick(panel.title, language), parts)


def scatter(panel: Panel, mean: Floats, percent: float, language: Language) -> Markup:
    """Return the mean of the units against the reference, with the line of equality and a band around it."""
    use = np.isfinite(panel.reference) & np.isfinite(mean)
    r, m = panel.reference[use], mean[use]
    top = _top([r, m])
    frame = Frame(52, 30, 240, 240, 0.0, top, 0.0, top)
    low, high = top * (1 - percent / 100), top / (1 + percent / 100)
    band = f"{_at(frame, 0, 0)} {_at(frame, top, low)} {_at(frame, top, top)} {_at(frame, high, top)}"
    parts = [Markup('<polygon points="{}" fill="#0072B2" fill-opacity=".09"/>').format(band), _grid_y(frame)]
    parts += [_grid_x(frame), _axis_title(frame, text("axis_units", language))]
    parts.append(_stroke(_at(frame, 0, 0), _at(frame, top, top), "#111", "4 3"))
    dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(frame.x(r), frame.y(m), strict=True))
    parts.append(
        Markup('<path d="{}" stroke="#0072B2" stroke-width="3.4" stroke-linecap="round" opacity=".55"/>').format(dots)
    )
    label = f"1:1, {text('legend_band', language, percent=f'{percent:g}')}"
    parts.append(Markup('<text x="60" y="22" class="legend">{}</text>').format(label))
    parts.append(
        Markup('<text x="172" y="304" text-anchor="middle">{}</text>').format(text("axis_reference", language))
    )
    return _svg(310, 312, text("panel_scatter", language), parts)


def _inks(n: int) -> list[tuple[str, str]]:
    return [INKS[i % len(INKS)] for i in range(n)]


def _top(series: Sequence[Floats]) -> float:
    """Return a round upper end for the values of all series."""
    values = np.concatenate([s[np.isfinite(s)] for s in series]) if series else np.empty(0)
    return _nice(float(values.max()) * 1.02) if values.size and values.max() > 0 else 1.0


def _nice(value: float) -> float:
    tick = _tick(value)
    return float(np.ceil(value / tick) * tick)


def _tick(span: float) -> float:
    """Return a round spacing that gives four to eight ticks."""
    raw = span / 5
    power = 10.0 ** np.floor(np.log10(raw))
    return float(next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= raw))


def _at(frame: Frame, x: float, y: float) -> str:
    return f"{float(frame.x(x)):.1f},{float(frame.y(y)):.1f}"


def _stroke(start: str, end: str, colour: str, dash: str = "") -> Markup:
    (x1, y1), (x2, y2) = start.split(","), end.split(",")
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="{}" stroke-dasharray="{}"/>').format(
        x1, y1, x2, y2, colour, dash
    )


def _path(frame: Frame, at: Floats, values: Floats, colour: str, dash: str, width: float) -> Markup:
    """Return a line that is broken where values are missing; a lone value is a dot."""
    pieces: list[str] = []
    pen = False
    for x, y, ok in zip(frame.x(at), frame.y(np.nan_to_num(values)), np.isfinite(values), strict=True):
        if ok:
            pieces.append(f"{'L' if pen else 'M'}{x:.1f} {y:.1f}{'' if pen else 'h0'}")
        pen = bool(ok)
    return Markup(
        '<path d="{}" fill="none" stroke="{}" stroke-width="{}" stroke-dasharray="{}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    ).format("".join(pieces), colour, width, dash)


def _grid_y(frame: Frame) -> Markup:
    out = [Markup("")]
    for value in np.arange(0, frame.y1 * 1.001, _tick(frame.y1)):
        out.append(_stroke(_at(frame, frame.x0, value), _at(frame, frame.x1, value), "#ddd"))
        x, y = frame.left - 6, float(frame.y(value)) + 3.5
        out.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(x, f"{y:.1f}", f"{value:g}"))
    return Markup("").join(out)


def _grid_x(frame: Frame) -> Markup:
    out = [Markup("")]
    for value in np.arange(0, frame.x1 * 1.001, _tick(frame.x1)):
        out.append(_stroke(_at(frame, value, frame.y0), _at(frame, value, frame.y1), "#ddd"))
        out.append(_label_x(frame, value, f"{value:g}"))
    return Markup("").join(out)


def _grid_time(frame: Frame, x0: int, x1: int, most: int) -> Markup:
    """Return ticks at round Korean times: days for long spans, else parts of an hour."""
    span = x1 - x0
    every = next((e for e in (_HOUR // 4, _HOUR // 2, _HOUR, 6 * _HOUR, _DAY, 2 * _DAY) if span / e <= most), 7 * _DAY)
    first = -(-(x0 + _KST_SHIFT) // every) * every - _KST_SHIFT
    out = [Markup("")]
    for t in range(first, x1 + 1, every):
        moment = datetime.fromtimestamp(t // NS, UTC).astimezone(KST)
        shown = f"{moment:%m-%d}" if every >= _DAY else f"{moment:%H:%M}"
        out.append(_stroke(_at(frame, t - x0, frame.y0), _at(frame, t - x0, frame.y1), "#eee"))
        out.append(_label_x(frame, t - x0, shown))
    return Markup("").join(out)


def _label_x(frame: Frame, value: float, shown: str) -> Markup:
    x, y = float(frame.x(value)), frame.top + frame.height + 15
    return Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(f"{x:.1f}", y, shown)


def _axis_title(frame: Frame, title: str) -> Markup:
    middle = frame.top + frame.height / 2
    return Markup('<text x="12" y="{0}" transform="rotate(-90 12 {0})" text-anchor="middle">{1}</text>').format(
        middle, title
    )


def _legend(frame: Frame, names: Sequence[str], inks: Sequence[tuple[str, str]]) -> Markup:
    out, x = [Markup("")], frame.left + 8
    for name, (colour, dash) in zip(names, inks, strict=True):
        out.append(_stroke(f"{x:.0f},18", f"{x + 22:.0f},18", colour, dash))
        out.append(Markup('<text x="{}" y="22" class="legend">{}</text>').format(round(x + 27), name))
        x += 46 + 6.6 * len(name)
    return Markup("").join(out)


def _svg(width: int, height: int, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, escape(title), Markup("").join(parts)
    )
