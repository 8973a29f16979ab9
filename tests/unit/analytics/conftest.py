"""A synthetic fleet with its history, trained once for all tests."""

import sys
from pathlib import Path

import pytest

from analytics.config import AnalyticsConfig, GroupConfig, SamplingConfig
from analytics.detectors.drift import DriftConfig
from analytics.detectors.pca import PcaConfig
from analytics.detectors.zones import ZonesConfig
from analytics.feedback.maintenance import PredictiveConfig
from analytics.filters import FilterConfig
from analytics.train import train_from_history

sys.path.insert(0, str(Path(__file__).parent))
from fleet import HOUR, Fleet

CONFIG = AnalyticsConfig(
    filters=FilterConfig(fast=10, slow=120, baseline=180, baseline_min=20),
    groups=(
        GroupConfig(
            detectors=(DriftConfig(), PcaConfig(), ZonesConfig()),
            prognosis={"horizon": "10h", "min_failures": 20, "trees": {"iterations": 20, "folds": 2}},
            sampling=SamplingConfig(at_most=3000),
        ),
    ),
    policies=(PredictiveConfig(cost_failure=10, cost_planned=3, persist=2),),
)


@pytest.fixture(scope="session")
def fleet():
    return Fleet(hours=340, seed=3)


@pytest.fixture(scope="session")
def cut(fleet):
    """The moment at which history ends and live begins."""
    return fleet.end - 40 * HOUR


@pytest.fixture(scope="session")
def history(fleet, cut, tmp_path_factory):
    return fleet.write(tmp_path_factory.mktemp("history"), cut)


@pytest.fixture(scope="session")
def config():
    return CONFIG


@pytest.fixture(scope="session")
def trained(history, config):
    return train_from_history(history, config, 7, strict=True)
