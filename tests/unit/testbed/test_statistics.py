"""A simulated year stays in documented bands, whatever the seed."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.gallery import course, kinds
from testbed.statistics import figures


@pytest.mark.parametrize("seed", [1, 7])
def test_a_year_stays_in_its_bands(seed: int) -> None:
    assert [f"{f.name}: {f.value:.3g}" for f in figures(seed) if not f.inside] == []


@pytest.mark.parametrize("kind", ["pump", "van", "air_station", "streetlight", "pm_sensor"])
def test_a_fault_is_seen_in_the_gallery(kind: str) -> None:
    assert kind in kinds()
    one = course(kind)
    before, after = one.values[(one.hours > 0.5) & (one.hours < 2)], one.values[one.hours > 3.6]
    assert abs(np.nanmean(after) - np.nanmean(before)) > 1.0 * np.nanstd(before)
