"""Every registered equipment kind: any cutting of time gives bit-identical rows, live and in history."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from core.clock import NS
from simulator.equipment.base import EquipmentConfig
from simulator.faults import SENSOR_FAULTS, WearFault
from simulator.fleet import Sampling
from simulator.kinds import Equipment
from tests.sim_generic import GENERIC
from tests.sim_worlds import Rows, assert_same, build, collect

H = 3600 * NS
KINDS: dict[str, type[EquipmentConfig]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(get_args(Equipment)[0])
}
#: what an entry of a kind needs beyond its defaults
EXTRA: dict[str, dict[str, Any]] = {
    "generic": GENERIC,
    "pump": {"waveform": True},
    "replay": {
        "file": str(Path(__file__).parent.parent / "data" / "bench.csv"),
        "group_by": "rig",
        "time": "t",
        "start": "-30s",
    },
}


def domain(kind: str) -> dict[str, Any]:
    entry = {"kind": kind, "area": "a", "count": 3, "position": {"lat": 37.5, "lon": 127.0, "spread_m": 500}}
    return {"domain": "factory", "site": "s", "repair": "20s", "equipment": [{**entry, **EXTRA.get(kind, {})}]}


def faults(kind: str, at: float, span: float) -> list[dict[str, Any]]:
    """Every fault the kind knows, and every sensor fault on a measured channel, at odd instants."""
    config = build(domain(kind), live=False).fleets
    (fleet,) = config.values()
    device = fleet.specs[0].device
    channels = [c.spec.name for s in fleet.configs[0].streams() for c in s.channels if c.spec.states is None]
    out = []
    for n, (name, what) in enumerate(fleet.kind.faults.items()):
        args = {"rate": 1e5} if n == 0 and isinstance(what, WearFault) else {}
        out.append({"at": at + 0.3 + n, "device": device, "fault": name, "args": args, "until": at + span / 2})
    for n, name in enumerate(SENSOR_FAULTS):
        target = {"channel": channels[n % len(channels)], "chance": 0.5}
        out.append({"at": at + 0.7 + n, "device": device, "fault": name, "args": target, "until": at + span / 2})
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_live_rows_do_not_depend_on_quanta(kind: str) -> None:
    end = 90 * NS

    def rows(**how: Any) -> Rows:
        return collect(build(domain(kind), history="2h", faults=faults(kind, 1.0, 80.0)), end, **how)

    whole = rows()
    draw = random.Random(kind)
    assert_same(whole, rows(cuts=sorted(draw.randrange(1, end) for _ in range(70))))
    assert_same(whole, rows(step=NS // 2))


@pytest.mark.parametrize("kind", KINDS)
def test_history_rows_do_not_depend_on_quanta(kind: str) -> None:
    sampling = Sampling(60 * NS, 600 * NS, NS)

    def rows(**how: Any) -> Rows:
        world = build(domain(kind), history="2d", faults=faults(kind, 60.0, 1e5), live=False, sampling=sampling)
        return collect(world, 0, **how)

    whole = rows()
    draw = random.Random(kind)
    assert_same(whole, rows(cuts=sorted(draw.randrange(-48 * H + 1, 0) for _ in range(25))))


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_plausible(kind: str) -> None:
    world = build(domain(kind), history="1d")
    (fleet,) = world.fleets.values()
    slowest = max(stream.cycle for stream in fleet.configs[0].streams())
    rows = collect(world, max(60 * NS, slowest))
    assert {p.rpartition("/")[2] for p in rows} == {s.name for s in world.devices[0].streams}
    for path, (_, _, x, q) in rows.items():
        assert np.isfinite(x[q != 16]).all(), path
        assert ((q & 192) == 192).mean() > 0.95, path
        entry = world.catalog.find(path)
        assert entry is not None
        for column, channel in enumerate(entry.spec.layout.channels):
            if channel.states is not None:
                assert set(x[:, column].tolist()) <= set(channel.states), f"{path} {channel.name}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_has_a_handler(kind: str) -> None:
    asset = next(iter(build(domain(kind)).assets.values()))
    assert {c.name for c in asset.commands} <= asset.handlers().keys()
