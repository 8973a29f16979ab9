"""Every kind of analysis there is: add a file, then a line here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from analytics.detectors.drift import Drift, DriftConfig
from analytics.detectors.isolation import Isolation, IsolationConfig
from analytics.detectors.pca import Pca, PcaConfig
from analytics.detectors.zones import Zones, ZonesConfig
from analytics.feedback.maintenance import ConditionConfig, PeriodicConfig, PredictiveConfig, RunToFailureConfig
from analytics.prognosis.boosted import Boosted, BoostedConfig

AnyDetector = Drift | Isolation | Pca | Zones
DetectorConfig = Annotated[DriftConfig | IsolationConfig | PcaConfig | ZonesConfig, Field(discriminator="kind")]

AnyPrognoser = Boosted
PrognoserConfig = BoostedConfig

PolicyConfig = Annotated[
    RunToFailureConfig | PeriodicConfig | ConditionConfig | PredictiveConfig, Field(discriminator="kind")
]
