"""Every kind of analysis there is: add a file, then a line here."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from analytics.detectors.drift import Drift, DriftConfig
from analytics.detectors.isolation import Isolation, IsolationConfig
from analytics.detectors.pca import Pca, PcaConfig
from analytics.detectors.zones import Zones, ZonesConfig
from analytics.feedback.maintenance import ConditionConfig, PeriodicConfig, PredictiveConfig, RunToFailureConfig
from analytics.prognosis.boosted import Boosted, BoostedConfig
from analytics.prognosis.survival import Survival, SurvivalConfig

AnyDetector = Drift | Isolation | Pca | Zones
DetectorConfig = Annotated[DriftConfig | IsolationConfig | PcaConfig | ZonesConfig, Field(discriminator="kind")]


def _prognoser(value: Any) -> str:
    """Return the kind of a prognoser's settings; boosted trees where none is said."""
    return str(value.get("kind", "boosted") if isinstance(value, dict) else getattr(value, "kind", ""))


AnyPrognoser = Boosted | Survival
PrognoserConfig = Annotated[
    Annotated[BoostedConfig, Tag("boosted")] | Annotated[SurvivalConfig, Tag("survival")], Discriminator(_prognoser)
]

PolicyConfig = Annotated[
    RunToFailureConfig | PeriodicConfig | ConditionConfig | PredictiveConfig, Field(discriminator="kind")
]
