import json

import numpy as np
import pytest

from core.batch import Batch, concat
from core.catalog import Catalog
from core.clock import NS
from core.quality import BAD, GOOD
from core.spec import ChannelSpec, LayoutSpec
from gateway.stages.downsample import Downsample, DownsampleConfig
from gateway.stages.units import TABLE, Units, UnitsConfig
from tests.unit.gateway.world import WAVE, device, rows

CATALOG = Catalog([device("p1", wave=True), device("p2", wave=True)])  # vibration is stream 1 and 3
STEP = NS // 100


def wave(values, *, first: int = 0, stream: int = 1) -> Batch:
    x = np.asarray(values, dtype=np.float64)[:, None]
    n = len(x)
    seq = np.arange(first, first + n, dtype=np.int64)
    full = np.full
    return Batch(
        WAVE, full(n, stream, np.int32), full(n, 7, np.int64), seq, seq * STEP, x, full((n, 1), GOOD, np.uint8)
    )


def stage() -> Downsample:
    return Downsample(DownsampleConfig(), CATALOG)


def expected(x) -> list[float]:
    """rms, peak, kurtosis, crest by their definitions."""
    x = np.asarray(x)
    rms = np.sqrt(np.mean(x**2))
    kurtosis = np.mean((x - x.mean()) ** 4) / np.mean((x - x.mean()) ** 2) ** 2
    return [rms, np.abs(x).max(), kurtosis, np.abs(x).max() / rms]


def test_features_are_those_of_the_definitions():
    x = np.random.default_rng(1).normal(0.3, 2.0, 250)
    made = stage()
    (out,) = made.apply(wave(x))
    assert out.layout.name == "pump.vibration.features"
    assert out.layout.columns == ("ax_rms", "ax_peak", "ax_kurtosis", "ax_crest")
    assert out.t.tolist() == [0, NS]
    assert (out.stream.tolist(), out.sid.tolist(), out.seq.tolist()) == ([1, 1], [7, 7], [0, 100])
    np.testing.assert_allclose(out.x[0], expected(x[:100]), rtol=1e-9)
    np.testing.assert_allclose(out.x[1], expected(x[100:200]), rtol=1e-9)
    (rest,) = made.flush()
    np.testing.assert_allclose(rest.x[0], expected(x[200:]), rtol=1e-9)
    assert made.flush() == []


@pytest.mark.parametrize("cut", [1, 7, 50, 100, 333])
def test_cutting_does_not_change_features(cut):
    x = np.random.default_rng(2).normal(size=1000)
    made, out = stage(), []
    for at in range(0, 1000, cut):
        out += made.apply(wave(x[at : at + cut], first=at))
    out += made.flush()
    whole = stage()
    want = concat([*whole.apply(wave(x)), *whole.flush()])
    got = concat(out)
    assert got.t.tolist() == want.t.tolist()
    np.testing.assert_allclose(got.x, want.x, rtol=1e-9)


def test_open_windows_survive_dump_and_load():
    x = np.random.default_rng(3).normal(size=300)
    one, two = stage(), stage()
    early = one.apply(wave(x[:150]))
    two.load(json.loads(json.dumps(one.dump())))
    late = two.apply(wave(x[150:], first=150)) + two.flush()
    want = stage()
    np.testing.assert_allclose(concat([*early, *late]).x, concat([*want.apply(wave(x)), *want.flush()]).x, rtol=1e-9)


def test_slow_streams_pass_and_streams_do_not_mix():
    made = stage()
    slow = rows(range(3))
    assert made.apply(slow)[0] is slow
    both = concat([wave(np.ones(150)), wave(np.full(150, 5.0), stream=3)])
    (out,) = made.apply(both)
    assert dict(zip(out.stream.tolist(), out.x[:, 0].tolist(), strict=True)) == {1: 1.0, 3: 5.0}


def test_a_stream_that_falls_silent_is_given_out_when_others_move_on():
    made = stage()
    made.apply(wave(np.ones(50), stream=3))
    out = concat(made.apply(wave(np.ones(10), first=500)))
    assert out.stream.tolist() == [3]


def test_bad_and_missing_values_do_not_count():
    batch = wave([1.0, 99.0, np.nan, 1.0])
    batch.q[1, 0] = BAD
    made = stage()
    made.apply(batch)
    (out,) = made.flush()
    assert out.x[0, :2].tolist() == [1.0, 1.0]
    assert (out.q[0, 0], out.q[0, 2]) == (GOOD, BAD), "a constant has no kurtosis"


def test_units_become_those_of_the_charts():
    layout = LayoutSpec(
        "foreign.main",
        (
            ChannelSpec("t", "temperature", "[degF]", 32, 212, accuracy=1.8),
            ChannelSpec("p", "pressure", "bar"),
            ChannelSpec("n", "count", "1"),
        ),
    )
    n = 2
    x = np.array([[32.0, 1.0, 5.0], [212.0, 2.0, 6.0]])
    batch = Batch(layout, *(np.zeros(n, np.int64),) * 4, x, np.full((n, 3), GOOD, np.uint8))  # type: ignore[arg-type]
    (out,) = Units(UnitsConfig()).apply(batch)
    np.testing.assert_allclose(out.x, [[0, 100, 5], [100, 200, 6]], atol=1e-12)
    assert out.layout.name == "foreign.main.si"
    assert [c.unit for c in out.layout.channels] == ["Cel", "kPa", "1"]
    assert (out.layout.channels[0].low, out.layout.channels[0].high) == pytest.approx((0, 100))
    assert out.layout.channels[0].accuracy == pytest.approx(1.0)
    (only,) = Units(UnitsConfig(only=("bar",))).apply(batch)
    assert [c.unit for c in only.layout.channels] == ["[degF]", "kPa", "1"]


def test_what_needs_no_conversion_is_not_copied():
    batch = rows([0])
    assert Units(UnitsConfig()).apply(batch)[0] is batch


def test_no_preferred_unit_is_itself_converted():
    assert not {to for to, _, _ in TABLE.values()} & TABLE.keys()
