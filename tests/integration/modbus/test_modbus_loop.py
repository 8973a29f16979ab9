"""Our server and our source over real sockets: rows, holes, commands, counters, units and servers that go away."""

from __future__ import annotations

import asyncio
import math
from itertools import pairwise
from pathlib import Path

import pytest

from core.clock import NS, RunClock
from core.command import CommandResult
from core.errors import CommandRefused
from core.metrics import Metrics
from core.quality import BAD_SENSOR, GOOD, UNCERTAIN_LAST_USABLE, UNCERTAIN_RANGE
from gateway.dedup import Dedup
from gateway.gaps import GapBook, GapConfig
from gateway.validate import ValidateConfig, Validator
from simulator.publish.modbus import ModbusPublisher, ModbusPublisherConfig
from tests.integration.modbus.modbus_rig import EVERY, order, rig

PRESS = "seoul/old/press-0"


async def test_rows_births_numbers_and_quality() -> None:
    async with rig(2) as r:
        await r.show(0, [1, 7, 36.62, 210.456])
        await r.show(1, [1, 8, math.nan, 400.0], [GOOD, GOOD, BAD_SENSOR, UNCERTAIN_RANGE])
        await r.make_source(stale=100).connect()
        await r.until(lambda: len(r.batches(0)) > 3 and len(r.batches(1)) > 3)
        assert [d.path for a in r.arrivals for d in a.births] == ["seoul/old/press-0", "seoul/old/press-1"]
        assert r.row(0) == [1, 7, 36.6, 210.46]
        assert math.isnan(r.row(1)[2])
        assert r.batches(1)[-1].q.tolist() == [[GOOD, GOOD, BAD_SENSOR, UNCERTAIN_RANGE]]
        numbers = [int(b.seq[0]) for b in r.batches(0)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        for batch in r.batches(0):  # slot k holds the times from start + k * every, a late poll some more
            since = int(batch.t[0]) - r.clock.start - int(batch.seq[0]) * EVERY
            assert 0 <= since < 5 * EVERY


async def test_a_machine_that_has_not_scanned_yet_has_no_rows() -> None:
    async with rig(2) as r:
        await r.show(0, [1, 7, 36.6, 210.0])
        await r.make_source().connect()
        await r.until(lambda: len(r.batches(0)) > 3)
        assert r.batches(1) == []


async def test_a_heartbeat_that_stands_still_makes_values_old() -> None:
    async with rig(1) as r:
        await r.show(0, [1, 7, 36.6, 210.0])
        await r.make_source(stale=3).connect()
        await r.until(lambda: bool(r.batches(0)) and int(r.batches(0)[-1].q[0, 0]) == UNCERTAIN_LAST_USABLE)
        await r.show(0, [1, 8, 36.6, 210.0])
        await r.until(lambda: int(r.batches(0)[-1].q[0, 0]) == GOOD)


def judged(r, holes: Dedup) -> None:  # type: ignore[no-untyped-def]
    for batch in r.batches(0):
        holes.fresh(batch, 0)


def book() -> tuple[Dedup, GapBook]:
    gaps = GapBook(GapConfig(late=0), lambda stream: False, lambda stream: 0)
    return Dedup(gaps), gaps


async def test_a_restarted_gateway_numbers_on_without_doubling_and_knows_what_it_missed() -> None:
    async with rig(1) as r:
        await r.show(0, [1, 7, 36.6, 210.0])
        await r.make_source().connect()
        await r.until(lambda: len(r.batches(0)) > 3)
        assert r.source is not None
        await r.source.close()
        first = [(int(b.sid[0]), int(b.seq[0])) for b in r.batches(0)]
        await asyncio.sleep(4 * EVERY / NS)
        await r.make_source().connect()
        await r.until(lambda: len(r.batches(0)) > len(first) + 3)
        rows = [(int(b.sid[0]), int(b.seq[0])) for b in r.batches(0)]
        assert len(set(rows)) == len(rows)
        assert len({sid for sid, _ in rows}) == 1
        dedup, gaps = book()
        judged(r, dedup)
        (loss,) = [one for one in gaps.due(1)[1] if not one.head]
        assert loss.spans == ((first[-1][1] + 1, rows[len(first)][1] - 1),)
        assert loss.rows >= 3


async def test_a_server_that_restarts_leaves_a_hole_of_exactly_the_slots_without_it() -> None:
    async with rig(1) as r:
        await r.show(0, [1, 7, 36.6, 210.0])
        await r.make_source().connect()
        await r.until(lambda: len(r.batches(0)) > 2)
        port = r.publisher.server.port
        await r.publisher.server.stop()
        task = asyncio.create_task(r.until(lambda: bool(r.events("poll_recovered"))))
        await asyncio.sleep(0.4)
        async with ModbusPublisher(
            ModbusPublisherConfig(port=port), r.catalog, r.stations, r.commands.append
        ) as r.publisher:
            await r.publisher.announce([s.device for s in r.stations])
            await r.show(0, [1, 9, 36.6, 210.0])
            await task
            n = len(r.batches(0))
            await r.until(lambda: len(r.batches(0)) > n + 1)
            numbers = [int(b.seq[0]) for b in r.batches(0)]
            (jump,) = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
            assert jump[1] - jump[0] > 0.3 * NS / EVERY
            assert f"slots {jump[0] + 1}..{jump[1] - 1}" in r.events("poll_recovered")[0].text
            assert r.events("poll_failed")[0].severity == "warning"


async def test_what_was_due_at_the_end_and_not_answered_is_lost_not_forgotten() -> None:
    async with rig(2) as r:
        await r.show(0, [1, 7, 36.6, 210.0])
        await r.show(1, [1, 7, 36.6, 210.0])
        source = r.make_source()
        await source.connect()
        await r.until(lambda: len(r.batches(0)) > 2 and len(r.batches(1)) > 2)
        del r.publisher.server.units[1]
        n = len(r.batches(1))
        await r.until(lambda: len(r.batches(1)) > n + 8)
        source.finish()
        await r.until(lambda: any(a.states for a in r.arrivals))
        (state,) = [s for a in r.arrivals for s in a.states]
        validator = Validator(ValidateConfig(gaps=GapConfig(late=0)), r.seen, RunClock(0, 0, 0), Metrics())
        for batch in r.batches(0):
            validator.dedup.fresh(batch, 0)
        (path,) = state.last
        validator.dedup.expect(r.seen.index(path), state.sid, state.last[path], 0)
        validator.due(1)
        assert validator.accounting()[path]["lost"] >= 6
        rows = len(r.batches(1))
        with pytest.raises(TimeoutError):
            await r.until(lambda: len(r.batches(1)) > rows, timeout=0.3)  # it asks no more


async def test_a_unit_that_is_away_holds_up_nobody() -> None:
    async with rig(2) as r:
        await r.show(1, [1, 7, 36.6, 210.0])
        del r.publisher.server.units[1]
        await r.make_source().connect()
        await r.until(lambda: len(r.batches(1)) > 15)
        numbers = [int(b.seq[0]) for b in r.batches(1)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert "no answer behind the gateway" in r.events("poll_failed")[0].text


async def test_a_command_goes_there_and_its_result_comes_back() -> None:
    async with rig(1) as r:
        await r.show(0, [1, 7, 36.6, 210.0])
        source = r.make_source()
        await source.connect()
        await r.until(lambda: bool(r.batches(0)))

        async def machine(status: str) -> None:
            while not r.commands:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            given = r.commands.pop()
            await r.publisher.tell([CommandResult(given.id, given.device, status, "", given.t)])  # type: ignore[arg-type]
            r.heard = given  # type: ignore[attr-defined]

        for ident, status in (("a", "done"), ("b", "refused"), ("c", "failed")):
            answering = asyncio.create_task(machine(status))
            await source.send(order(PRESS, "set_pressure", ident, pressure=182.5))
            await answering
            await r.until(lambda ident=ident: any(x.id == ident for x in r.results()))  # type: ignore[misc]
            assert r.heard.args == {"pressure": 182.5}  # type: ignore[attr-defined]
            assert r.heard.name == "set_pressure"  # type: ignore[attr-defined]
        assert [(x.id, x.status) for x in r.results()] == [("a", "done"), ("b", "refused"), ("c", "failed")]


async def test_work_that_takes_time_is_accepted_and_later_done() -> None:
    async with rig(1) as r:
        await r.show(0, [1, 7, 36.6, 210.0])
        source = r.make_source()
        await source.connect()
        sending = asyncio.create_task(source.send(order(PRESS, "maintain", duration=60.0, parts="seal")))
        while not r.commands:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        given = r.commands[0]
        assert given.args == {"duration": 60.0, "parts": "seal"}
        await r.publisher.tell([CommandResult(given.id, given.device, "accepted", "", given.t)])
        await sending
        await r.until(lambda: [x.status for x in r.results()] == ["accepted"])
        with pytest.raises(CommandRefused, match="still under way"):
            await source.send(order(PRESS, "maintain", "c2"))
        await r.publisher.tell([CommandResult(given.id, given.device, "done", "", given.t)])
        await r.until(lambda: [x.status for x in r.results()] == ["accepted", "done"])


@pytest.mark.parametrize(
    ("name", "args", "why"),
    [
        ("dance", {}, "no register for dance"),
        ("set_pressure", {}, "needs pressure"),
        ("set_pressure", {"pressure": 1e9}, "does not fit"),
        ("set_pressure", {"pressure": "much"}, "does not fit"),
        ("start", {"fast": 1.0}, "no register for argument fast"),
        ("maintain", {"parts": "wheel"}, "known: all, seal"),
    ],
)
async def test_what_registers_cannot_carry_is_refused(name: str, args: dict[str, float | str], why: str) -> None:
    async with rig(1) as r:
        source = r.make_source()
        await source.connect()
        with pytest.raises(CommandRefused, match=why):
            await source.send(order(PRESS, name, **args))
        assert r.commands == []


async def test_a_counter_goes_on_over_its_wrap_and_over_a_restart(tmp_path: Path) -> None:
    async with rig(1) as r:
        memory = tmp_path / "counters.json"
        await r.show(0, [1, 65_530, 36.6, 210.0])
        await r.make_source(memory).connect()
        await r.until(lambda: bool(r.batches(0)) and r.row(0)[1] == 65_530)
        await r.show(0, [1, 65_540, 36.6, 210.0])
        await r.until(lambda: r.row(0)[1] == 65_540)
        assert r.source is not None
        await r.source.close()
        n = len(r.batches(0))
        await r.show(0, [1, 65_550, 36.6, 210.0])
        await r.make_source(memory).connect()
        await r.until(lambda: len(r.batches(0)) > n)
        assert r.row(0)[1] == 65_550
        await r.show(0, [1, 3, 36.6, 210.0])  # somebody has reset the machine: no wrap is that far
        await r.until(lambda: r.row(0)[1] in (3, 65_539))
        assert r.row(0)[1] == 3


async def test_without_a_clock_rows_have_the_worlds_time() -> None:
    async with rig(1) as r:
        r.clock = RunClock(r.clock.start, r.clock.anchor, 0.0)  # speed max
        await r.show(0, [1, 7, 36.6, 210.0])
        told = r.publisher.server.units[247].read("input", 0, 4)
        await r.make_source().connect()
        await r.until(lambda: len(r.batches(0)) > 3)
        assert {int(b.t[0]) for b in r.batches(0)} == {
            int.from_bytes(b"".join(w.to_bytes(2, "big") for w in told), "big")
        }
        assert [int(b.seq[0]) for b in r.batches(0)][:4] == [0, 1, 2, 3]


async def test_a_unit_that_the_limits_refuse_is_not_polled():
    async with rig(2) as made:
        await made.show(0, [1.0, 2.0, 3.0, 4.0])
        source = made.make_source(limits={"devices": 1})
        await source.connect()
        await made.until(lambda: bool(made.batches(0)))
        rejects = [reject for a in made.arrivals for reject in a.rejects]
        assert [(where, why.partition(":")[0]) for where, why, _ in rejects] == [("seoul/old/press-1", "catalog-full")]
        assert [*made.seen.devices] == ["seoul/old/press-0"]
        assert source.polled() == ["seoul/old/press-0/main"]
