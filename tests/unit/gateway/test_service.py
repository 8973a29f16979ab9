"""The whole gateway with scripted sources: order, delivery, supervision, commands."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from core.catalog import Catalog
from core.clock import NS, RunClock, wall_ns
from core.command import Command, CommandResult, Event, NodeState
from core.errors import EndOfStream, NotConnected, StoreError
from gateway.kinds import GatewayConfig
from gateway.reader import BufferReader
from gateway.service import Gateway
from gateway.sources.memory import MemorySource, MemorySourceConfig
from tests.unit.gateway.world import MAX, arrival, device, rows, timed

RULE = {
    "name": "hot",
    "when": {"kind": "pump", "channel": "temp", "op": ">", "value": 80},
    "then": {"command": "stop"},
}


def source(catalog: Catalog, **kw) -> MemorySource:
    return MemorySource(MemorySourceConfig(), catalog, **kw)


class OneWay:
    """A source that carries commands but has no result topic."""

    def __init__(self, inner: MemorySource) -> None:
        self.connect, self.read, self.close, self.send = inner.connect, inner.read, inner.close, inner.send
        self.inner = inner
        self.feed, self.sent = inner.feed, inner.sent


def gateway(tmp_path, catalog, sources, clock: RunClock = MAX, **config) -> Gateway:
    return Gateway(GatewayConfig.model_validate(config), tmp_path, catalog, sources, clock)


@asynccontextmanager
async def running(made: Gateway):
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        made.stop()
        await asyncio.wait_for(task, 30)


async def until(condition, timeout: float = 30.0) -> None:
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - many things are waited for, not all have an event
            await asyncio.sleep(0.005)


def records(tmp_path, after: int = 0):
    reader = BufferReader(tmp_path / "buffer")
    try:
        return reader.read(after, 100_000)
    finally:
        reader.close()


def seqs(tmp_path) -> list[int]:
    return [s for r in records(tmp_path) if not isinstance(r.content, list) for s in r.content.seq.tolist()]


async def test_rows_are_acknowledged_only_after_their_commit(tmp_path):
    catalog = Catalog()
    src = source(catalog)
    seen: list[tuple[int, int]] = []

    class Watching(MemorySource):
        async def read(self):
            arrivals, ack = await super().read()

            async def watched() -> None:
                seen.append((len(seqs(tmp_path)), self.acked))
                await ack()

            return arrivals, watched

    src = Watching(MemorySourceConfig(), catalog)
    await src.feed(arrival(births=[device()]))
    for seq in range(3):
        await src.feed(arrival(rows([seq])))
    await src.end()
    made = gateway(tmp_path, catalog, {"mqtt": src})
    await asyncio.wait_for(made.run(), 30)
    assert src.acked == 4
    assert all(stored >= acked for stored, acked in seen)
    assert seen[-1] == (3, 3)
    assert seqs(tmp_path) == [0, 1, 2]


async def test_redelivered_rows_are_acknowledged_and_not_stored_again(tmp_path):
    catalog = Catalog([device()])
    src = source(catalog)
    for _ in range(3):
        await src.feed(arrival(rows(range(5))))
    await src.end()
    made = gateway(tmp_path, catalog, {"mqtt": src})
    await asyncio.wait_for(made.run(), 30)
    assert seqs(tmp_path) == list(range(5))
    assert src.acked == 3
    assert made.snapshot()["duplicated"] == 10


async def test_a_lost_connection_is_mended_and_loses_nothing(tmp_path):
    catalog = Catalog([device()])
    src = source(catalog)
    made = gateway(tmp_path, catalog, {"mqtt": src}, supervise={"first": "1ms"})
    async with running(made):
        await src.feed(arrival(rows([0])))
        await until(lambda: src.acked == 1)
        src.drop()
        await src.feed(arrival(rows([1])))
        await src.feed(arrival(rows([2])))
        await until(lambda: made.snapshot()["received"] == 3)
        assert made.snapshot()["sources"]["mqtt"]["reconnects"] >= 1
    assert seqs(tmp_path) == [0, 1, 2]


async def test_a_source_that_fails_does_not_stop_its_neighbour(tmp_path):
    class Broken:
        async def connect(self):
            raise RuntimeError("bug")

        async def read(self):
            raise AssertionError

        async def close(self):
            raise OSError("cannot even close")

    catalog = Catalog([device()])
    src = source(catalog)
    made = gateway(tmp_path, catalog, {"broken": Broken(), "mqtt": src}, supervise={"first": "1ms"})
    async with running(made):
        await src.feed(arrival(rows(range(4))))
        await until(lambda: src.acked == 1 and made.states["broken"].reconnects > 2)
    assert seqs(tmp_path) == [0, 1, 2, 3]
    assert "RuntimeError" in made.snapshot()["sources"]["broken"]["error"]


async def test_rows_that_do_not_fit_go_to_the_dead_letters_and_their_neighbours_pass(tmp_path):
    catalog = Catalog([device()])
    src = source(catalog)
    future = rows([9], t0=wall_ns() + 3600 * NS)
    bad = [("iiot/v1/x", "not-json", b"{"), ("iiot/v1/y", "too-large", b"x" * 10_000)]
    await src.feed(arrival(rows([0], t0=wall_ns()), future, rows([1], t0=wall_ns()), rejects=bad))
    await src.end()
    now = wall_ns()
    made = gateway(tmp_path, catalog, {"mqtt": src}, RunClock(now, now, 1.0))
    await asyncio.wait_for(made.run(), 30)
    assert seqs(tmp_path) == [0, 1]
    assert made.snapshot()["dead_letters"]["counts"] == {"not-json": 1, "too-large": 1, "future": 1}
    assert made.snapshot()["rejected"] == 3


async def test_a_rule_commands_after_row_and_audit_line_are_committed(tmp_path):
    catalog = Catalog([device()])
    found: list[list[str]] = []

    def on_command(command: Command) -> None:
        found.append([type(r.content).__name__ for r in records(tmp_path)])

    src = source(catalog, on_command=on_command)
    await src.feed(arrival(rows([0], temp=90)))
    made = gateway(tmp_path, catalog, {"mqtt": src}, rules=[RULE])
    async with running(made):
        await until(lambda: src.sent)
    assert found == [["Batch", "list"]]
    (audit,) = (n for r in records(tmp_path) if isinstance(r.content, list) for n in r.content)
    assert audit == src.sent[0]
    assert audit.issuer == "rule:hot"


async def test_a_request_is_checked_sent_and_its_results_kept_once(tmp_path):
    catalog = Catalog([device(protocols=("opcua",))])
    mqtt, opcua = source(catalog), OneWay(source(catalog))
    request = Command("r1", "s/a/p1", "stop", "user:kim", 1, 0)
    strange = Command("r2", "s/a/p1", "stop", "nobody", 1, 0)
    made = gateway(tmp_path, catalog, {"mqtt": mqtt, "opcua": opcua})
    async with running(made):
        await mqtt.feed(arrival(notes=[request, strange, request]))
        await until(lambda: opcua.sent)
        await opcua.feed(arrival(notes=[CommandResult("r1", "s/a/p1", "done", "", 5)] * 2))
        await until(lambda: any(r.status == "done" for r in mqtt.results))
        await until(lambda: opcua.inner.acked == 1)
    assert [c.id for c in opcua.sent] == ["r1"]
    assert mqtt.sent == []
    assert {(r.id, r.status) for r in mqtt.results} >= {("r2", "refused"), ("r1", "done")}
    notes = [n for r in records(tmp_path) if isinstance(r.content, list) for n in r.content]
    assert [(type(n).__name__, n.id) for n in notes] == [
        ("Command", "r1"), ("Command", "r2"), ("CommandResult", "r2"), ("CommandResult", "r1"),
    ]  # fmt: skip


async def test_events_and_births_reach_the_buffer(tmp_path):
    catalog = Catalog()
    src = source(catalog)
    event = Event("s/a/p1", "failure", "broke", 5, "alarm")
    await src.feed(arrival(births=[device(), device("p2")], notes=[event]))
    await src.end()
    await asyncio.wait_for(gateway(tmp_path, catalog, {"mqtt": src}).run(), 30)
    reader = BufferReader(tmp_path / "buffer")
    assert reader.read(0)[0].content == [event]
    assert set(reader.catalog.devices) == {"s/a/p1", "s/a/p2"}
    reader.close()


async def test_drain_asks_for_what_is_missing_and_waits_for_it(tmp_path):
    catalog = Catalog([device()])
    src = source(catalog)
    made = gateway(tmp_path, catalog, {"mqtt": src})
    async with running(made):
        await src.feed(arrival(rows([0, 1, 5])))
        await src.feed(arrival(states=[NodeState("s/a/n", False, 7, {"s/a/p1/main": 7})]))
        draining = asyncio.create_task(made.drain(timeout_s=10, quiet_s=0.05))
        await until(lambda: len(src.asked) >= 2)
        assert {a[3:] for a in src.asked} >= {(2, 4), (6, 7)}
        assert not draining.done()
        await src.feed(arrival(rows([2, 3, 4, 6, 7])))
        report = await draining
    assert report["streams"] == {"s/a/p1/main": 8}
    assert (report["received"], report["open_gaps"], report["timed_out"]) == (8, 0, False)


async def test_rows_announced_before_the_birth_are_asked_for(tmp_path):
    """A gateway that comes after everything was sent: the retained state reaches it ahead of the retained birth."""
    catalog = Catalog()
    src = source(catalog)
    made = gateway(tmp_path, catalog, {"mqtt": src})
    async with running(made):
        await src.feed(arrival(states=[NodeState("s/a/n", True, 7, {"s/a/p1/main": 1})]))
        await src.feed(arrival(births=[device()]))
        await until(lambda: src.asked)
        assert src.asked[0][3:] == (0, 1)
        await src.feed(arrival(rows([0, 1])))
        report = await made.drain(timeout_s=10, quiet_s=0.05)
    assert (report["received"], report["open_gaps"]) == (2, 0)


async def test_drain_waits_for_what_was_sent_and_for_sources_that_are_away(tmp_path):
    catalog = Catalog([device()])
    src = source(catalog)
    made = gateway(tmp_path, catalog, {"mqtt": src})
    async with running(made):
        draining = asyncio.create_task(made.drain(timeout_s=10, quiet_s=0.01, expected={"s/a/p1/main": 2}))
        await src.feed(arrival(rows([0])))
        await asyncio.sleep(0.1)
        assert not draining.done()
        await src.feed(arrival(rows([1])))
        assert not (await draining)["timed_out"]
        made.states["mqtt"].state = "waiting"
        assert (await made.drain(timeout_s=0.1, quiet_s=0.01))["timed_out"]


async def test_commands_without_an_answer_end_with_the_run(tmp_path):
    catalog = Catalog([device()])
    src = source(catalog)
    made = gateway(tmp_path, catalog, {"mqtt": src})
    async with running(made):
        await src.feed(arrival(notes=[Command("r1", "s/a/p1", "stop", "user:kim", 1, 0)]))
        await until(lambda: src.sent)
        await made.drain(timeout_s=10, quiet_s=0.01)
        assert made.snapshot()["commands"]["expired"] == 1
    results = [n for r in records(tmp_path) if isinstance(r.content, list) for n in r.content]
    assert [r.status for r in results if isinstance(r, CommandResult)] == ["expired"]


async def test_drain_gives_up_on_a_device_that_does_not_answer(tmp_path):
    catalog = Catalog([device(replay=False)])
    src = source(catalog)
    made = gateway(tmp_path, catalog, {"mqtt": src})
    async with running(made):
        await src.feed(arrival(rows([0, 5])))
        report = await made.drain(timeout_s=10, quiet_s=0.05)
        assert not report["timed_out"]
        assert made.snapshot()["lost"] == 4
    notes = [n for r in records(tmp_path) if isinstance(r.content, list) for n in r.content]
    assert [n.name for n in notes] == ["gap"]


async def test_a_restart_knows_rows_holes_and_commands(tmp_path):
    request = Command("r1", "s/a/p1", "stop", "user:kim", 1, 0)

    async def life(*arrivals) -> tuple[Gateway, MemorySource]:
        catalog = Catalog()
        src = source(catalog)
        for item in arrivals:
            await src.feed(item)
        await src.end()
        made = gateway(tmp_path, catalog, {"mqtt": src}, rules=[RULE])
        await asyncio.wait_for(made.run(), 30)
        return made, src

    first = arrival(rows([0, 1, 4]), rows([5], temp=99), births=[device()], notes=[request])
    _, src = await life(first)
    assert len(src.sent) == 2
    again, src = await life(first, arrival(rows([6], temp=99)))
    assert src.sent == [], "nothing moves twice, and the rule still holds"
    assert again.snapshot()["received"] == 5
    assert len(again.validator.gaps) == 1
    assert seqs(tmp_path) == [0, 1, 4, 5, 6]


async def test_sources_that_keep_history_are_told_where_to_go_on(tmp_path):
    told: list[dict[str, int]] = []

    class Historian(MemorySource):
        def resume(self, positions) -> None:
            told.append(dict(positions))

    catalog = Catalog([device(protocols=("opcua",))])
    src = Historian(MemorySourceConfig(), catalog)
    made = gateway(tmp_path, catalog, {"opcua": src}, supervise={"first": "1ms"})
    async with running(made):
        await src.feed(arrival(timed([10, 20])))
        await until(lambda: src.acked == 1)
        src.drop()
        await src.feed(arrival(timed([30])))
        await until(lambda: len(told) >= 2 and src.acked == 2)
    assert told[0] == {}
    assert told[1] == {"s/a/p1/main": 30}


async def test_reads_wait_while_too_many_groups_are_in_flight(tmp_path):
    catalog = Catalog([device()])
    reads = 0

    class Endless:
        async def connect(self):
            return

        async def read(self):
            nonlocal reads
            reads += 1
            if reads > 500:
                raise EndOfStream("enough")
            return [arrival(rows([reads]))], never

        async def close(self):
            return

    gate = asyncio.Event()

    async def never() -> None:
        await gate.wait()

    made = gateway(tmp_path, catalog, {"memory": Endless()}, inflight=4)
    async with running(made):
        await until(lambda: reads >= 5)
        await asyncio.sleep(0.05)
        assert reads <= 7
        gate.set()
        await until(lambda: made.snapshot()["received"] == 500)


async def test_a_buffer_that_cannot_be_opened_says_so(tmp_path):
    (tmp_path / "buffer").mkdir()
    (tmp_path / "buffer" / "buffer.sqlite").write_bytes(b"this is not a database, surely" * 100)
    made = gateway(tmp_path, Catalog(), {})
    with pytest.raises(StoreError, match=r"buffer\.sqlite"):
        await made.run()


async def test_an_acknowledgement_on_a_dead_connection_is_counted(tmp_path):
    class Deaf(MemorySource):
        async def read(self):
            arrivals, _ = await super().read()

            async def gone() -> None:
                raise NotConnected("gone")

            return arrivals, gone

    catalog = Catalog([device()])
    src = Deaf(MemorySourceConfig(), catalog)
    await src.feed(arrival(rows([0])))
    await src.end()
    made = gateway(tmp_path, catalog, {"mqtt": src})
    await asyncio.wait_for(made.run(), 30)
    assert made.metrics.counts["acks_lost"] == 1
