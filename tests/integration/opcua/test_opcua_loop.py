from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from opcua_rig import FAST, device, eventually, rows, soon

from core.batch import concat
from core.clock import MS, wall_ns
from core.command import Cause, Command, CommandResult, Event
from core.errors import CommandRefused, NotConnected
from core.quality import BAD_COMM, BAD_SENSOR, CODES, GOOD, from_opcua, to_opcua
from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig


def quantum(rig, step: int, t: int):
    return concat([rows(rig.catalog, e.path, [t], seed=1000 * step + e.index) for e in rig.catalog.streams])


async def test_every_row_of_250_variables_at_100_ms_arrives_once(rig):
    devices = [device(i) for i in range(50)]
    async with rig(devices) as r:
        sent, start = {}, soon()

        async def simulate():
            for step in range(25):
                batch = quantum(r, step, start + step * 100 * MS)
                sent[step] = batch
                await r.publisher.publish([batch])
                await asyncio.sleep(0.1)

        task = asyncio.create_task(simulate())
        await r.until(lambda: r.count() >= 25 * 50)
        await task
        assert r.count() == 25 * 50
        for entry in r.catalog.streams:
            got = r.table(entry.path)
            for step, batch in sent.items():
                row = batch.take(batch.stream == entry.index)
                assert got[int(row.t[0])] == (row.x[0].tolist(), [GOOD] * 5), step
        batches = [b for a in r.arrivals for b in a.batches]
        assert {int(s) for b in batches for s in b.sid} == {0}
        assert all(a.arrived >= a.sent > start for a in r.arrivals if a.batches and a.sent)
        assert r.notes(Event) == []


async def test_the_source_learns_the_catalog_entry(rig):
    spec = device(1, fast=True)
    async with rig([spec]) as r:
        await r.until(lambda: bool(r.arrivals))
        assert list(r.arrivals[0].births) == [replace(spec, protocols=("opcua",))]
        assert r.seen.devices[spec.path].streams == spec.streams


async def test_a_device_announced_later_is_learnt_and_its_first_rows_are_not_lost(rig):
    async with rig([device(0)]) as r:
        late = device(7)
        r.catalog.add(late)
        await r.publisher.announce([late])
        t = soon()
        for step in range(3):
            await r.publisher.publish([rows(r.catalog, late.stream_path("main"), [t + step * 100 * MS])])
        await r.until(lambda: r.count() >= 3)
        assert sorted(r.table(late.stream_path("main"))) == [t, t + 100 * MS, t + 200 * MS]


async def test_a_device_that_changes_is_learnt_anew(rig):
    async with rig([device(0)]) as r:
        await r.publisher.publish([rows(r.catalog, "seoul/hall/pump0/main", [soon()])])
        await r.until(lambda: r.count() == 1)
        other = replace(device(0), streams=(replace(device(0).streams[0], layout=FAST, period_ns=200 * MS),))
        r.catalog.add(other)
        await r.publisher.announce([other])
        await r.publisher.publish([rows(r.catalog, "seoul/hall/pump0/main", [soon(2)])])
        await r.until(lambda: r.count() == 2)
        assert len(r.seen.find("seoul/hall/pump0/main").spec.layout.channels) == 2


async def test_quality_reaches_the_other_end_as_it_was(rig):
    async with rig([device(0)]) as r:
        t, batches = soon(), []
        for step, code in enumerate(CODES):
            batch = rows(r.catalog, "seoul/hall/pump0/main", [t + step * 100 * MS])
            batch.q[:] = code
            batches.append(batch)
        await r.publisher.publish(batches)
        await r.until(lambda: r.count() >= len(CODES))
        got = r.table("seoul/hall/pump0/main")
        for step, code in enumerate(CODES):
            x, q = got[t + step * 100 * MS]
            assert q == [from_opcua(to_opcua(code))] * 5
            assert all(np.isnan(x)) == (to_opcua(code) >= 0x80000000)


async def test_times_are_exact_to_the_nanosecond(rig):
    async with rig([device(0, period=0)]) as r:
        t = [soon() + extra for extra in (0, 1, 99, 100, 1234, 987_654_321)]
        await r.publisher.publish([rows(r.catalog, "seoul/hall/pump0/main", t)])
        await r.until(lambda: r.count() >= len(t))
        assert sorted(r.table("seoul/hall/pump0/main")) == t


async def test_a_fast_stream_comes_as_arrays_and_leaves_as_rows(rig):
    async with rig([device(0, fast=True)]) as r:
        t0, path, sent = soon(), "seoul/hall/pump0/wave", []
        for step in range(10):
            t = [t0 + (step * 50 + i) * MS for i in range(50)]
            batch = rows(r.catalog, path, t, seed=step, seq=step * 50)
            batch.q[3, 1] = BAD_SENSOR
            if step == 4:
                batch.t[7] += 11  # not evenly spaced
            sent.append(batch)
            await r.publisher.publish([batch])
        await r.until(lambda: r.count() >= 500)
        whole, got = concat(sent), r.table(path)
        assert sorted(got) == whole.t.tolist()
        assert [got[t][0] for t in whole.t.tolist()] == whole.x.tolist()
        assert [got[t][1] for t in whole.t.tolist()] == whole.q.tolist()


