"""The crossing: interlocks of the extension, what it changes, and that none of it costs events."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.clock import MS, NS
from core.command import CommandResult
from simulator.world import World
from tests.sim_worlds import Rows, assert_same, build, collect, command

CROSSING = "s/a/crossing-01"
# green from 0 to 31 s, vehicles from 33 s on
ENTRY: dict[str, Any] = {
    "kind": "crossing", "area": "a", "length_m": 24, "cycle_s": 60,
    "people_per_h": 450, "night_share": 0.6, "elderly": 0.35, "slow": 0.25,
}  # fmt: skip
COLUMNS = ("phase", "green_left", "waiting", "on_crossing", "ped_deficit", "stranded")


def world(seed: int = 7, **more: Any) -> World:
    domain = {"domain": "urban", "site": "s", "equipment": [ENTRY | more.pop("entry", {})]}
    return build(domain, seed=seed, **more)


def ask(city: World, seconds: float | str | None = 5.0) -> CommandResult:
    args = {} if seconds is None else {"seconds": seconds}
    city.apply(command(CROSSING, "extend_green", id=f"x{city.now}", **args), city.now)
    (result,) = (n for n in city.notes() if isinstance(n, CommandResult))
    return result


def signal(rows: Rows) -> dict[str, np.ndarray]:
    t, x = rows[f"{CROSSING}/signal"][1], rows[f"{CROSSING}/signal"][2]
    return {"t": t, **{name: x[:, i] for i, name in enumerate(COLUMNS)}}


def test_extension_lengthens_this_green_and_no_other() -> None:
    city = world()
    collect(city, 20 * NS)
    result = ask(city)
    assert (result.status, result.detail) == ("done", "green extended by 5 s, 16.0 s left")
    plain = signal(collect(world(), 120 * NS))["green_left"] > 0
    longer = signal(collect(city, 120 * NS))["green_left"] > 0
    assert plain.sum() == 2 * 310
    assert longer.sum() == 110 + 50 + 310
    assert (plain[600:] == longer[400:]).all()


@pytest.mark.parametrize(
    ("at_s", "seconds", "reason"),
    [
        (40, 5.0, "no green"),
        (10, 12.0, "outside"),
        (10, 0.0, "outside"),
        (10, "long", "must be a number"),
        (10, None, "must be a number"),
    ],
)
def test_extension_is_refused(at_s: int, seconds: Any, reason: str) -> None:
    city = world()
    city.advance(at_s * NS)
    result = ask(city, seconds)
    assert result.status == "refused"
    assert reason in result.detail


def test_only_one_extension_a_cycle() -> None:
    city = world()
    statuses = []
    for at_s in (10, 20, 33, 70):
        city.advance(at_s * NS)
        statuses.append(ask(city).status)
    assert statuses == ["done", "refused", "refused", "done"]


def test_a_flashing_signal_cannot_be_extended() -> None:
    city = world(faults=[{"at": "5s", "device": "crossing-*", "fault": "controller_fault"}])
    collect(city, 10 * NS)
    assert "flashing" in ask(city).detail
    assert set(signal(collect(city, 30 * NS))["phase"].tolist()) == {0.0}
    stopped = world()
    stopped.advance(NS)
    stopped.apply(command(CROSSING, "stop"), NS)
    stopped.notes()
    stopped.advance(2 * NS)
    assert "flashing" in ask(stopped).detail


def test_rows_with_an_extension_do_not_depend_on_quanta() -> None:
    def rows(step: int) -> Rows:
        city = world(history="1h")
        first = collect(city, 25 * NS, step=step)
        ask(city)
        second = collect(city, 130 * NS, step=step)
        return {p: tuple(map(np.concatenate, zip(first[p], second[p], strict=True))) for p in first}  # type: ignore[misc]

    assert_same(rows(50 * MS), rows(7 * NS + 3))


def test_the_deficit_tells_who_will_be_stranded() -> None:
    s = signal(collect(world(), 1800 * NS))
    ending = (s["green_left"] > 0) & (s["green_left"] <= 0.1)
    after = np.roll(ending, 2)
    late = s["ped_deficit"][ending] > 0.3
    assert 0.2 < late.mean() < 0.95
    assert ((s["stranded"][after] > 0) == late)[: len(late) - 1].mean() > 0.95
    assert (s["ped_deficit"][s["green_left"] == 0] == 0).all()
    assert (s["on_crossing"][s["phase"] == 5] == 0).mean() > 0.9
    waited = s["waiting"]
    assert waited.max() >= 3
    assert (np.diff(waited)[s["phase"][1:] == 4] >= 0).all()  # nobody leaves while vehicles drive


def extensions_in_a_minute(seed: int, *, act: bool) -> tuple[int, float]:
    """Play the edge rule on six crossings; returns (extensions, pedestrian seconds at red)."""
    entry = {**ENTRY, "count": 6}
    city = build({"domain": "urban", "site": "s", "equipment": [entry]}, seed=seed)
    done, red = 0, 0.0
    for t in range(0, 60 * NS, 100 * MS):
        city.advance(t + 100 * MS)
        for batch in city.render(t, t + 100 * MS):
            if batch.layout.name != "crossing.signal":
                continue
            deficit, left, stranded = (batch.x[:, COLUMNS.index(c)] for c in ("ped_deficit", "green_left", "stranded"))
            red += 0.1 * float(stranded.sum())
            for stream in batch.stream[(deficit > 0) & (left < 3)]:
                device = city.catalog.streams[stream].device
                if act:
                    city.apply(command(device, "extend_green", id=f"{device}{t}", seconds=8.0), t + 100 * MS)
        done += sum(isinstance(n, CommandResult) and n.status == "done" for n in city.notes())
    return done, red


def test_the_rule_fires_in_the_first_minute_and_helps() -> None:
    runs = [(extensions_in_a_minute(s, act=True), extensions_in_a_minute(s, act=False)) for s in (1, 2)]
    assert all(with_rule[0] >= 2 for with_rule, _ in runs)
    assert sum(with_rule[1] for with_rule, _ in runs) < 0.5 * sum(without[1] for _, without in runs)


def test_a_blind_detector_sees_fewer_people() -> None:
    fault = {"at": "0s", "device": "crossing-*", "fault": "detector_blind", "args": {"size": 0.8}}
    clear, blind = (signal(collect(world(faults=f), 600 * NS))["on_crossing"].sum() for f in ([], [fault]))
    assert blind < 0.5 * clear


def test_cycles_cost_no_events() -> None:
    city = world(history="30d")
    assert next(city.env._eid) < 100  # the days' ends alone are 60


def test_a_cycle_that_is_too_short_is_refused() -> None:
    with pytest.raises(Exception, match="too short"):
        world(entry={"cycle_s": 40})
