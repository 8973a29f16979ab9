from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.batch import Batch
from core.clock import MS, NS, wall_ns
from core.command import Cause, Command, CommandResult, Event
from core.spec import DeviceSpec
from simulator.commandlog import Logged, read_log
from simulator.inbox import Inbox
from simulator.pacer import Pace, Pacer
from tests.sim_worlds import AIR, HUB, PUMPS, START, build, command

FAULT = {"at": "2s", "device": "pump-01", "fault": "bearing_fatigue", "args": {"rate": 1e6}}


class Recorder:
    """Publisher that keeps everything; may send one command at the first row of a stream after an instant."""

    def __init__(self) -> None:
        self.devices: list[str] = []
        self.rows: dict[int, list[int]] = {}
        self.notes: list[Event | CommandResult] = []
        self.flushed = 0
        self.inbox: Inbox | None = None
        self.after = 0
        self.sent = False
        self.first = asyncio.Event()

    async def __aenter__(self) -> Recorder:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        self.devices += [d.path for d in devices]

    async def publish(self, batches: Sequence[Batch]) -> None:
        self.first.set()
        for batch in batches:
            for stream, rows in batch.by_stream():
                self.rows.setdefault(stream, []).extend(rows.seq.tolist())
            late = batch.t[batch.t > self.after]
            if self.inbox and not self.sent and len(late):
                self.sent = True
                cause = Cause("s", 0, 0, int(late[0]))
                args: dict[str, float | str] = {"factor": 0.5}
                self.inbox.put(Command("c1", "f1/util/pump-02", "derate", "rule:hot", 0, 1 << 62, args, cause))

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        self.notes += notes

    async def flush(self) -> None:
        self.flushed += 1


def pacer(pace: Pace, *domains: Any, publishers: Any = None, **more: Any) -> Pacer:
    world = build(*(domains or (PUMPS, HUB, AIR)), history="1d", faults=[FAULT])
    world.notes()
    return Pacer(world, publishers or {"mqtt": Recorder()}, pace, row_hash=True, **more)


def prints(p: Pacer) -> tuple[str, str]:
    assert p.rows is not None
    return p.rows.hexdigest(), p.events.hexdigest()


async def test_every_speed_and_quantum_gives_the_same_run_with_the_command_log(tmp_path: Path) -> None:
    until = 6 * NS
    first = Recorder()
    first.after = START + 2 * NS
    live = pacer(Pace(60.0, 50 * MS, until), publishers={"mqtt": first}, command_log=tmp_path / "c.jsonl")
    first.inbox = live.inbox
    await live.run()
    log = read_log(tmp_path / "c.jsonl")
    assert [entry.command.name for entry in log] == ["derate"]
    assert 2 * NS <= log[0].at < until
    assert [n.status for n in first.notes if isinstance(n, CommandResult)] == ["done"]
    assert any(n.name == "failure" for n in first.notes if isinstance(n, Event))
    for pace in (
        Pace(0, 50 * MS, until),
        Pace(0, NS, until),
        Pace(0, 3600 * NS, until, tick=7 * MS * 100),
        Pace(300.0, 250 * MS, until),
    ):
        again = pacer(pace, replay_commands=log)
        await again.run()
        assert prints(again) == prints(live)
    without = pacer(Pace(0, NS, until))
    await without.run()
    assert prints(without) != prints(live)


async def test_rows_go_to_the_publishers_of_their_protocols_once() -> None:
    mqtt, opcua = Recorder(), Recorder()
    p = pacer(Pace(0, NS, 5 * NS), publishers={"mqtt": mqtt, "sparkplug": mqtt, "opcua": opcua})
    await p.run()
    assert len(mqtt.devices) == 7
    assert opcua.devices == ["h1/out/out-1"]
    assert len(opcua.rows) == 1
    for seqs in mqtt.rows.values():
        assert seqs == list(range(len(seqs)))
    assert sum(map(len, mqtt.rows.values())) == p.counts.rows == int(p.emitted.sum())
    assert p.emitted_by_stream()["f1/util/pump-01/process"] == 5
    assert mqtt.flushed == opcua.flushed == 1
    assert p.drained.is_set()


async def test_loop_latency_runs_from_publication_to_arrival() -> None:
    rule = Recorder()
    rule.after = START + NS
    p = pacer(Pace(0, 50 * MS, 3 * NS), publishers={"mqtt": rule})
    rule.inbox = p.inbox
    await p.run()
    assert p.metrics.latencies["edge_loop"].count == 1
    latency = p.metrics.latency_ms()["edge_loop_p50"]
    assert latency is not None
    assert 0 <= latency < 1000


async def test_drain_ends_production_and_flushes() -> None:
    out = Recorder()
    p = pacer(Pace(1.0, 50 * MS), publishers={"mqtt": out})
    task = asyncio.create_task(p.run())
    await out.first.wait()
    p.drain()
    await task
    assert out.flushed == 1
    assert p.status()["rows"] == p.counts.rows > 0


async def test_a_late_pacer_says_so() -> None:
    p = pacer(Pace(1.0, 50 * MS, NS, anchor=wall_ns() - 60 * NS))
    await p.run()
    assert p.counts.overruns == p.counts.quanta == 20
    assert p.status()["behind_ms"] > 50_000


def test_inbox_takes_each_command_once_and_answers_the_expired() -> None:
    inbox = Inbox()
    assert inbox.put(command("d", "stop"))
    assert not inbox.put(command("d", "stop"))
    late = Command("2", "d", "stop", "user:x", 0, 100)
    assert inbox.put(late)
    valid, expired = inbox.take(100)
    assert [r.command.id for r in valid] == ["1"]
    assert [(r.id, r.status) for r in expired] == [("2", "expired")]
    assert inbox.take(100) == ([], [])
    assert inbox.duplicates == 1


def test_command_log_survives_a_torn_last_line(tmp_path: Path) -> None:
    from simulator.commandlog import log_line

    entry = Logged(5, command("d", "derate", factor=0.5))
    path = tmp_path / "log"
    path.write_text(log_line(entry) + log_line(entry)[:20])
    assert list(read_log(path)) == [entry]


def test_rows_carry_the_sid() -> None:
    world = build(PUMPS)
    world.sid = 77
    world.advance(NS)
    assert all((b.sid == 77).all() for b in world.render(0, NS))
