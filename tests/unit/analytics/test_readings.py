"""What policies read: the newest window of the channels they want, never a stale one, with or without a model."""

import numpy as np

from analytics.config import AnalyticsConfig
from analytics.feedback.cold_chain import ColdChainConfig
from analytics.model import TrainedModels
from analytics.readings import STALE, Readings
from analytics.serve import Serving
from analytics.windows import reduce
from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.quality import BAD_SENSOR, GOOD
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec

GRID = 60 * NS
START = 1_760_000_040 * NS
LAYOUT = LayoutSpec("van.cold", (ChannelSpec("product_temp", "temperature", "Cel"), ChannelSpec("load", "count")))


def catalog(*commands):
    van = DeviceSpec(
        "s", "a", "van-01", "van", "logistics", "n", Identity("a", "b", "c"), (StreamSpec("cold", LAYOUT),),
        commands=tuple(CommandSpec(name) for name in commands),
    )  # fmt: skip
    return Catalog([van])


def rows(minutes, celsius, good=True, first=0):
    n = len(celsius)
    x = np.stack([np.array(celsius, dtype=float), np.full(n, 4.0)], axis=1)
    q = np.full(x.shape, GOOD, dtype=np.uint8)
    q[:, 0] = GOOD if good else BAD_SENSOR
    t = START + (np.array(minutes) * 60 + first) * NS
    return Batch(LAYOUT, np.zeros(n, np.int32), np.ones(n, np.int64), np.arange(n), t.astype(np.int64), x, q)


def test_the_newest_window_counts_and_grows_stale():
    readings = Readings({"van": ("product_temp", "load")}, GRID)
    readings.place(catalog())
    readings.take([reduce(rows([0, 1, 2], [4.0, 5.0, 6.0]), GRID)])
    now = START + 3 * GRID
    assert readings.state(now) == {"s/a/van-01": {"van.product_temp": 6.0, "van.load": 4.0}}
    readings.take([reduce(rows([3], [99.0], good=False), GRID)])  # BAD: the load is news, the temperature is not
    later = START + (3 + STALE) * GRID + 1
    assert readings.state(later) == {"s/a/van-01": {"van.load": 4.0}}
    assert readings.state(later + GRID) == {}


def served(*commands):
    config = AnalyticsConfig(groups=(), policies=(ColdChainConfig(),))
    serving = Serving(TrainedModels(), config, catalog(*commands))
    serving.open()
    out = [serving.feed([rows([k], [5.0 + 0.3 * k])]) for k in range(20)]
    return serving, [c.name for s in out for c in s.commands], [w.action for s in out for w in s.work_orders]


def test_a_policy_acts_without_any_model():
    _, commands, orders = served("re_route", "set_point")
    assert commands == orders == ["re_route"]


def test_a_command_that_the_device_does_not_know_is_not_sent_but_counted():
    serving, commands, orders = served("start")
    assert commands == orders == []
    assert serving.metrics.counts["unknown_commands"] == 1
