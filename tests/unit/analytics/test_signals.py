"""Waveform features against scipy and hand formulas, and one code for history and live."""

import numpy as np
import pytest
from scipy import signal, stats

from analytics.bearings import SKF_6205, BearingConfig
from analytics.feature_table import declared
from analytics.live_windows import LiveWindows
from analytics.panel import make_panel
from analytics.shafts import Shafts
from analytics.signals import SIGNAL_FEATURES, SPECTRAL, Bursts, SignalsConfig
from analytics.slots import make_plan
from analytics.windows import reduce
from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.errors import ModelError
from core.quality import GOOD
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec

RATE = 2560.0
N = 1024
SHAFT = 25.0
OF = {f.name: f.of for f in SIGNAL_FEATURES}
CONFIG = SignalsConfig()


def bursts(x, shaft=SHAFT, config=CONFIG):
    x = np.atleast_2d(x)
    return Bursts(x[:, :, None], RATE, np.full(len(x), shaft), config)


def struck(order, n=N, shaft=SHAFT, noise=0.05, seed=0):
    """Return ringing at 900 Hz, struck ``order`` times a turn."""
    t = np.arange(n) / RATE
    since = np.mod(t * order * shaft, 1.0) / (order * shaft)
    ring = np.exp(-0.06 * 2 * np.pi * 900 * since) * np.sin(2 * np.pi * 900 * since)
    return 5.0 * ring + noise * np.random.default_rng(seed).standard_normal(n)


def test_a_6205_turns_as_its_data_sheet_says():
    orders = SKF_6205.orders
    assert orders.bpfo == pytest.approx(3.5848, abs=2e-4)
    assert orders.bpfi == pytest.approx(5.4152, abs=2e-4)
    assert orders.ftf == pytest.approx(0.3983, abs=2e-4)
    assert orders.bsf == pytest.approx(2.3567, abs=2e-3)
    assert orders.bpfo + orders.bpfi == pytest.approx(9)
    with pytest.raises(ValueError, match="below pitch_mm"):
        BearingConfig(balls=9, ball_mm=40, pitch_mm=39)


def test_shape_statistics_are_those_of_scipy():
    x = np.random.default_rng(1).gamma(2.0, 1.0, (5, N))
    b = bursts(x)
    np.testing.assert_allclose(OF["kurtosis"](b)[:, 0], stats.kurtosis(x, axis=1, fisher=False))
    np.testing.assert_allclose(OF["skew"](b)[:, 0], stats.skew(x, axis=1))
    np.testing.assert_allclose(OF["rms"](b)[:, 0], np.sqrt((x**2).mean(axis=1)))
    assert OF["crest"](bursts(np.sin(2 * np.pi * np.arange(N) / 64)))[0, 0] == pytest.approx(np.sqrt(2))


def test_windows_and_bursts_agree_on_what_both_compute():
    x = np.random.default_rng(2).gamma(2.0, 1.0, N)
    t = np.arange(N, dtype=np.int64) * int(NS / RATE)
    layout = LayoutSpec("m.wave", (ChannelSpec("a", "acceleration", "m/s2"),))
    zero = np.zeros(N, dtype=np.int64)
    rows = Batch(layout, np.zeros(N, np.int32), zero, np.arange(N), t, x[:, None], np.full((N, 1), GOOD, np.uint8))
    windows = reduce(rows, 60 * NS)
    for name in ("rms", "skew", "kurtosis", "crest", "peak"):
        assert windows.column("a", name)[0] == pytest.approx(OF[name](bursts(x))[0, 0])


