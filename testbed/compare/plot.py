"""A comparison as one picture: what each policy costs, and by how much the last differs from the others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from analytics.kpi import KPIS
from testbed.compare.show import POLICY_NAMES

Language = Literal["en", "ko"]
_HANGUL = ("Noto Sans CJK KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo", "Noto Sans KR")
_STACK = ("cost_maintenance", "cost_downtime", "cost_scrap", "cost_late", "cost_energy")
#: colours that colour-blind readers can tell apart (Okabe and Ito 2008)
_INKS = ("#0072B2", "#D55E00", "#E69F00", "#CC79A7", "#999999")
_SHOWN = ("cost_total", "cost_maintenance", "cost_downtime", "cost_scrap", "unplanned_h", "unplanned_wear_h",
          "wear_failures", "scrap", "late", "oee", "mtbf_h")  # fmt: skip
_WORDS: Mapping[str, tuple[str, str]] = {
    "cost": ("million KRW in {days} days", "{days}일 비용 (백만 원)"),
    "left": ("What each policy costs", "정책별 비용"),
    "right": ("{last} against the others", "{last}: 다른 정책과의 차이"),
    "percent": ("difference in %, paired by seed, 95 % interval", "차이 (%), 시드별 짝비교, 95 % 구간"),
    "versus": ("vs {q}", "{q} 대비"),
}


def draw(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write ``compare.<language>.png`` and ``.svg``; Korean only where a font has its letters."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    hangul = next((name for name in _HANGUL if name in known), None)
    out = []
    languages: list[Language] = ["en", "ko"] if hangul else ["en"]
    for language in languages:
        fonts = [hangul, "DejaVu Sans"] if hangul and language == "ko" else ["DejaVu Sans"]
        with matplotlib.rc_context({"font.family": fonts, "axes.unicode_minus": False, "svg.fonttype": "none"}):
            out += _page(report, folder, language)
    return out


def _page(report: Mapping[str, Any], folder: Path, language: Language) -> list[Path]:
    from matplotlib.figure import Figure

    page = Figure(figsize=(13, 5.6), layout="constrained")
    left, right = page.subplots(1, 2, width_ratios=[1, 1.25])
    _costs(left, report, language)
    _differences(right, report, language)
    out = [folder / f"compare.{language}.{ending}" for ending in ("png", "svg")]
    for path in out:
        page.savefig(path, dpi=110)
    return out


def _costs(axes: Any, report: Mapping[str, Any], language: Language) -> None:
    policies = report["policies"]
    names = [getattr(POLICY_NAMES[p], language) for p in policies]
    bottom = [0.0] * len(policies)
    labels = {k.key: getattr(k.name, language) for k in KPIS}
    for key, ink in zip(_STACK, _INKS, strict=True):
        mean = [report["figures"][key]["by_policy"][p]["mean"] / 1e6 for p in policies]
        axes.bar(names, mean, bottom=bottom, color=ink, label=labels[key], width=0.62)
        bottom = [b + m for b, m in zip(bottom, mean, strict=True)]
    total = [report["figures"]["cost_total"]["by_policy"][p] for p in policies]
    most = max(t["mean"] for t in total) / 1e6 * 1.35
    for i, told in enumerate(total):
        half = (told["high"] - told["low"]) / 2e6
        top = told["mean"] / 1e6
        if half == half:
            axes.errorbar(i, top, yerr=half, color="black", capsize=4, lw=1.2)
            top = min(top + half, most * 0.86)
        axes.annotate(
            f"{told['mean'] / 1e6:,.0f}",
            (i, top),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            weight="bold",
        )
    axes.set_ylim(0, most)
    axes.set_title(_word("left", language), loc="left", weight="bold")
    axes.set_ylabel(_word("cost", language, days=report["days"]))
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center")
    axes.spines[["top", "right"]].set_visible(False)


def _differences(axes: Any, report: Mapping[str, Any], language: Language) -> None:
    policies = report["policies"]
    last = policies[-1]
    shown = [k for key in _SHOWN for k in KPIS if k.key == key]
    for j, other in enumerate(policies[:-1]):
        at = [i + (j - (len(policies) - 2) / 2) * 0.22 for i in range(len(shown))]
        paired = [report["figures"][k.key]["paired"][f"{last} - {other}"] for k in shown]
        middle = [d["percent"] for d in paired]
        low, high = ([abs(d["percent"] - d[e]) for d in paired] for e in ("percent_low", "percent_high"))
        name = _word("versus", language, q=getattr(POLICY_NAMES[other], language))
        axes.errorbar(middle, at, xerr=[low, high], fmt="o", ms=5, capsize=3, color=_INKS[j], label=name)
    axes.axvline(0.0, color="black", lw=0.8)
    axes.set_xlim(-105.0, min(150.0, max(25.0, axes.get_xlim()[1])))
    axes.set_yticks(range(len(shown)), [getattr(k.name, language) for k in shown])
    axes.invert_yaxis()
    axes.set_title(_word("right", language, last=getattr(POLICY_NAMES[last], language)), loc="left", weight="bold")
    axes.set_xlabel(_word("percent", language))
    axes.grid(axis="x", alpha=0.3)
    if len(policies) > 1:
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)


def _word(key: str, language: Language, **fill: object) -> str:
    return _WORDS[key][language == "ko"].format(**fill)
