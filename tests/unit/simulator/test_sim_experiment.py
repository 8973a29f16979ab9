"""What experiments ask of a world: few channels, shift calendars, plants that are not new."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.clock import NS
from core.command import Command
from core.config import parse
from simulator.fleet import Sampling
from simulator.states import State
from simulator.wear.bearing import BearingWear
from simulator.world import World, WorldConfig
from tests.sim_worlds import PUMPS, START

H = 3600 * NS


def world(sampling: Sampling, **pump: Any) -> World:
    entry = {"kind": "pump", "area": "util", "count": 3, **pump}
    return World(
        parse({"domains": [{**PUMPS, "crew": 2, "equipment": [entry]}]}, WorldConfig, "test"), START, 3, sampling
    )


def rows(of: World, until: int) -> dict[str, Any]:
    of.advance(until)
    return {batch.layout.name: batch for batch in of.render(0, until)}


def test_a_channel_has_the_same_values_whoever_is_rendered_beside_it() -> None:
    whole = rows(world(Sampling(600 * NS, 600 * NS, NS)), 6 * H)
    only = {"pump.health": ("vibration", "current")}
    few = rows(world(Sampling(600 * NS, 600 * NS, NS, only)), 6 * H)
    assert few.keys() == {"pump.health"}
    assert few["pump.health"].layout.columns == ("vibration", "current")
    for name in ("vibration", "current"):
        mine, theirs = few["pump.health"], whole["pump.health"]
        assert mine.x[:, mine.layout.column(name)].tobytes() == theirs.x[:, theirs.layout.column(name)].tobytes()
        assert mine.q[:, mine.layout.column(name)].tobytes() == theirs.q[:, theirs.layout.column(name)].tobytes()


def test_rows_left_out_keep_their_numbers() -> None:
    whole, part = (world(Sampling(600 * NS, 600 * NS, NS)) for _ in range(2))
    expected = rows(whole, 4 * H)["pump.health"]
    part.advance(2 * H)
    part.leave_out(2 * H)
    part.advance(4 * H)
    got = {b.layout.name: b for b in part.render(2 * H, 4 * H)}["pump.health"]
    late = expected.take(expected.t >= START + 2 * H)
    assert got.seq.tolist() == late.seq.tolist()
    assert got.t.tolist() == late.t.tolist()


def test_states_tell_every_change_once() -> None:
    one = world(Sampling(600 * NS, 600 * NS, NS))
    one.advance(H)
    t, device, state = one.states()
    assert sorted(device.tolist()) == [0, 1, 2]
    assert set(state.tolist()) == {int(State.RUNNING)}
    assert (t >= START).all()
    one.leave_out(H)
    assert len(one.states()[0]) == 0


def test_the_calendar_stops_and_starts_and_waits_for_repairs_and_services() -> None:
    one = world(Sampling(600 * NS, 600 * NS, NS), bearing={"life_h": 9000})
    one.advance(H)
    idle, served, failed = one.assets.values()
    next(iter(failed.components.values())).fail("test")
    one.apply(Command("c", served.spec.path, "maintain", "test", START + H, START + 2 * H, {"duration": 600.0}), H)
    one.advance(H + 60 * NS)
    for asset in one.assets.values():
        asset.follow_calendar(False)
        asset.follow_calendar(False)
    assert [a.state for a in one.assets.values()] == [State.STOPPED, State.MAINTENANCE, State.FAILED]
    one.advance(12 * H)
    assert {a.state for a in one.assets.values()} == {State.STOPPED}, "up again, but out of working time"
    for asset in one.assets.values():
        asset.follow_calendar(True)
    assert {a.state for a in one.assets.values()} == {State.RUNNING}
    assert idle.state is State.RUNNING


def test_a_machine_in_maintenance_when_the_shift_begins_goes_on_afterwards() -> None:
    one = world(Sampling(600 * NS, 600 * NS, NS), bearing={"life_h": 9000})
    one.advance(H)
    asset = next(iter(one.assets.values()))
    asset.follow_calendar(False)
    one.apply(Command("c", asset.spec.path, "maintain", "test", START + H, START + 2 * H, {"duration": 3600.0}), H)
    one.advance(H + 60 * NS)
    asset.follow_calendar(True)
    assert asset.state is State.MAINTENANCE
    one.advance(3 * H)
    assert asset.state is State.RUNNING


def test_only_the_first_part_is_used_and_no_draw_shifts() -> None:
    new, used = (BearingWear(used=u).path(np.random.default_rng(5)) for u in (0.0, 0.9))
    assert new.levels.tobytes() == used.levels.tobytes()
    assert new.used_s == 0.0
    assert 0.0 < used.used_s < 0.9 * used.life_s
    one = world(Sampling(600 * NS, 600 * NS, NS), bearing={"life_h": 50, "used": 0.9})
    component = next(iter(one.assets.values())).components["bearing"]
    assert component.age_s == component.life.path.used_s > 0
    component.install()
    assert component.age_s == 0.0
