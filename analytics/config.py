"""Settings of the analysis: grid, model groups, detectors, prognosis, policies."""

from __future__ import annotations

from pydantic import Field

from analytics.detectors.alarm import AlarmConfig
from analytics.detectors.drift import DriftConfig
from analytics.detectors.zones import ZonesConfig
from analytics.filters import FilterConfig
from analytics.kinds import DetectorConfig, PolicyConfig, PrognoserConfig
from analytics.monitor import MonitorConfig
from analytics.prognosis.boosted import BoostedConfig
from analytics.signals import SignalsConfig
from analytics.windows import GRID_NS
from core.clock import NS
from core.config import Config, Duration


class SamplingConfig(Config):
    """Which windows of the history a model learns from.

    Attributes
    ----------
    every
        One window in each such span.
    dense_every
        The same within one horizon before a failure.
    at_most
        Rows in all.
    """

    every: Duration = 20 * 60 * NS
    dense_every: Duration = 4 * 60 * NS
    at_most: int = Field(default=8_000, ge=100)


class GroupConfig(Config):
    """Assets that share one model.

    Attributes
    ----------
    name
        Name of the model.
    kinds
        Equipment kinds; empty: every kind that failed in the history and no other group names.
    quantities
        Quantities to look at; empty: the channels of the Monitoring group "health", or all measurements of a
        kind that has none.
    detectors, prognosis, sampling
        What to train and on which windows.
    signals
        Bearing, speed and bands for spectral features of waveforms; none: without them.
    physics
        Quantities to compute from others, e.g. ``shaft-power`` (see :mod:`analytics.physics`).
    """

    name: str = "machines"
    kinds: tuple[str, ...] = ()
    quantities: tuple[str, ...] = ()
    detectors: tuple[DetectorConfig, ...] = (DriftConfig(), ZonesConfig())
    prognosis: PrognoserConfig | None = BoostedConfig()
    signals: SignalsConfig | None = None
    physics: tuple[str, ...] = ()
    sampling: SamplingConfig = SamplingConfig()


class AnalyticsConfig(Config):
    """Settings of the analysis.

    Attributes
    ----------
    grid
        Width of a feature window.
    lateness, silence
        How long a window waits for late rows, and after what silence a stream no longer holds windows open.
    filters
        Memory of levels and baselines.
    alarm
        Hysteresis of findings.
    monitor
        When a model is to be trained anew.
    groups, policies
        Model groups and policies.
    """

    grid: Duration = GRID_NS
    lateness: Duration = 2 * NS
    silence: Duration = 60 * NS
    filters: FilterConfig = FilterConfig()
    alarm: AlarmConfig = AlarmConfig()
    monitor: MonitorConfig = MonitorConfig()
    groups: tuple[GroupConfig, ...] = (GroupConfig(),)
    policies: tuple[PolicyConfig, ...] = ()
