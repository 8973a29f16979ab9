"""One group's trained models: norm, detectors, prognoser, and the card that says where they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.features import FeatureInfo, Norm, describe, evaluate
from analytics.filters import FilterConfig, States
from analytics.handover import Handover
from analytics.kinds import AnyDetector, AnyPrognoser
from analytics.replayed import Replayed
from analytics.signals import SignalsConfig
from analytics.slots import Slot
from analytics.windows import Floats
from core.clock import NS


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is normal, by kind: healthy spread of each slot float64[s], typical life in s."""

    spread: dict[str, Floats]
    typical_s: dict[str, float]
    spread_of_all: Floats
    typical_of_all: float

    def norm(self, kinds: list[str]) -> Norm:
        """Return the norm of n assets of the given kinds; the whole fleet's for a kind never seen."""
        spread = np.stack([self.spread.get(k, self.spread_of_all) for k in kinds])
        typical = np.array([self.typical_s.get(k, self.typical_of_all) for k in kinds])
        return Norm(spread, typical)


@dataclass(slots=True)
class GroupModel:
    """Trained models of one group.

    ``card`` is JSON-ready: data window, seed, features, metrics, rows, failures, versions.
    """

    name: str
    kinds: list[str]
    slots: list[Slot]
    quantities: tuple[str, ...]
    grid_ns: int
    filters: FilterConfig
    fleet: Fleet
    detectors: list[AnyDetector]
    prognoser: AnyPrognoser | None
    card: dict[str, Any] = field(default_factory=dict)
    signals: SignalsConfig | None = None

    @property
    def infos(self) -> list[FeatureInfo]:
        """What each column of the feature matrix is."""
        return describe(self.slots)

    def features(self, states: States, norm: Norm) -> Floats:
        """Return the feature matrix float64[n, f]."""
        return evaluate(states, norm, self.grid_ns / NS)

    def columns(self) -> list[NDArray[np.intp]]:
        """Return the feature columns of each detector."""
        infos = self.infos
        return [d.config.columns(infos) for d in self.detectors]


@dataclass(slots=True)
class TrainedModels:
    """Models by group, what could not be trained and why, and what the history hands over to go on from.

    ``replayed`` is there after training; ``handovers`` may be loaded instead.
    """

    models: dict[str, GroupModel] = field(default_factory=dict)
    refusals: list[str] = field(default_factory=list)
    replayed: dict[str, Replayed] = field(default_factory=dict)
    handovers: dict[str, Handover] = field(default_factory=dict)

    def handover(self, group: str) -> Handover | None:
        """Return what a group goes on from, None without a history."""
        if group in self.handovers:
            return self.handovers[group]
        return self.replayed[group].handover() if group in self.replayed else None

    def report(self) -> list[dict[str, Any]]:
        """Return the ``models`` entries of the run report."""
        keys = ("name", "asset_kind", "trained_rows", "failures", "metrics")
        return [{key: model.card.get(key) for key in keys} for model in self.models.values()]
