"""The hub: pallets from belt to dock to van, none lost; what stops and starves whom; the van's commands and its box."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult, Event
from core.errors import ConfigError
from simulator.states import State
from simulator.world import World
from tests.sim_worlds import build, collect, command

H = 3600 * NS
BELT: dict[str, Any] = {"kind": "conveyor", "area": "a", "id": "belt", "inputs": ["in"], "outputs": ["mid"]}
DOCK: dict[str, Any] = {"kind": "dock", "area": "a", "id": "dock", "inputs": ["mid"], "outputs": ["bay"]}
VAN: dict[str, Any] = {"kind": "van", "area": "a", "id": "van-{n}", "count": 2, "inputs": ["bay"]}
MAKER: dict[str, Any] = {"kind": "conveyor", "area": "a", "id": "maker", "outputs": ["in"], "arrivals_per_h": 6}


def hub(*more: dict[str, Any], belt: dict[str, Any] | None = None, **how: Any) -> World:
    equipment = [BELT | (belt if belt is not None else {"arrivals_per_h": 6}), DOCK, VAN, *more]
    flows = {"in": 5, "mid": 3, "bay": 4}
    return build({"domain": "logistics", "site": "s", "flows": flows, "equipment": equipment}, **how)


def count(world: World, device: str, column: str = "pallets") -> float:
    return world.assets[f"s/a/{device}"].get(column)


def do(world: World, device: str, name: str, **args: Any) -> CommandResult:
    world.notes()
    world.apply(command(f"s/a/{device}", name, id=f"{name}{world.now}", **args), world.now)
    return next(n for n in world.notes() if isinstance(n, CommandResult))


def test_every_pallet_is_somewhere() -> None:
    world = hub()
    world.advance(72 * H)
    flows = next(iter(world.assets.values())).host.flows.flows
    delivered = sum(count(world, f"van-{n}", "delivered") for n in (1, 2))
    assert delivered > 200
    assert flows["in"].entered == pytest.approx(432, abs=80)
    inside = sum(len(flow) for flow in flows.values())
    # what is neither in a flow nor delivered is on the belt, in the gate or on a van
    assert 0 <= flows["in"].entered - delivered - inside <= 1 + 1 + 2 * 6
    assert flows["in"].left - count(world, "belt") in (0, 1)
    assert count(world, "dock", "expected") == 48 * count(world, "dock")
    assert 0.9 < count(world, "dock", "read") / count(world, "dock", "expected") < 1.0


def test_vans_that_stand_block_the_dock_and_the_belt() -> None:
    world = hub()
    world.advance(NS)
    for n in (1, 2):
        assert do(world, f"van-{n}", "stop").status == "done"
    world.advance(12 * H)
    assert world.assets["s/a/dock"].state is State.BLOCKED
    assert world.assets["s/a/belt"].state is State.BLOCKED
    stuck = count(world, "belt")
    for n in (1, 2):
        do(world, f"van-{n}", "start")
    world.advance(30 * H)
    assert count(world, "belt") > stuck + 40
    assert count(world, "van-1", "delivered") > 0


def test_a_feeder_takes_the_place_of_arrivals() -> None:
    fed = hub(MAKER | {"arrivals_per_h": 2})
    alone = hub()
    for world in (fed, alone):
        world.advance(48 * H)
    assert count(fed, "belt") == pytest.approx(96, abs=35)
    assert count(fed, "maker") - count(fed, "belt") <= 2
    assert count(alone, "belt") > 200


def test_a_flow_that_nothing_fills_is_an_error_without_arrivals() -> None:
    with pytest.raises(ConfigError, match="nothing fills the flow 'in'"):
        hub(belt={})


def test_a_belt_turns_on_through_gaps_and_stops_in_long_ones() -> None:
    world = hub(MAKER, belt={})
    world.advance(6 * H)
    belt = world.assets["s/a/belt"]
    do(world, "maker", "stop")
    last = count(world, "belt")
    world.advance(6 * H + 600 * NS)
    assert belt.state is State.RUNNING
    world.advance(9 * H)
    assert count(world, "belt") <= last + 6
    assert belt.state is State.STARVED


def test_a_van_drives_its_route_and_comes_home() -> None:
    world = hub()
    van = "s/a/van-1/drive"
    rows = collect(world, 14 * H)[van][2]
    latitude, speed, load = rows[:, 0], rows[:, 2], rows[:, 4]
    assert latitude.min() < 37.485  # Gwanak
    away = np.hypot(latitude - 37.5145, rows[:, 1] - 127.1059)
    returns = np.flatnonzero((away[1:] < 3e-4) & (away[:-1] >= 3e-4))
    assert len(returns) >= 2
    assert speed[away < 1e-4].min() < 0.5
    assert load.max() == 6
    assert count(world, "van-1", "odometer") > 30
    assert set(rows[speed < 1.0][:, 4]) >= {0.0}


def test_a_new_route_is_driven_and_a_strange_one_refused() -> None:
    world = hub()
    world.fast_forward(6 * H)
    assert do(world, "van-1", "re_route", stops="gangdong, atlantis").status == "refused"
    assert do(world, "van-1", "re_route", stops="").status == "refused"
    assert do(world, "van-1", "re_route", stops="nowon,dobong").detail == "next stops: nowon, dobong"
    rows = collect(world, 16 * H)["s/a/van-1/drive"][2]
    assert rows[:, 0].max() > 37.66


def test_set_point_moves_the_box_and_is_limited() -> None:
    world = hub()
    world.fast_forward(H)
    assert "outside" in do(world, "van-1", "set_point", celsius=40.0).detail
    assert do(world, "van-1", "set_point", celsius=-18.0).status == "done"
    box = collect(world, 5 * H)["s/a/van-1/cold"][2][:, 3]
    assert box[-1] < -13.0
    assert box[0] > 2.0


def test_a_worn_unit_ends_in_an_excursion() -> None:
    faults = [{"at": "1h", "device": "van-1", "fault": "refrigerant_leak", "args": {"rate": 2000}}]
    summer = {"celsius": -18.0}
    domain = {"domain": "logistics", "site": "s", "repair": "40h", "equipment": [VAN | summer | {"inputs": []}]}
    world = build(domain, faults=faults)
    world.advance(40 * H)
    events = [(n.device, n.name) for n in world.notes() if isinstance(n, Event)]
    assert ("s/a/van-1", "failure") in events
    assert world.assets["s/a/van-1"].get("mkt") > world.assets["s/a/van-2"].get("mkt") + 5.0
    assert do(world, "van-1", "set_point", celsius=4.0).status == "refused"


def test_mean_kinetic_temperature_follows_the_box() -> None:
    world = hub()
    rows = collect(world, 48 * H)["s/a/van-2/cold"][2]
    box, mkt = rows[:, 3], rows[:, 5]
    day = box[-24 * 720 :]
    assert mkt[-1] == pytest.approx(float(np.nanmean(day)), abs=0.4)
    assert mkt[-1] > 3.9


def test_a_door_left_open_warms_the_box() -> None:
    faults = [{"at": "2h", "device": "van-1", "fault": "door_left_open", "until": "4h"}]
    shut, left = (collect(hub(faults=f), 5 * H)["s/a/van-1/cold"][2] for f in ([], faults))
    spell = slice(3 * 720, 4 * 720 - 30)
    assert left[spell, 1].min() == 1.0
    assert abs(left[spell, 3].mean() - shut[spell, 3].mean()) > 0.8
    assert left[-1, 3] == pytest.approx(shut[-1, 3], abs=0.6)


def test_a_detuned_antenna_reads_less() -> None:
    fault = {"at": "1h", "device": "dock", "fault": "antenna_detuned"}
    good, bad = hub(), hub(faults=[fault])
    for world in (good, bad):
        world.advance(24 * H)
    share = [count(w, "dock", "read") / count(w, "dock", "expected") for w in (good, bad)]
    assert share[1] < share[0] - 0.15
