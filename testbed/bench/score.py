"""`testbed bench score`: how many assets the serving of models keeps up with, from rows to work orders.

The model has the real shape (eight quantities, detectors, boosted trees for chance and remaining life); it learnt from
made-up lives, which costs as much to score as real ones.
"""

from __future__ import annotations

import numpy as np

from analytics.config import AnalyticsConfig
from analytics.detectors.drift import DriftConfig
from analytics.detectors.pca import PcaConfig
from analytics.detectors.zones import ZonesConfig
from analytics.feedback.maintenance import PredictiveConfig
from analytics.model import Fleet, GroupModel, TrainedModels
from analytics.prognosis.boosted import BoostedConfig
from analytics.serve import Serving
from analytics.slots import Slot, make_plan
from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.quality import GOOD
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec

_START = 1_767_225_600 * NS
_GRID = 60 * NS
_QUANTITIES = (
    ("vibration-velocity", "mm/s"), ("acceleration", "m/s2"), ("temperature", "Cel"), ("electric-current", "A"),
    ("pressure", "bar"), ("volume-flow", "m3/h"), ("power", "kW"), ("rotational-speed", "/min"),
)  # fmt: skip
_STATES = {0: "idle", 1: "running", 2: "failed"}
_LAYOUT = LayoutSpec(
    "bench.health",
    (
        ChannelSpec("state", "state", states=_STATES),
        *(ChannelSpec(q.replace("-", "_"), q, unit, group="health") for q, unit in _QUANTITIES),
    ),
)


def scoring(assets: int, windows: int) -> dict[str, float]:
    """Feed windows of many assets to a serving; return assets a second of the whole path, and ms a window."""
    catalog = Catalog(_device(i) for i in range(assets))
    config = AnalyticsConfig(policies=(PredictiveConfig(),))
    serving = Serving(TrainedModels({"bench": _model(catalog, config)}), config, catalog)
    serving.open()
    rng = np.random.default_rng(0)
    took: list[int] = []
    for k in range(windows + 2):
        batch = _rows(rng, assets, k)
        began = mono_ns()
        serving.feed([batch])
        took.append(mono_ns() - began)
    spent = np.array(took[2:]) / NS  # the first window warms up, the second is the first that closes one
    status = serving.status()
    return {
        "assets": assets,
        "windows": windows,
        "assets_per_s": round(assets / float(np.median(spent))),
        "window_ms_median": round(1000 * float(np.median(spent)), 1),
        "window_ms_worst": round(1000 * float(spent.max()), 1),
        "scored": int(status["scored"]),
        "lag_s": float(status["lag_s"]),
    }


def _device(i: int) -> DeviceSpec:
    identity = Identity("bench", f"b{i}", f"urn:bench:{i}")
    return DeviceSpec(
        "bench", "hall", f"m-{i:06d}", "machine", "factory", "n", identity, (StreamSpec("health", _LAYOUT),)
    )


def _rows(rng: np.random.Generator, assets: int, k: int) -> Batch:
    """Return one row a machine in window ``k``, healthy but for noise."""
    x = 10.0 + 0.1 * rng.standard_normal((assets, len(_LAYOUT.channels)))
    x[:, 0] = 1.0
    t = np.full(assets, _START + k * _GRID, dtype=np.int64)
    return Batch(
        _LAYOUT,
        np.arange(assets, dtype=np.int32),
        np.ones(assets, dtype=np.int64),
        np.full(assets, k, dtype=np.int64),
        t,
        x,
        np.full(x.shape, GOOD, dtype=np.uint8),
    )


def _model(catalog: Catalog, config: AnalyticsConfig) -> GroupModel:
    slots: list[Slot] = make_plan(catalog, ["machine"]).slots
    one = np.ones(len(slots))
    fleet = Fleet({"machine": one}, {"machine": 1e6}, one, 1e6)
    model = GroupModel("bench", ["machine"], slots, (), config.grid, config.filters, fleet, [], None)
    infos = model.infos
    rng = np.random.default_rng(1)
    left = np.tile(np.linspace(200.0, 0.5, 200), 12) * 3600.0
    x = rng.standard_normal((len(left), len(infos))) + 4.0 * (1.0 - left / left.max())[:, None]
    for detector in (DriftConfig(), PcaConfig(), ZonesConfig()):
        columns = detector.columns(infos)
        model.detectors.append(detector.build(0).fit(x[:, columns]))
    model.prognoser = BoostedConfig().build(0).fit(x, left, np.repeat(np.arange(12), 200))
    return model
