"""A domain that stands beside itself: names, flows, places and crews of its copies."""

from __future__ import annotations

import pytest

from core.clock import NS
from core.errors import ConfigError
from tests.sim_worlds import HUB, PUMPS, assert_same, build, collect

PLACED = {"kind": "pump", "area": "util", "position": {"lat": 37.5, "lon": 127.0}}


def test_copies_have_names_flows_and_generators_of_their_own() -> None:
    one, three = build(HUB), build({**HUB, "copies": 3})
    assert {d.device for d in three.devices} == {
        name + end for name in ("conveyor-01", "out-1") for end in ("", "-x002", "-x003")
    }
    apart, together = collect(one, 600 * NS), collect(three, 600 * NS)
    assert_same(apart, {path: rows for path, rows in together.items() if path in apart})  # the first is as written
    assert together["h1/out/out-1-x002/drive"][2].tobytes() != together["h1/out/out-1/drive"][2].tobytes()
    fills = {a.outputs[0].name for a in three.assets.values() if a.outputs}
    assert fills == {"pallets", "pallets-x002", "pallets-x003"}
    assert {f.capacity for f in (a.outputs[0] for a in three.assets.values() if a.outputs)} == {3}


def test_copies_are_spread_and_crews_grow() -> None:
    world = build({**PUMPS, "equipment": [PLACED], "copies": {"count": 4, "spread_m": 5000}})
    places = [d.position for d in world.devices]
    assert places[0] is not None
    assert places[0].lat == 37.5
    assert len({(p.lat, p.lon) for p in places if p}) == 4
    assert all(p is not None and abs(p.lat - 37.5) * 111_320 <= 5001 for p in places)
    assert next(iter(world.assets.values())).host.crew.capacity == 4


def test_copies_may_not_be_zero() -> None:
    with pytest.raises(ConfigError, match=r"domains.0.copies: .*greater than or equal to 1"):
        build({**PUMPS, "copies": 0})
