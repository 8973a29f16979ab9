"""Champion and challenger: a model trained anew must beat the one at work on windows that neither has seen.

Both answer the same windows of a later span (shadow scoring; nothing they say there is acted on). The challenger is
promoted if its Brier score is lower and the bootstrap interval of the difference, over assets, excludes zero.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics import registry
from analytics.config import AnalyticsConfig, GroupConfig
from analytics.history import History
from analytics.model import GroupModel
from analytics.replayed import Replayed, replay
from analytics.windows import Floats
from core.batch import Batch
from core.clock import NS
from core.command import Event
from core.errors import ModelError
from core.spec import LayoutSpec

CHALLENGER, DUEL, AUDIT, OLD = "challenger", "duel.json", "audit.jsonl", "replaced"
_DRAWS = 2_000


class SpanHistory:
    """The part of a history before ``end`` (ns UTC): what was known then."""

    def __init__(self, history: History, end: int) -> None:
        self.catalog = history.catalog
        self._history, self._end = history, end

    def rows(self, layout: LayoutSpec, channels: Sequence[str]) -> Batch | None:
        """Return the rows before the end."""
        rows = self._history.rows(layout, channels)
        if rows is None:
            return None
        kept = rows.take(rows.t < self._end)
        return kept if len(kept) else None

    def events(self) -> list[Event]:
        """Return the events before the end."""
        return [event for event in self._history.events() if event.t < self._end]


@dataclass(frozen=True, slots=True)
class Duel:
    """How two models did on the same windows.

    ``gain`` is champion less challenger in Brier score, with its 95 % interval over assets; ``of_mean`` the score of
    telling the mean.
    """

    windows: int
    assets: int
    failures: int
    since: int
    champion: float
    challenger: float
    of_mean: float
    gain: float
    low: float
    high: float

    @property
    def won(self) -> bool:
        """Whether the challenger is better beyond chance."""
        return self.gain > 0 and self.low > 0

    def text(self) -> str:
        """Return the outcome in words."""
        how = "beats" if self.won else "does not beat"
        return (
            f"the challenger {how} the champion: Brier score {self.challenger:.4f}, champion {self.champion:.4f} "
            f"(mean {self.of_mean:.4f}); gain {self.gain:.4f} [{self.low:.4f}, {self.high:.4f}] on "
            f"{self.windows:,} windows of {self.assets} assets, {self.failures} failures"
        )


def duel(
    history: History,
    config: AnalyticsConfig,
    group: GroupConfig,
    champion: GroupModel,
    challenger: GroupModel,
    since: int,
    seed: int = 0,
) -> Duel:
    """Return how both did on windows from ``since`` (ns UTC) on.

    Raises
    ------
    ModelError
        If a model has no prognosis, or no window there has a known end of both kinds.
    """
    told = [_chances(history, config, group, model) for model in (champion, challenger)]
    (key_a, p_a, y, replayed), (key_b, p_b, _, _) = told
    _, at_a, at_b = np.intersect1d(key_a, key_b, return_indices=True)
    t, device = replayed.samples.t[at_a], replayed.samples.device[at_a]
    seen = (t >= since) & np.isfinite(y[at_a])
    p_a, p_b, y, device = p_a[at_a][seen], p_b[at_b][seen], y[at_a][seen], device[seen]
    failing = np.unique(replayed.samples.life[at_a][seen][y > 0])
    if len(np.unique(y)) < 2 or len(np.unique(device)) < 2:
        raise ModelError("no window after the training has a known end: lengthen the history, or train on less of it")
    weight = replayed.samples.weight[at_a][seen]
    champion_error, challenger_error = (p_a - y) ** 2, (p_b - y) ** 2
    gain, low, high = _gain(champion_error - challenger_error, weight, device, seed)
    mean = float(np.average(y, weights=weight))
    return Duel(
        windows=len(y),
        assets=len(np.unique(device)),
        failures=len(failing),
        since=since,
        champion=float(np.average(champion_error, weights=weight)),
        challenger=float(np.average(challenger_error, weights=weight)),
        of_mean=float(np.average((mean - y) ** 2, weights=weight)),
        gain=gain,
        low=low,
        high=high,
    )


def offer(model: GroupModel, fought: Duel, place: Path) -> None:
    """Keep a challenger with its duel beside the champion in ``place``."""
    registry.save(model, place / CHALLENGER)
    (place / CHALLENGER / DUEL).write_text(json.dumps(asdict(fought), indent=1), encoding="utf-8")


def fought(place: Path) -> Duel:
    """Return the duel of the challenger in ``place``."""
    try:
        return Duel(**json.loads((place / CHALLENGER / DUEL).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ModelError(f"{place} has no challenger: testbed models retrain makes one") from error
    except (ValueError, TypeError) as error:
        raise ModelError(f"{place / CHALLENGER / DUEL} is no duel: {error}") from error


def promote(place: Path, who: str, t: int, force: bool = False) -> dict[str, Any]:
    """Put the challenger in the champion's place and return the audit line; the old one is kept in ``replaced``.

    Raises
    ------
    ModelError
        If there is no challenger, or it has not won and nobody insists.
    """
    outcome = fought(place)
    if not (outcome.won or force):
        raise ModelError(f"{place.name}: {outcome.text()}; --force promotes it all the same")
    challenger, old = place / CHALLENGER, place / OLD
    registry.load(challenger)  # what cannot be loaded must not replace what can
    shutil.rmtree(old, ignore_errors=True)
    old.mkdir()
    for name in ("model.skops", "card.json"):
        shutil.copy2(place / name, old / name)
        (challenger / name).replace(place / name)
    line = {"t": t, "who": who, "what": "promoted", "model": place.name, "forced": not outcome.won, **asdict(outcome)}
    with (place / AUDIT).open("a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
    shutil.rmtree(challenger)
    return line


def audit(place: Path) -> list[dict[str, Any]]:
    """Return the promotions of a model, oldest first."""
    path = place / AUDIT
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [dict(json.loads(line)) for line in lines if line.strip()]


def _chances(
    history: History, config: AnalyticsConfig, group: GroupConfig, model: GroupModel
) -> tuple[NDArray[np.int64], Floats, Floats, Replayed]:
    """Return (key of device and time, chance, whether it failed within the horizon or NaN, the windows)."""
    if model.prognoser is None:
        raise ModelError(f"{model.name} has no prognosis to compare")
    replayed = replay(history, config, group, model.kinds, model.slots)
    samples = replayed.samples
    x = model.features(samples.states, model.fleet.norm([replayed.plan.kinds[d] for d in samples.device]))
    horizon = model.prognoser.horizon_s
    y = np.where(samples.y <= horizon, 1.0, np.where(np.isfinite(samples.y) | (samples.known >= horizon), 0.0, np.nan))
    key = samples.t // NS * 100_000 + samples.device
    return key, model.prognoser.predict(x).p_failure, y, replayed


def _gain(difference: Floats, weight: Floats, device: NDArray[np.int64], seed: int) -> tuple[float, float, float]:
    """Return the weighted mean with its 95 % interval by resampling assets."""
    owners, owner = np.unique(device, return_inverse=True)
    sums, weights = np.bincount(owner, difference * weight), np.bincount(owner, weight)
    draws = np.random.default_rng(seed).integers(0, len(owners), (_DRAWS, len(owners)))
    means = sums[draws].sum(axis=1) / weights[draws].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(sums.sum() / weights.sum()), float(low), float(high)
