"""Every kind of analysis there is: add a file, then a line here."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from analytics.detectors.cusum import Cusum, CusumConfig
from analytics.detectors.drift import Drift, DriftConfig
from analytics.detectors.ewma import Ewma, EwmaConfig
from analytics.detectors.fleet import Fleet, FleetConfig
from analytics.detectors.isolation import Isolation, IsolationConfig
from analytics.detectors.lof import Lof, LofConfig
from analytics.detectors.pca import Pca, PcaConfig
from analytics.detectors.zones import Zones, ZonesConfig
from analytics.feedback.charging import ChargingConfig
from analytics.feedback.cold_chain import ColdChainConfig
from analytics.feedback.derate import DerateConfig
from analytics.feedback.dust_day import DustDayConfig
from analytics.feedback.leak import LeakConfig
from analytics.feedback.maintenance import ConditionConfig, PeriodicConfig, PredictiveConfig, RunToFailureConfig
from analytics.prognosis.boosted import Boosted, BoostedConfig
from analytics.prognosis.survival import Survival, SurvivalConfig

AnyDetector = Cusum | Drift | Ewma | Fleet | Isolation | Lof | Pca | Zones
DetectorConfig = Annotated[
    CusumConfig | DriftConfig | EwmaConfig | FleetConfig | IsolationConfig | LofConfig | PcaConfig | ZonesConfig,
    Field(discriminator="kind"),
]


def _prognoser(value: Any) -> str:
    """Return the kind of a prognoser's settings; boosted trees where none is said."""
    return str(value.get("kind", "boosted") if isinstance(value, dict) else getattr(value, "kind", ""))


AnyPrognoser = Boosted | Survival
PrognoserConfig = Annotated[
    Annotated[BoostedConfig, Tag("boosted")] | Annotated[SurvivalConfig, Tag("survival")], Discriminator(_prognoser)
]

PolicyConfig = Annotated[
    RunToFailureConfig
    | PeriodicConfig
    | ConditionConfig
    | PredictiveConfig
    | DerateConfig
    | ColdChainConfig
    | ChargingConfig
    | LeakConfig
    | DustDayConfig,
    Field(discriminator="kind"),
]
