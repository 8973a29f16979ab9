"""The packaging line: parts balance, blocking, starving, minor stops, PackML, guards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import NS
from core.command import CommandResult
from simulator.process.flow import FlowBus
from simulator.process.packml import PACKML
from simulator.world import World
from tests.sim_worlds import build, collect, command, names

H = 3600 * NS
EXECUTE, SUSPENDED, HELD, ABORTED, STOPPED = (
    {n: c for c, n in PACKML.items()}[n] for n in ("execute", "suspended", "held", "aborted", "stopped")
)
FLOWS = ("filled", "capped", "labelled")
KINDS = ("filler", "capper", "labeller", "case_packer")


def factory(hub: bool = False, **more: Any) -> list[dict[str, Any]]:
    """Return a line, and a hub that takes its pallets."""
    ends = ("", *FLOWS, "pallets")
    line = [
        {
            "kind": kind,
            "area": "l",
            **({"inputs": [ends[n]]} if n else {}),
            "outputs": [ends[n + 1]],
            **more.get(kind, {}),
        }
        for n, kind in enumerate(KINDS)
    ]
    flows = {**dict.fromkeys(FLOWS, 2), "pallets": 3}
    domains: list[dict[str, Any]] = [{"domain": "factory", "site": "s", "flows": flows, "equipment": line}]
    if hub:
        belt = {"kind": "conveyor", "area": "h", "inputs": ["pallets"]}
        domains.append({"domain": "logistics", "site": "s", "equipment": [belt]})
    return domains


def machine(world: World, kind: str) -> Any:
    return world.assets[f"s/l/{kind}-01"]


def bus(world: World) -> FlowBus:
    flows: FlowBus = machine(world, "filler").host.flows
    return flows


def waiting(world: World, flow: str) -> int:
    """Return packs that wait in a flow, with one that a blocked machine holds."""
    return int(sum(item.data["packs"] for item in bus(world).flows[flow].inside()))


def counts(world: World, kind: str) -> tuple[int, int, int]:
    """Return packs (taken, good, rejected) of a machine whose lots so far are over, and of its lot in work."""
    asset = machine(world, kind)
    made = asset.get("made")
    rejected = asset.get("reject_base") + asset.get("reject_share") * made
    return int(np.floor(made + 1e-6)), int(np.floor(made - rejected + 1e-6)), int(np.floor(rejected + 1e-6))


@pytest.mark.parametrize("hours", [3, 7, 50])
def test_no_pack_is_lost_between_two_machines(hours: int) -> None:
    world = build(*factory(hub=True))
    world.advance(hours * H + 12_345)
    for flow, before, after in zip(FLOWS, KINDS[:-1], KINDS[1:], strict=True):
        source, sink = machine(world, before), machine(world, after)
        good = source._made - source._rejected  # of the lots that are over
        assert good == waiting(world, flow) + sink.taken, flow
        assert sink.taken - sink._made in range(2500)  # what is in work
        assert good > 0


def test_pallets_carry_every_good_pack_to_the_hub() -> None:
    world = build(*factory(hub=True))
    world.advance(30 * H)
    packer, belt = machine(world, "case_packer"), world.assets["s/h/conveyor-01"]
    pallets = bus(world).flows["pallets"]
    assert pallets.entered - pallets.left == len(pallets)
    assert pallets.left - belt.get("pallets") in (0, 1)  # one may be on the belt
    assert packer._given == pallets.entered
    assert 700 * packer._given < packer._made - packer._rejected < 900 * packer._given


def test_counters_only_grow_and_add_up() -> None:
    world = build(*factory(hub=True), history="3h")
    rows = collect(world, 3 * H, step=H)
    for kind in KINDS:
        _, _, x, _ = rows[f"s/l/{kind}-01/line"]
        good, reject = x[:, 3], x[:, 4]
        assert (np.diff(good) >= 0).all()
        assert (np.diff(reject) >= 0).all()
        assert good[-1] > good[0] + 3000
        made, *_ = counts(world, kind)
        assert good[-1] + reject[-1] == pytest.approx(made, abs=4)


def test_a_stopped_hub_blocks_the_whole_line_and_lets_it_go_again() -> None:
    world = build(*factory(hub=True))
    world.advance(6 * H)
    world.apply(command("s/h/conveyor-01", "stop"), world.now)
    world.advance(20 * H)
    assert [machine(world, kind).state.name for kind in KINDS] == ["BLOCKED"] * 4
    assert bus(world).flows["pallets"].full
    assert all(bus(world).flows[flow].full for flow in FLOWS)
    made = machine(world, "filler").get("made")
    world.apply(command("s/h/conveyor-01", "start"), world.now)
    world.advance(22 * H)
    assert machine(world, "filler").get("made") > made + 4000


def test_without_a_hub_pallets_leave() -> None:
    world = build(*factory())
    world.advance(48 * H)
    pallets = bus(world).flows["pallets"]
    assert pallets.entered == pallets.left > 100
    assert len(pallets) == 0


def test_a_stopped_filler_starves_what_follows() -> None:
    world = build(*factory(hub=True))
    world.advance(6 * H)
    world.apply(command("s/l/filler-01", "stop"), world.now)
    world.advance(10 * H)
    assert [machine(world, kind).state.name for kind in KINDS[1:]] == ["STARVED"] * 3
    assert world.assets["s/h/conveyor-01"].state.name == "STARVED"


def test_every_reel_end_is_a_short_held_stop() -> None:
    world = build(*factory(filler={"reel": 1000}))
    _, t, x, _ = collect(world, 4 * H, step=H)["s/l/filler-01/line"]
    packml, state, film = x[:, 1], x[:, 0], x[:, 9]
    held = np.flatnonzero(np.diff((state == 7).astype(int)) == 1)
    done = np.flatnonzero(np.diff((state == 7).astype(int)) == -1)
    spans = (t[done] - t[held[: len(done)]]) / NS
    assert len(spans) == pytest.approx(x[-1, 3] / 1000, abs=2)
    assert spans.min() >= 29
    assert spans.max() <= 121
    assert (film[held] < 1.5).all()
    assert (film[done + 3] > 98).all()
    assert set(packml[state == 7].tolist()) == {HELD, 14}  # holding, then held
    assert set(packml[state == 1].tolist()) <= {EXECUTE, 3, 13, 16}


def test_states_in_packml() -> None:
    fault = {"at": "2h", "device": "filler-01", "fault": "jaw_fouling", "args": {"fails_in": "10s"}}
    world = build(*factory(), faults=[fault])
    rows = collect(world, 3 * H, step=H)["s/l/filler-01/line"][2]
    assert set(rows[rows[:, 0] == 4, 1].tolist()) == {ABORTED, 7}
    rows = collect(build(*factory(), history="1h"), H)["s/l/case_packer-01/line"][2]
    assert SUSPENDED in rows[rows[:, 0] == 6, 1]
    assert set(rows[rows[:, 0] == 6, 1].tolist()) <= {SUSPENDED, 11}


def test_the_guard_stops_the_machine_and_refuses_a_start_until_closed() -> None:
    fault = {"at": "60s", "device": "capper-01", "fault": "guard_open", "until": "300s"}
    world = build(*factory(), faults=[fault], history="2h")
    world.notes()

    def start() -> CommandResult:
        world.apply(command("s/l/capper-01", "start"), world.now)
        return next(n for n in world.notes() if isinstance(n, CommandResult))

    world.advance(100 * NS)
    assert machine(world, "capper").state.name == "STOPPED"
    assert names(world.notes(), "s/l/capper-01") == ["state", "interlock"]
    assert (start().status, machine(world, "capper").state.name) == ("refused", "STOPPED")
    world.advance(310 * NS)
    assert machine(world, "capper").state.name == "STOPPED"  # closing alone starts nothing
    assert start().status == "done"


def test_derating_slows_counters_at_once() -> None:
    world = build(*factory(filler={"reel": 0, "reject": 0.0}))
    world.advance(H)
    world.apply(command("s/l/filler-01", "derate", factor=0.5), world.now)
    made = machine(world, "filler").get("made")
    world.advance(H + 360 * NS)
    assert machine(world, "filler").get("made") - made == pytest.approx(300, abs=1)


@pytest.mark.parametrize(
    ("kind", "fault", "column", "shift"),
    [
        ("filler", "fill_drift", 7, 6.0),
        ("filler", "heater_weak", 8, -12.0),
        ("capper", "chuck_slip", 7, -0.72),
        ("labeller", "label_shift", 7, 2.5),
        ("case_packer", "vacuum_leak", 7, -20.0),
    ],
)
def test_faults_show_in_their_channel_and_in_rejects(kind: str, fault: str, column: int, shift: float) -> None:
    def run(faults: list[Any]) -> tuple[float, int]:
        world = build(*factory(), history="10h", faults=faults)
        x = collect(world, 2 * H, step=H)[f"s/l/{kind}-01/line"][2]
        return float(np.nanmean(x[x[:, 0] == 1][:, column])), counts(world, kind)[2]

    value, rejects = run([{"at": "-9h", "device": f"{kind}-01", "fault": fault}])
    healthy, few = run([])
    assert value - healthy == pytest.approx(shift, rel=0.1, abs=0.1)
    assert rejects > 3 * few + 20


def test_worn_jaws_reject_more() -> None:
    world = build(*factory(filler={"parts": {"life_h": 40, "scatter": 0, "roughness": 0}}))
    filler = machine(world, "filler")
    world.advance(10 * H)
    early = filler._rejected / filler._made
    made, rejected = filler._made, filler._rejected
    world.advance(38 * H)
    assert (filler._rejected - rejected) / (filler._made - made) > 1.5 * early