def test_bands_share_out_the_power_and_the_centroid_finds_a_tone():
    t = np.arange(N) / RATE
    x = 2.0 * np.sin(2 * np.pi * 100 * t) + 1.0 * np.sin(2 * np.pi * 400 * t)
    b = bursts(x)
    assert OF["band1"](b)[0, 0] == pytest.approx(2.0 / np.sqrt(2), rel=1e-9)
    assert OF["band2"](b)[0, 0] == pytest.approx(1.0 / np.sqrt(2), rel=1e-9)
    assert OF["band3"](b)[0, 0] == pytest.approx(0.0, abs=1e-9)
    assert OF["centroid"](b)[0, 0] == pytest.approx((4 * 100 + 400) / 5, rel=0.01)
    noise = np.random.default_rng(3).standard_normal(N)
    whole = bursts(noise, config=SignalsConfig(edges_hz=(0.0, 500.0, 900.0, 1281.0)))
    bands = [OF[f"band{k}"](whole)[0, 0] for k in (1, 2, 3)]
    assert np.hypot(np.hypot(*bands[:2]), bands[2]) == pytest.approx(noise.std())


def test_the_amplitude_at_the_shafts_order_is_the_sines():
    t = np.arange(N) / RATE
    b = bursts(1.5 * np.sin(2 * np.pi * SHAFT * t) + 0.5 * np.sin(2 * np.pi * 2 * SHAFT * t))
    assert OF["order1"](b)[0, 0] == pytest.approx(1.5, rel=0.01)
    assert OF["order2"](b)[0, 0] == pytest.approx(0.5, rel=0.01)


def test_the_envelope_is_scipys_and_shows_the_depth_of_modulation():
    t = np.arange(N) / RATE
    bpfo = SKF_6205.orders.bpfo * SHAFT
    x = (1 + 0.4 * np.cos(2 * np.pi * bpfo * t)) * 2.0 * np.sin(2 * np.pi * 850 * t)
    b = bursts(x)
    inside = slice(64, -64)
    np.testing.assert_allclose(b.envelope[0, inside, 0], np.abs(signal.hilbert(x))[inside], rtol=0.02)
    assert OF["env_bpfo"](b)[0, 0] == pytest.approx(2.0 * 0.4, rel=0.02)


@pytest.mark.parametrize("part", ["bpfo", "bpfi", "bsf"])
@pytest.mark.parametrize("shaft", [18.0, 25.0])
def test_impacts_show_at_the_part_that_strikes(part, shaft):
    b = bursts(struck(getattr(SKF_6205.orders, part), shaft=shaft), shaft)
    found = {name: OF[f"env_{name}"](b)[0, 0] for name in ("bpfo", "bpfi", "bsf")}
    assert max(found, key=found.get) == part
    assert found[part] > 1.5 * sorted(found.values())[-2]


def test_without_a_speed_nothing_is_said_of_orders():
    b = bursts(struck(3.0), shaft=np.nan)
    assert np.isnan(OF["env_bpfo"](b)).all()
    assert np.isfinite(OF["band1"](b)).all()


def test_a_constant_signal_has_no_shape():
    b = bursts(np.full(N, 3.0))
    for name in ("kurtosis", "skew", "crest", "centroid"):
        assert np.isnan(OF[name](b)).all()
    assert OF["rms"](b)[0, 0] == 3.0


PROCESS = LayoutSpec("pump.process", (ChannelSpec("speed", "rotational-speed", "/min"),))
WAVE = LayoutSpec("pump.wave", (ChannelSpec("a", "acceleration", "m/s2", group="health"),))


def machine():
    """Return (catalog, batches): a pump at 1,080 /min with an outer-race defect, ten bursts 10 s apart."""
    streams = (StreamSpec("process", PROCESS, NS), StreamSpec("wave", WAVE, int(NS / RATE)))
    identity = Identity("m", "1", "urn:1")
    catalog = Catalog([DeviceSpec("s", "a", "pump-1", "pump", "factory", "n", identity, streams)])
    slow = np.arange(100, dtype=np.int64) * NS
    fast = (np.arange(10) * 10 * NS)[:, None] + np.arange(N, dtype=np.int64)[None, :] * int(NS / RATE)
    x = np.concatenate([struck(SKF_6205.orders.bpfo, shaft=18.0, seed=k) for k in range(10)])
    index = {s: catalog.index(f"s/a/pump-1/{s}") for s in ("process", "wave")}

    def rows(stream, layout, t, x):
        n = len(t)
        good = np.full((n, 1), GOOD, dtype=np.uint8)
        column = np.full(n, index[stream], np.int32)
        return Batch(layout, column, np.zeros(n, np.int64), np.arange(n, dtype=np.int64), t, x[:, None], good)

    return catalog, [rows("process", PROCESS, slow, np.full(100, 1080.0)), rows("wave", WAVE, fast.ravel(), x)]