async def test_rows_written_while_the_server_is_away_come_from_its_history(rig):
    devices = [device(i, fast=i == 0) for i in range(5)]
    async with rig(devices) as r:
        start, wave, sent = soon(), "seoul/hall/pump0/wave", {}

        async def publish(step: int) -> None:
            t = start + step * 100 * MS
            batches = [rows(r.catalog, d.stream_path("main"), [t], seed=step) for d in devices]
            batches.append(rows(r.catalog, wave, [t + i * MS for i in range(100)], seed=step, seq=100 * step))
            for batch in batches:
                sent.setdefault(int(batch.stream[0]), []).append(batch)
            await r.publisher.publish(batches)

        for step in range(5):
            await publish(step)
        await r.until(lambda: r.count() >= 5 * 105)
        await r.publisher.cut()
        for step in range(5, 12):
            await publish(step)
        reading = asyncio.create_task(r.until(lambda: r.count() >= 20 * 105))
        await asyncio.sleep(0.3)
        r.publisher.server.config = r.publisher.server.config.model_copy(update={"extra_namespaces": ("urn:moved",)})
        await r.publisher.mend()
        for step in range(12, 20):
            await publish(step)
            await asyncio.sleep(0.02)
        await reading
        for index, batches in sent.items():
            path = r.catalog.streams[index].path
            whole, got = concat(batches), r.table(path)
            assert sorted(got) == whole.t.tolist()
            assert [got[t][0] for t in whole.t.tolist()] == whole.x.tolist()
        assert r.notes(Event) == []


async def test_a_gateway_that_was_killed_resumes_from_what_it_stored(rig):
    async with rig([device(0, fast=True)]) as r:
        t = soon()
        main, wave = "seoul/hall/pump0/main", "seoul/hall/pump0/wave"
        for step in range(10):
            await r.publisher.publish([rows(r.catalog, main, [t + step * 100 * MS])])
            times = [t + step * 100 * MS + i * MS for i in range(100)]
            await r.publisher.publish([rows(r.catalog, wave, times, seq=100 * step)])
        await r.source.close()
        r.source = OpcuaSource(r.source.config, r.seen)
        r.source.resume({main: t + 300 * MS, wave: t + 345 * MS})
        await r.source.connect()
        await r.until(lambda: r.count() >= 6 + 654)
        assert sorted(r.table(main)) == [t + step * 100 * MS for step in range(4, 10)]
        assert sorted(r.table(wave)) == [t + i * MS for i in range(346, 1000)]
        assert r.notes(Event) == []


async def test_without_history_a_gap_is_reported_with_its_range(rig):
    async with rig([device(0, fast=True)], history=0) as r:
        t, main, wave = soon(), "seoul/hall/pump0/main", "seoul/hall/pump0/wave"

        async def publish(step: int) -> None:
            now = t + step * 100 * MS
            times = [now + i * MS for i in range(100)]
            await r.publisher.publish([rows(r.catalog, main, [now]), rows(r.catalog, wave, times, seq=100 * step)])

        await publish(0)
        await r.until(lambda: r.count() >= 101)
        await r.publisher.cut()
        for step in range(1, 5):
            await publish(step)
        reading = asyncio.create_task(r.until(lambda: r.count() >= 202))
        await r.publisher.mend()
        await eventually(lambda: r.source._client.connected and r.source._rows.slots)
        await publish(5)
        await reading
        assert {(e.name, e.device, e.text) for e in r.notes(Event)} == {
            ("gap", "seoul/hall/pump0", f"stream=main after={t} before={t + 500 * MS}"),
            ("gap", "seoul/hall/pump0", f"stream=wave after={t + 99 * MS} before={t + 500 * MS}"),
        }


async def test_a_history_that_is_too_short_is_a_gap_too(rig):
    async with rig([device(0)], history="300ms") as r:
        t, main = soon(), "seoul/hall/pump0/main"
        await r.publisher.publish([rows(r.catalog, main, [t])])
        await r.until(lambda: r.count() >= 1)
        await r.publisher.cut()
        for step in range(1, 11):
            await r.publisher.publish([rows(r.catalog, main, [t + step * 100 * MS])])
        await r.publisher.mend()
        await r.until(lambda: r.count() >= 5)
        assert sorted(r.table(main)) == [t, *(t + step * 100 * MS for step in range(7, 11))]
        (gap,) = r.notes(Event)
        assert gap.text == f"stream=main after={t} before={t + 700 * MS}"


