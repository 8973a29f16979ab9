"""A simulated year stays in documented bands, whatever the seed."""

from __future__ import annotations

import pytest

from testbed.statistics import figures


@pytest.mark.parametrize("seed", [1, 7])
def test_a_year_stays_in_its_bands(seed: int) -> None:
    assert [f"{f.name}: {f.value:.3g}" for f in figures(seed) if not f.inside] == []
