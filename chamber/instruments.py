"""The devices that the chamber itself brings: reference, climate sensor, and simulated units to rehearse with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chamber.devices import LowCostPmConfig
from chamber.plan import TestPlan
from core.batch import Batch, concat
from core.clock import NS
from core.quality import GOOD
from core.seed import key, normal
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, Name, StreamSpec

#: random error of the simulated reference, share of the value of one minute (an assumption; a beta gauge's
#: hourly mean is then good to 0.3 %)
REFERENCE_NOISE = 0.02
NODE = "chamber"
_PM25 = ChannelSpec("pm25", "pm25", "ug/m3", 0.0, 1000.0, label=Name("초미세먼지", "Fine dust PM2.5"))
_CLIMATE = (
    ChannelSpec("temperature", "temperature", "Cel", -40.0, 85.0, label=Name("온도", "Temperature")),
    ChannelSpec("humidity", "humidity", "%", 0.0, 100.0, label=Name("습도", "Relative humidity")),
)


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """A device of the chamber and all rows it will send: ``x: float64[n, k]``, ``q: uint8[n, k]``."""

    spec: DeviceSpec
    t: NDArray[np.int64]
    x: NDArray[np.float64]
    q: NDArray[np.uint8]

    def block(self, index: int, sid: int, rows: slice) -> Batch:
        """Return some rows as a batch of stream ``index``."""
        t = self.t[rows]
        n, first = len(t), rows.indices(len(self.t))[0]
        return Batch(
            self.spec.streams[0].layout,
            np.full(n, index, dtype=np.int32),
            np.full(n, sid, dtype=np.int64),
            np.arange(first, first + n, dtype=np.int64),
            t,
            self.x[rows],
            self.q[rows],
        )


def sample_times(plan: TestPlan) -> NDArray[np.int64]:
    """Return the sample times of a plan in ns since its beginning, int64[n]."""
    return np.arange(0, plan.duration, plan.period, dtype=np.int64)


def instruments(plan: TestPlan, start: int, device: LowCostPmConfig | None) -> list[Instrument]:
    """Return units (none where ``device`` is None), reference and climate sensor of a test begun at ``start``."""
    t = sample_times(plan)
    air = plan.render(start, t)
    noise = normal(np.full(len(t), key(plan.seed, "reference"), dtype=np.int64), t // NS)
    reference = air.pm25 * (1.0 + REFERENCE_NOISE * noise)
    found: list[Instrument] = []
    if device is not None:
        under_test = plan.device_under_test
        for unit in under_test.units:
            x, q = device.build().render(key(plan.seed, unit), t, air)
            identity = _identity(device.manufacturer, device.model, unit)
            spec = _spec(plan, unit, under_test.stream, (_pm(under_test.channel),), identity, device.label)
            found.append(Instrument(spec, start + t, x[:, None], q[:, None]))
    found.append(_reference(plan, start + t, reference))
    found.append(_climate(plan, start + t, np.stack([air.temperature, air.humidity], axis=1)))
    return found


def offline(plan: TestPlan, found: list[Instrument], sid: int) -> Iterator[Batch]:
    """Yield all rows of each instrument, indices in the order given: a test without a network."""
    for index, instrument in enumerate(found):
        yield concat([instrument.block(index, sid, slice(None))])


def _reference(plan: TestPlan, t: NDArray[np.int64], x: NDArray[np.float64]) -> Instrument:
    identity = _identity("IIoT Testbed", "virtual beta gauge", plan.reference.device)
    label = Name("기준 측정기", "Reference instrument")
    channels = (_pm(plan.device_under_test.channel),)
    spec = _spec(plan, plan.reference.device, plan.reference.stream, channels, identity, label)
    return Instrument(spec, t, x[:, None], np.full((len(t), 1), GOOD, dtype=np.uint8))


def _climate(plan: TestPlan, t: NDArray[np.int64], x: NDArray[np.float64]) -> Instrument:
    identity = _identity("IIoT Testbed", "virtual climate sensor", plan.environment.device)
    label = Name("환경 측정기", "Climate sensor")
    spec = _spec(plan, plan.environment.device, plan.environment.stream, _CLIMATE, identity, label)
    return Instrument(spec, t, x, np.full(x.shape, GOOD, dtype=np.uint8))


def _pm(channel: str) -> ChannelSpec:
    return ChannelSpec(channel, _PM25.quantity, _PM25.unit, _PM25.low, _PM25.high, label=_PM25.label)


def _identity(manufacturer: str, model: str, path: str) -> Identity:
    serial = f"SIM-{key(0, model, path) % 1_000_000:06d}"
    slug = f"{manufacturer}-{model}".lower().replace(" ", "-")
    return Identity(manufacturer, serial, f"urn:iiot-testbed:{slug}:{serial}", model)


def _spec(
    plan: TestPlan, path: str, stream: str, channels: tuple[ChannelSpec, ...], identity: Identity, label: Name
) -> DeviceSpec:
    site, area, device = path.split("/")
    layout = LayoutSpec(f"chamber_{'_'.join(c.name for c in channels)}.{stream}", channels)
    return DeviceSpec(
        site,
        area,
        device,
        kind="chamber",
        domain="third_party",
        node=NODE,
        identity=identity,
        streams=(StreamSpec(stream, layout, plan.period),),
        label=label,
    )
