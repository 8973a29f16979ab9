"""Which variables matter: permutation importance on held-out assets, with an interval, in words.

A variable is shuffled among rows a model has not seen, everything derived from it with it; the fall of the score is
what the model loses without that variable (Breiman 2001). Variables that say the same thing share their weight:
shuffling one of two twins costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.spec import Name

Floats = NDArray[np.float64]
Language = Literal["en", "ko"]
#: variable -> order in which its rows are given
Orders = Mapping[str, NDArray[np.intp]]
WORTH = 5  # variables that a report recommends


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One held-out part and the model that has not seen it.

    Attributes
    ----------
    n
        Rows held out.
    score
        Rows' order of each variable -> score, higher is better. The mapping names the variable to shuffle and its
        order ``intp[n]``; empty: nothing is shuffled.
    """

    n: int
    score: Callable[[Orders], float]


@dataclass(frozen=True, slots=True)
class Importance:
    """What a variable is worth: mean fall of the score without it, and the 95 % interval of that mean."""

    variable: str
    label: Name
    unit: str
    fall: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Tell whether the interval lies above zero."""
        return self.low > 0.0


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """Variables in order of what they are worth.

    ``metric`` is the score's name, ``base`` its value with every variable, ``judged`` says on which rows. With
    ``error`` the score is minus an error, which the words then give with its sign turned.
    """

    metric: Name
    base: float
    judged: Name
    items: tuple[Importance, ...]
    error: bool = False

    @property
    def worth(self) -> tuple[Importance, ...]:
        """The (at most) five variables worth tracking."""
        return tuple(item for item in self.items if item.sure)[:WORTH]

    def text(self, language: Language = "en") -> str:
        """Return the report in words that need no statistics."""
        return _said(self, language)

    def as_json(self) -> dict[str, Any]:
        """Return the report JSON-ready."""
        return {
            "metric": self.metric.en,
            "base": round(self.base, 4),
            "error": self.error,
            "judged": self.judged.en,
            "worth_tracking": [item.variable for item in self.worth],
            "variables": [
                {
                    "variable": i.variable,
                    "name": {"ko": i.label.ko, "en": i.label.en},
                    "unit": i.unit,
                    "fall": round(i.fall, 5),
                    "low": round(i.low, 5),
                    "high": round(i.high, 5),
                }
                for i in self.items
            ],
            "text": {"ko": self.text("ko"), "en": self.text("en")},
        }


def rank(
    trials: Sequence[Trial],
    variables: Mapping[str, tuple[Name, str]],
    metric: Name,
    judged: Name,
    *,
    seed: int = 0,
    repeats: int = 5,
    error: bool = False,
) -> FeatureReport:
    """Return the report of ``variables`` (name -> label, unit) over held-out parts.

    The interval is Student's over the parts, each the mean of its ``repeats`` shuffles; over the shuffles where there
    is one part only.
    """
    rng = np.random.default_rng(seed)
    base = np.array([trial.score({}) for trial in trials])
    items = []
    for variable, (label, unit) in variables.items():
        falls = np.array(
            [
                [whole - trial.score({variable: rng.permutation(trial.n)}) for _ in range(repeats)]
                for trial, whole in zip(trials, base, strict=True)
            ]
        )
        of = falls.mean(axis=1) if len(trials) > 1 else falls[0]
        half = _half_width(of)
        mean = float(of.mean())
        items.append(Importance(variable, label, unit, mean, mean - half, mean + half))
    return FeatureReport(metric, float(base.mean()), judged, tuple(sorted(items, key=lambda i: -i.fall)), error)


def grouped(x: Floats, columns: Mapping[str, NDArray[np.intp]], score: Callable[[Floats], float]) -> Trial:
    """Return a trial in which a variable is one or more columns of ``x``, shuffled together."""

    def shuffled(orders: Orders) -> float:
        out = x.copy() if orders else x
        for name, order in orders.items():
            out[:, columns[name]] = x[order][:, columns[name]]
        return score(out)

    return Trial(len(x), shuffled)


def _half_width(values: Floats) -> float:
    """Return half of the 95 % interval of the mean."""
    from scipy.stats import t

    if len(values) < 2:
        return float("inf")
    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


_WORDS = {
    "en": (
        "What is worth measuring ({judged}; {metric} {base:.3g} with everything):",
        " {place}. {name}{unit}: {metric} {base:.3g} -> {left:.3g} without it (95 % interval of the loss {low:.2g} to "
        "{high:.2g})",
        " no single variable proves its worth: they all say the same, or nothing here predicts",
        " next in line: {names}",
        " of no proven use here: {names}",
        " variables that say the same share their weight: a small loss may only mean that there is a twin",
    ),
    "ko": (
        "측정할 가치가 있는 변수 ({judged}; 모두 쓸 때 {metric} {base:.3g}):",
        " {place}. {name}{unit}: 이 변수가 없을 때 {metric} {base:.3g} -> {left:.3g} (손실의 95 % 구간 {low:.2g} ~ "
        "{high:.2g})",
        " 단독으로 가치가 입증된 변수가 없습니다: 서로 같은 정보를 담고 있거나 예측력이 없습니다",
        " 다음 순위: {names}",
        " 여기서는 쓸모가 입증되지 않은 변수: {names}",
        " 같은 정보를 담은 변수는 중요도를 나누어 가집니다: 손실이 작으면 대신할 변수가 있다는 뜻일 수 있습니다",
    ),
}


def _said(report: FeatureReport, language: Language) -> str:
    head, line, none, later, useless, twins = _WORDS[language]

    def name(of: Name) -> str:
        return of.ko if language == "ko" else of.en

    sign = -1.0 if report.error else 1.0
    metric, base = name(report.metric), sign * report.base
    out = [head.format(judged=name(report.judged), metric=metric, base=base)]
    for place, i in enumerate(report.worth, start=1):
        unit = "" if i.unit == "1" else f" ({i.unit.strip('[]')})"
        left = sign * (report.base - i.fall)
        out.append(
            line.format(
                place=place, name=name(i.label), unit=unit, metric=metric, base=base, left=left, low=i.low, high=i.high
            )
        )
    rest = [i for i in report.items if i not in report.worth]
    for text, items in ((later, [i for i in rest if i.sure]), (useless, [i for i in rest if not i.sure])):
        if items:
            out.append(text.format(names=", ".join(name(i.label) for i in items)))
    if not report.worth:
        out.append(none)
    return "\n".join([*out, twins])
