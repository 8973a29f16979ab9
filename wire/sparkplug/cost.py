"""What Sparkplug costs: ns a value, to encode and to decode, in the forms that our devices send.

python -m wire.sparkplug.cost
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.batch import Batch
from core.catalog import Catalog
from core.clock import MS, NS, mono_ns
from core.quality import GOOD
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from wire.sparkplug.births import read_birth
from wire.sparkplug.form import DeviceForm
from wire.sparkplug.names import parse
from wire.sparkplug.payload import Metric, Payload, decode, encode, resolve
from wire.sparkplug.rows import RowReader, Rows

_CHANNELS = 5
_T0 = 1_763_791_200 * NS


def _device() -> DeviceSpec:
    channels = tuple(ChannelSpec(f"c{j}", "value") for j in range(_CHANNELS))
    slow = StreamSpec("slow", LayoutSpec("cost.slow", channels), NS)
    fast = StreamSpec("fast", LayoutSpec("cost.fast", channels), MS)
    return DeviceSpec("s", "a", "d", "generic", "factory", "n", Identity("M", "1", "u"), (slow, fast))


def _rows(device: DeviceSpec, stream: int, n: int) -> Batch:
    seq = np.arange(n, dtype=np.int64)
    spec = device.streams[stream]
    x = np.linspace(0.0, 1.0, n * _CHANNELS).reshape(n, _CHANNELS)
    q = np.full((n, _CHANNELS), GOOD, np.uint8)
    return Batch(spec.layout, np.full(n, stream, np.int32), np.ones(n, np.int64), seq, _T0 + seq * spec.period_ns, x, q)


def measure(repeat: int = 200) -> dict[str, float]:
    """Return ns a value by form: ``one_row`` (5 values in a message), ``hundred_rows``, ``block`` (1,000 rows of a
    fast stream), each ``_encode`` and ``_decode``; decoding goes all the way to a batch."""
    device = _device()
    form = DeviceForm(device, 1, 1)
    catalog = Catalog([device])
    entries = {s.name: catalog.streams[i] for i, s in enumerate(device.streams)}
    born = read_birth(parse("spBv1.0/s:a/DBIRTH/n/d"), form.birth(0, {}))
    slots = {slot.alias: slot for slot in born.slots.values()}

    def write(stream: int, rows: Batch) -> bytes:
        return encode(Payload(0, 0, form.rows(device.streams[stream].name, rows)))

    def read(payload: bytes) -> None:
        reader, rows = RowReader(entries, 1), Rows()
        for metric in decode(payload).metrics:
            slot = slots[metric.alias]
            reader.take(slot, metric, resolve(metric, slot.datatype), _ms(metric))
        reader.finish(rows)
        assert rows.batches()

    found: dict[str, float] = {}
    for name, stream, n in (("one_row", 0, 1), ("hundred_rows", 0, 100), ("block", 1, 1000)):
        rows = _rows(device, stream, n)
        payload = write(stream, rows)
        times = max(10, repeat * 100 // n)
        found[f"{name}_encode"] = _timed(lambda s=stream, r=rows: write(s, r), times) / rows.values  # type: ignore[misc]
        found[f"{name}_decode"] = _timed(lambda p=payload: read(p), times) / rows.values  # type: ignore[misc]
    return {name: round(ns, 1) for name, ns in found.items()}


def _ms(metric: Metric) -> int:
    return 0 if metric.timestamp is None else metric.timestamp


def _timed(work: Callable[[], object], times: int) -> float:
    """Return ns a call: the best of three rounds, since others use the machine too."""
    best = float("inf")
    for _ in range(3):
        began = mono_ns()
        for _ in range(times // 3 + 1):
            work()
        best = min(best, (mono_ns() - began) / (times // 3 + 1))
    return best


if __name__ == "__main__":
    for what, cost in measure().items():
        print(f"{what:>22} {cost:8.1f} ns/value")
