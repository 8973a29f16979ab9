"""The shipped factory: devices, failures to learn from, and few enough events to fast-forward."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from core.clock import NS
from core.command import Event
from core.config import load
from simulator.domain import DomainConfig
from simulator.world import World, WorldConfig
from tests.sim_worlds import START

FACTORY = Path(__file__).parents[3] / "configs" / "domains" / "factory.yaml"
DAYS = 30


@pytest.fixture(scope="module", params=[1, 2, 3])
def after_history(request: pytest.FixtureRequest) -> World:
    config = WorldConfig.model_validate({"domains": [load(FACTORY, DomainConfig)], "history": f"{DAYS}d"})
    world = World(config, START, request.param)
    world.fast_forward(0)
    return world


def test_it_has_the_machines(after_history: World) -> None:
    kinds = Counter(d.kind for d in after_history.devices)
    assert kinds == {
        "filler": 3, "capper": 3, "labeller": 3, "inspection": 3, "case_packer": 3, "climate_hall": 1,
        "pump": 4, "fan": 2, "compressor": 2, "cnc": 3,
        "injection_press": 2, "hydraulic_press": 1, "induction_furnace": 1, "chiller": 1, "pallet_wrapper": 1,
    }  # fmt: skip
    spoken = {
        "guro-utility": ("opcua",), "seongsu-machining": ("opcua",), "brownfield": ("modbus",),
    }  # fmt: skip
    for device in after_history.devices:
        compressed = device.kind == "compressor"
        assert device.protocols == (("sparkplug",) if compressed else spoken.get(device.area, ("mqtt",)))
        assert device.position is not None
        assert device.label is not None
        assert device.label.ko != device.label.en


def test_history_holds_enough_failures_to_learn_from(after_history: World) -> None:
    kinds = {d.path: d.kind for d in after_history.devices}
    told = [n for n in after_history.notes() if isinstance(n, Event) and n.name == "failure"]
    failures = Counter(kinds[n.device] for n in told)
    assert failures["pump"] + failures["fan"] + failures["compressor"] >= 30, failures
    assert failures["pump"] >= 15, failures


def test_events_stay_few(after_history: World) -> None:
    scheduled = next(after_history.env._eid)
    assert scheduled / DAYS < 2000


def test_the_line_delivers_pallets(after_history: World) -> None:
    pallets = after_history.assets["seoul/guro-packaging/case-packer-01"].outputs[0]
    assert pallets.entered / DAYS == pytest.approx(150, rel=0.2)
    assert after_history.now == 0


def test_lines_can_be_compared_with_their_peers(after_history: World) -> None:
    """Same machines, areas and buffers of their own, each a little different, and working in shifts."""
    lines = ("guro-packaging", "guro-packaging-2", "guro-packaging-3")
    fillers = [after_history.assets[f"seoul/{area}/filler-01"] for area in lines]
    flows = {flow.name for filler in fillers for flow in filler.outputs}
    assert flows == {"filled", "filled@guro-packaging-2", "filled@guro-packaging-3"}
    assert {flow.capacity for filler in fillers for flow in filler.outputs} == {2}
    speeds = {filler.rated for filler in fillers}  # type: ignore[attr-defined]
    assert len(speeds) == 3
    assert all(abs(speed / 6000 - 1) < 0.08 for speed in speeds)
    made = [filler.get("made") for filler in fillers]
    assert 0.3 * made[0] < made[1] < 0.6 * made[0]  # two shifts on workdays: 80 of 168 h


def test_the_first_day_is_the_same_every_time() -> None:
    config = WorldConfig.model_validate({"domains": [load(FACTORY, DomainConfig)], "history": "1d"})

    def events() -> list[object]:
        world = World(config, START, 1)
        for step in range(-24, 1):
            world.advance(step * 3600 * NS)
        return list(world.notes())

    assert events() == events()
