"""Counters and latency histograms that any part may keep and the run report adds up."""

from __future__ import annotations

import math
from collections import defaultdict

_PER_DECADE = 50  # bin width 4.7 %
_LOW_NS = 1_000.0


class Latency:
    """Histogram of spans on a log grid (bins 4.7 % wide from 1 µs); constant memory, mergeable."""

    def __init__(self) -> None:
        self.bins: dict[int, int] = defaultdict(int)
        self.count = 0

    def add(self, span_ns: int, times: int = 1) -> None:
        """Count a span in ns; negative spans (clocks of two machines) count as zero."""
        index = round(math.log10(max(span_ns, _LOW_NS) / _LOW_NS) * _PER_DECADE)
        self.bins[index] += times
        self.count += times

    def quantile_ms(self, p: float) -> float | None:
        """Return the p-quantile in ms, None without data."""
        if not self.count:
            return None
        rank = p * self.count
        for index in sorted(self.bins):
            rank -= self.bins[index]
            if rank <= 0:
                return round(_LOW_NS * 10 ** (index / _PER_DECADE) / 1e6, 3)
        raise AssertionError("unreachable: bins add up to count")


class Metrics:
    """Named counters and latencies of one role."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = defaultdict(int)
        self.latencies: dict[str, Latency] = defaultdict(Latency)

    def count(self, name: str, by: int = 1) -> None:
        """Add to a counter."""
        self.counts[name] += by

    def time(self, name: str, span_ns: int, times: int = 1) -> None:
        """Add a span in ns to a latency."""
        self.latencies[name].add(span_ns, times)

    def latency_ms(self) -> dict[str, float | None]:
        """Return ``{name}_p50`` and ``{name}_p99`` in ms."""
        return {
            f"{name}_p{round(p * 100)}": latency.quantile_ms(p)
            for name, latency in self.latencies.items()
            for p in (0.5, 0.99)
        }
