from __future__ import annotations

import numpy as np
import pytest

from core import quality
from simulator.channels import Channel, Sensor, measured
from simulator.grid import Grid, cut
from simulator.sensor_faults import SensorFault
from simulator.sensors import Chain, params, wander

S = 1_000_000_000


def measure(sensor: Sensor, true: float | np.ndarray, n: int = 1000, faults: tuple[SensorFault, ...] = ()) -> tuple:
    channel: Channel = measured("x", "q", "1", -50, 50, sensor)
    keys = np.array([[11]], dtype=np.int64)
    chain = Chain(params([channel], [[sensor]], keys, S), keys, keys + 1, wander([[sensor]], keys + 2, 0), list(faults))
    grid = Grid(S, 1, S, np.zeros(1, dtype=np.int64))
    block = cut(grid, grid.before(0), grid.before(n * S))
    assert block is not None
    x = np.empty((n, 1, 1))
    x[:, 0, 0] = true
    q = chain.measure(x, block)
    return x[:, 0, 0], q[:, 0, 0]


def test_a_plain_sensor_tells_the_truth() -> None:
    x, q = measure(Sensor(), 12.345)
    assert (x == 12.345).all()
    assert (q == quality.GOOD).all()


def test_noise_has_the_stated_size() -> None:
    x, _ = measure(Sensor(noise=0.5), 10.0, 20_000)
    assert x.mean() == pytest.approx(10.0, abs=0.02)
    assert x.std() == pytest.approx(0.5, rel=0.03)


def test_lag_is_a_first_order_response() -> None:
    true = np.where(np.arange(60) < 10, 0.0, 1.0)
    x, _ = measure(Sensor(lag="5s"), true, 60)
    assert x[9] == 0.0
    assert x[14] == pytest.approx(1 - np.exp(-1), abs=1e-9)


def test_resolution_gives_neat_decimals() -> None:
    x, _ = measure(Sensor(noise=3.0, resolution=0.1), 10.0)
    assert all(str(v) == str(round(v, 1)) for v in x.tolist())


def test_outside_the_range_the_value_is_the_limit_and_uncertain() -> None:
    x, q = measure(Sensor(offset=100.0), 0.0, 3)
    assert x.tolist() == [50, 50, 50]
    assert (q == quality.UNCERTAIN_RANGE).all()


def test_dropouts_are_missing_and_bad() -> None:
    x, q = measure(Sensor(dropout=0.1), 1.0, 20_000)
    assert np.isnan(x).mean() == pytest.approx(0.1, abs=0.01)
    assert (q[np.isnan(x)] == quality.BAD_SENSOR).all()
    assert (q[~np.isnan(x)] == quality.GOOD).all()


def test_drift_wanders_slowly_with_the_stated_size() -> None:
    x, _ = measure(Sensor(drift=0.5, drift_tau="20s"), 0.0, 40_000)
    assert x.std() == pytest.approx(0.5, rel=0.15)
    assert np.abs(np.diff(x)).max() < 0.3


def fault(kind: str, size: float = 0.0, chance: float = 1.0) -> SensorFault:
    return SensorFault(kind, 0, 0, 10 * S, 20 * S, size, chance, 5)


def test_each_fault_acts_in_its_span_only() -> None:
    plain, _ = measure(Sensor(noise=1.0), 5.0, 30)
    for kind, size in (
        ("bias", 3.0),
        ("drift", 9e3),
        ("noise", 4.0),
        ("spike", 20.0),
        ("stuck", 0.0),
        ("dropout", 0.0),
    ):
        x, q = measure(Sensor(noise=1.0), 5.0, 30, (fault(f"sensor_{kind}", size),))
        outside = [*range(10), *range(20, 30)]
        assert (x[outside] == plain[outside]).all(), kind
        assert not (x[11:20] == plain[11:20]).any(), kind
        if kind == "stuck":
            assert (x[10:20] == plain[10]).all()
        if kind == "bias":
            assert x[10:20] == pytest.approx(plain[10:20] + 3.0)
        if kind == "dropout":
            assert np.isnan(x[10:20]).all()
            assert (q[10:20] == quality.BAD_SENSOR).all()


def test_spread_of_gain_differs_by_device_and_is_fixed() -> None:
    channel = measured("x", "q", "1", -50, 50)
    sensors = [[Sensor(gain=0.1)]] * 200
    keys = np.arange(200, dtype=np.int64)[:, None] * 977
    first, again = (params([channel], sensors, keys, S) for _ in range(2))
    assert first.gain.std() == pytest.approx(0.1, rel=0.2)
    assert (first.gain == again.gain).all()
