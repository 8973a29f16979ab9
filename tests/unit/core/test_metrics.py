from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics import Latency, Metrics

BIN = 10 ** (1 / 50)  # ratio of neighbouring bins


def test_without_data_there_is_no_quantile() -> None:
    assert Latency().quantile_ms(0.5) is None


@given(st.lists(st.integers(10_000, 10**11), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_within_one_bin(spans: list[int], p: float) -> None:
    latency = Latency()
    for span in spans:
        latency.add(span)
    exact = float(np.quantile(spans, p, method="inverted_cdf")) / 1e6
    got = latency.quantile_ms(p)
    assert got is not None
    assert exact / BIN - 0.001 <= got <= exact * BIN + 0.001


def test_the_ends() -> None:
    latency = Latency()
    latency.add(-5)
    latency.add(10**9, times=3)
    assert latency.count == 4
    assert latency.quantile_ms(0) == 0.001
    assert latency.quantile_ms(1) == pytest.approx(1000, rel=0.05)


def test_a_weighted_span_counts_as_many() -> None:
    once, many = Latency(), Latency()
    many.add(5_000_000, times=4)
    for _ in range(4):
        once.add(5_000_000)
    assert once.bins == many.bins


def test_metrics_name_what_they_measure() -> None:
    metrics = Metrics()
    metrics.count("rows", 3)
    metrics.count("rows")
    metrics.time("ingest", 2_000_000, times=10)
    assert metrics.counts["rows"] == 4
    assert set(metrics.latency_ms()) == {"ingest_p50", "ingest_p99"}
    assert metrics.latency_ms()["ingest_p50"] == pytest.approx(2.0, rel=0.05)