def test_live_and_history_compute_the_same_at_the_speed_the_device_says():
    catalog, (process, wave) = machine()
    plan = make_plan(catalog, ["pump"], signals=CONFIG)
    assert plan.speeds == {"pump.process": "speed"}
    assert "acceleration.env_bpfo" in plan.slot_index()
    shafts = Shafts(CONFIG, plan)
    shafts.hear(reduce(process, 10 * NS))
    past = reduce(wave, 10 * NS, fast=True, shafts=shafts)
    np.testing.assert_array_less(2.0 * past.column("a", "env_bpfi"), past.column("a", "env_bpfo"))

    live = LiveWindows(10 * NS, lambda i: catalog.streams[i].spec)
    live.shafts = [Shafts(CONFIG, plan)]
    closed = []
    for begin in range(0, 100 * NS, 7 * NS):
        parts = (b.take((b.t >= begin) & (b.t < begin + 7 * NS)) for b in (wave, process))
        closed += live.feed([p for p in parts if len(p)])
    closed += live.flush()
    waves = [w for w in closed if w.layout.name == "pump.wave"]
    for feature in SPECTRAL:
        now = np.concatenate([w.column("a", feature.name) for w in waves])
        np.testing.assert_allclose(now, past.column("a", feature.name), rtol=1e-9)


def test_bursts_with_a_gap_or_uneven_steps_have_no_spectrum():
    catalog, (_, wave) = machine()
    shafts = Shafts(CONFIG, make_plan(catalog, ["pump"], signals=CONFIG))
    one = wave.take(np.arange(N))
    whole = reduce(one, 10 * NS, fast=True, shafts=shafts)
    assert np.isfinite(whole.column("a", "band1")).all()
    gap = reduce(one.take(np.delete(np.arange(N), slice(500, 520))), 10 * NS, fast=True, shafts=shafts)
    assert np.isnan(gap.column("a", "band1")).all()
    assert np.isfinite(gap.column("a", "rms")).all()


def test_every_feature_is_declared_with_unit_and_formula():
    rows = declared()
    assert len({(r.of, r.name) for r in rows}) == len(rows)
    assert all(r.unit and r.formula for r in rows)
    assert {"rms", "env_bpfo", "drift", "trend", "age"} <= {r.name for r in rows}


def test_physics_is_computed_from_slots_on_the_grid():
    channels = (ChannelSpec("torque", "torque", "N.m"), ChannelSpec("speed", "rotational-speed", "/min"))
    layout = LayoutSpec("mill.spindle", channels)
    spec = DeviceSpec(
        "s", "a", "mill-1", "mill", "factory", "n", Identity("m", "1", "urn:1"), (StreamSpec("spindle", layout),)
    )
    catalog = Catalog([spec])
    plan = make_plan(catalog, ["mill"], physics=["shaft-power"])
    x = np.array([[40.0, 1500.0], [np.nan, 1500.0]])
    t = np.array([0, 60 * NS])
    q = np.where(np.isfinite(x), GOOD, 0).astype(np.uint8)
    rows = Batch(layout, np.zeros(2, np.int32), np.zeros(2, np.int64), np.arange(2), t, x, q)
    panel = make_panel(plan, [reduce(rows, 60 * NS)], 60 * NS, 0, 2)
    power = panel.x[0, :, plan.slot_index()["shaft-power"]]
    assert power[0] == pytest.approx(40 * 1500 * 2 * np.pi / 60_000)  # kW, by hand
    assert np.isnan(power[1])
    assert make_plan(catalog, ["mill"], slots=plan.slots).slot_index() == plan.slot_index()
    with pytest.raises(ModelError, match="'tool-strain' needs 'duration'"):
        make_plan(catalog, ["mill"], physics=["tool-strain"])
    with pytest.raises(ModelError, match="'magic' is unknown"):
        make_plan(catalog, ["mill"], physics=["magic"])