async def test_a_row_with_a_missing_value_comes_after_a_second(rig):
    async with rig([device(0)]) as r:
        main = "seoul/hall/pump0/main"
        slot = r.publisher.server.slots[main]
        dead = slot.cells.pop(1)
        slot.integer = np.delete(slot.integer, 1)
        part = rows(r.catalog, main, [soon()])
        slot.keeps = False
        narrow = replace(part, x=np.delete(part.x, 1, 1), q=np.delete(part.q, 1, 1))
        r.publisher.server.write([([slot], narrow)])
        await r.until(lambda: r.count() >= 1, timeout=5)
        x, q = r.table(main)[int(part.t[0])]
        assert q == [GOOD, BAD_COMM, GOOD, GOOD, GOOD]
        assert np.isnan(x[1])
        assert x[2:] == part.x[0, 2:].tolist()
        assert dead.code() is None


def command(name: str, **args: float) -> Command:
    now = wall_ns()
    cause = Cause("seoul/hall/pump0/main", 0, -1, now)
    return Command(f"c-{name}", "seoul/hall/pump0", name, "rule:hot", now, now + 10**10, dict(args), cause)


async def test_a_command_is_accepted_and_done(rig):
    async with rig([device(0)]) as r:
        sending = asyncio.create_task(r.source.send(command("derate", factor=0.5)))
        await eventually(lambda: r.commands)
        got = r.commands[0]
        assert (got.id, got.name, got.args, got.issuer) == ("c-derate", "derate", {"factor": 0.5}, "rule:hot")
        assert got.cause is not None
        assert got.cause.stream == "seoul/hall/pump0/main"
        await r.publisher.tell([CommandResult(got.id, got.device, "accepted", "at the next edge", wall_ns())])
        await sending
        await r.publisher.tell([CommandResult(got.id, got.device, "done", "factor 0.5", wall_ns())])
        await r.until(lambda: len(r.notes(CommandResult)) >= 2)
        assert [(n.id, n.status, n.detail) for n in r.notes(CommandResult)] == [
            ("c-derate", "accepted", "at the next edge"),
            ("c-derate", "done", "factor 0.5"),
        ]


async def test_commands_are_refused_with_a_reason(rig):
    async with rig([device(0)]) as r:
        await r.source.send(command("explode"))
        await r.source.send(command("stop", now=1.0))
        with pytest.raises(CommandRefused):
            await r.source.send(replace(command("stop"), device="seoul/hall/nobody"))
        await r.until(lambda: len(r.notes(CommandResult)) >= 2)
        assert [(n.status, n.detail) for n in r.notes(CommandResult)] == [
            ("refused", "unknown command explode"),
            ("refused", "unknown argument now"),
        ]
        assert r.commands == []


async def test_equipment_that_keeps_silent_has_accepted(rig):
    async with rig([device(0)], answer="50ms") as r:
        await r.source.send(command("stop"))
        await r.publisher.tell([CommandResult("c-stop", "seoul/hall/pump0", "failed", "jammed", wall_ns())])
        await r.until(lambda: len(r.notes(CommandResult)) >= 2)
        assert [n.status for n in r.notes(CommandResult)] == ["accepted", "failed"]


async def test_events_arrive_as_notes(rig):
    async with rig([device(0)]) as r:
        event = Event("seoul/hall/pump0", "failure", "bearing seized", wall_ns(), "alarm")
        await r.publisher.tell([event])
        await r.until(lambda: bool(r.notes(Event)))
        assert r.notes(Event) == [event]


async def test_a_server_that_is_not_there_is_not_connected(rig):
    async with rig([device(0)]) as r:
        await r.publisher.cut()
        with pytest.raises(NotConnected):
            await read_on(r)
        with pytest.raises(NotConnected):
            await r.source.connect()
        with pytest.raises(NotConnected):
            await r.source.send(command("stop"))


async def read_on(r) -> None:
    while True:
        await r.source.read()


async def test_a_server_that_says_nothing_at_all_is_not_connected(rig):
    async with rig([device(0)], connect=False) as r:
        quiet = OpcuaSourceConfig(url=r.publisher.server.url, publishing="50ms", silence="400ms")
        r.source = OpcuaSource(quiet, r.seen)
        await r.source.connect()
        with pytest.raises(TimeoutError):  # keep-alives alone hold a session
            await asyncio.wait_for(read_on(r), 1.0)
        for subscription in r.publisher.server._server.iserver.subscription_service.subscriptions.values():
            subscription._task.cancel()
        with pytest.raises(NotConnected, match="said nothing"):
            await read_on(r)


async def test_only_chosen_devices_are_read(rig):
    async with rig([device(0), device(1)], connect=False) as r:
        r.source = OpcuaSource(OpcuaSourceConfig(url=r.publisher.server.url, devices=("*/pump1",)), r.seen)
        await r.source.connect()
        assert list(r.seen.devices) == ["seoul/hall/pump1"]


async def test_nothing_is_left_running(rig):
    before = asyncio.all_tasks()
    async with rig([device(0)]) as r:
        await r.publisher.cut()
        await r.publisher.mend()
        await r.reconnect()
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() == before
