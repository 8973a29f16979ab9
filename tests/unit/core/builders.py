"""Small devices and batches for the tests of core."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.batch import Batch
from core.quality import CODES
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec


def layout(name: str = "pump.state", *channels: str) -> LayoutSpec:
    return LayoutSpec(name, tuple(ChannelSpec(c, "temperature", "Cel") for c in channels or ("a", "b")))


def batch(spec: LayoutSpec, streams: list[int], start: int = 0) -> Batch:
    n, k = len(streams), len(spec.channels)
    rows = np.arange(start, start + n, dtype=np.int64)
    return Batch(
        spec,
        np.array(streams, dtype=np.int32),
        np.full(n, 7, dtype=np.int64),
        rows,
        rows * 1_000_000,
        np.arange(n * k, dtype=np.float64).reshape(n, k) + start,
        np.full((n, k), 192, dtype=np.uint8),
    )


def device(name: str, *streams: StreamSpec, kind: str = "pump") -> DeviceSpec:
    return DeviceSpec(
        "seoul", "plant", name, kind, "factory", "node1", Identity("Maker", f"SN-{name}", f"urn:maker:{name}"), streams
    )


def same(left: Batch, right: Batch) -> bool:
    """Tell whether two batches hold the same bits (NaN equals NaN)."""
    columns = ("stream", "sid", "seq", "t", "x", "q")
    pairs = [(getattr(left, c), getattr(right, c)) for c in columns]
    return left.layout == right.layout and all(
        a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in pairs
    )


@st.composite
def batches(draw: st.DrawFn, max_rows: int = 20) -> Batch:
    n = draw(st.integers(0, max_rows))
    k = draw(st.integers(1, 4))
    name = draw(st.text(min_size=1, max_size=12).filter(lambda s: s.encode("utf-8", "ignore").decode() == s))
    spec = layout(name, *(f"c{j}" for j in range(k)))
    whole = st.integers(-(2**62), 2**62)
    return Batch(
        spec,
        draw(hnp.arrays(np.int32, n, elements=st.integers(0, 3))),
        draw(hnp.arrays(np.int64, n, elements=whole)),
        draw(hnp.arrays(np.int64, n, elements=whole)),
        draw(hnp.arrays(np.int64, n, elements=whole)),
        draw(hnp.arrays(np.float64, (n, k))),
        draw(hnp.arrays(np.uint8, (n, k), elements=st.sampled_from(CODES))),
    )
