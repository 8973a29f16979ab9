"""What one run of a comparison is asked and what it answers: plain values that travel between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analytics.model import TrainedModels
from analytics.windows import Windows
from core.catalog import Catalog
from core.command import Event
from testbed.scenario import Scenario

PARTS = ("events", "rendering", "features", "scoring", "books")


@dataclass(frozen=True, slots=True)
class Plan:
    """A policy with what was learnt for it on other seeds.

    Attributes
    ----------
    policy
        One of ``testbed.compare.config.POLICIES``.
    every_s
        Interval by kind (periodic).
    limit, failure
        KRW a day of waiting above which to renew, and KRW of a failure as recorded, by kind (predictive).
    models
        Trained models (condition, predictive).
    """

    policy: str = "run_to_failure"
    every_s: Mapping[str, float] = field(default_factory=dict)
    limit: Mapping[str, float] = field(default_factory=dict)
    failure: Mapping[str, float] = field(default_factory=dict)
    models: TrainedModels | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One world under one policy. ``record`` asks for what could be observed: ``lives`` (events and losses), or
    ``windows`` besides, to learn from or to score alarms on."""

    scenario: Scenario
    seed: int
    days: int
    plan: Plan = Plan()
    record: Literal["", "lives", "windows"] = ""


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What could be observed of a run.

    Attributes
    ----------
    windows, events
        Windows by layout, and what devices told.
    since
        ns UTC from which each machine's first parts are in service, by the records.
    loss
        KRW a day that scrap cost, at the end of each shift, by machine.
    """

    catalog: Catalog
    windows: Mapping[str, Windows]
    events: list[Event]
    since: Mapping[str, int]
    loss: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What came of a run.

    Attributes
    ----------
    figures
        Value of every KPI of `analytics.kpi.KPIS`.
    ledger, spans
        Tables of `testbed.compare.ledger`: every cost, and every state that a machine was in.
    lives
        Sealed truth, for evaluation alone.
    orders
        Work orders by outcome of their command.
    profile
        ns of processor time by part, and ``sim_days``, ``steps`` (SimPy events).
    """

    policy: str
    seed: int
    figures: dict[str, float]
    ledger: pa.Table
    spans: pa.Table
    lives: pa.Table
    orders: dict[str, int]
    profile: dict[str, int]
    record: Record | None = None
