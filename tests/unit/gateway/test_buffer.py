import asyncio
import json
import sqlite3

import numpy as np
import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.command import Command, CommandResult, Event
from core.errors import StoreError, StoreUnavailable
from core.metrics import Metrics
from gateway.buffer import Buffer, BufferConfig
from gateway.buffer_file import DRAINED, FILE, Entry
from gateway.reader import BufferReader
from tests.unit.gateway.world import device, rows

NOTES = [
    Event("s/a/p1", "failure", "펌프가 멈췄습니다\nline", 5, "alarm"),
    Command("c1", "s/a/p1", "set_speed", "user:kim", 1, 2, {"speed": 1.5, "mode": "slow"}),
    CommandResult("c1", "s/a/p1", "done", "", 3),
]


def buffer(tmp_path, catalog=None, **config) -> Buffer:
    return Buffer(BufferConfig(**config), tmp_path, catalog or Catalog([device()]), Metrics())


async def put(made: Buffer, *contents, births=True, snapshot=None) -> None:
    await made.put([Entry(c, 10, 20) for c in contents], births, snapshot).done


async def test_rows_and_notes_come_back_as_they_went_in(tmp_path):
    made = buffer(tmp_path)
    made.open()
    made.start()
    batch = rows(range(3), flow=np.array([1.5, np.nan, -0.0]))
    await put(made, batch, list(NOTES))
    reader = BufferReader(tmp_path)
    first, second = reader.read(0)
    assert isinstance(first.content, Batch)
    for name in ("stream", "sid", "seq", "t", "x", "q"):
        np.testing.assert_array_equal(getattr(first.content, name), getattr(batch, name))
    assert second.content == NOTES
    assert (first.position, second.position, first.arrived, first.sent) == (1, 2, 10, 20)
    assert reader.catalog.devices["s/a/p1"] == device()
    assert reader.end() == 2
    reader.close()
    await made.close()


async def test_a_reader_follows_births_with_the_gateways_numbers(tmp_path):
    catalog = Catalog([device("p1")])
    made = buffer(tmp_path, catalog)
    made.open()
    made.start()
    await put(made, rows([0]))
    reader = BufferReader(tmp_path)
    reader.read(0)
    catalog.add(device("p3"))
    catalog.add(device("p2"))
    catalog.add(device("p1", wave=True))
    await put(made, rows([1], stream=3))
    reader.read(1)
    assert [e.path for e in reader.catalog.streams] == [e.path for e in catalog.streams]
    assert reader.catalog.devices == catalog.devices
    reader.close()
    await made.close()


async def test_a_restart_finds_catalog_snapshot_and_the_records_after_it(tmp_path):
    catalog = Catalog([device("p1"), device("p2")])
    made = buffer(tmp_path, catalog)
    made.open()
    made.start()
    await put(made, rows([0]))
    await put(made, rows([1]), snapshot={"seen": 2})
    await put(made, rows([2]), list(NOTES))
    await made.close()
    again_catalog = Catalog()
    again = buffer(tmp_path, again_catalog)
    restored = again.open()
    assert restored.snapshot == {"seen": 2}
    contents = [e.content for e in restored.records]
    assert contents[0].seq.tolist() == [2]
    assert contents[1] == NOTES
    assert again.position == 4
    assert [e.path for e in again_catalog.streams] == [e.path for e in catalog.streams]
    await again.close()


async def test_a_catalog_that_numbers_its_streams_differently_is_refused(tmp_path):
    made = buffer(tmp_path, Catalog([device("p1")]))
    made.open()
    made.start()
    await put(made, rows([0]))
    await made.close()
    with pytest.raises(StoreError, match="differently"):
        buffer(tmp_path, Catalog([device("p9")])).open()


async def test_what_all_stores_hold_is_trimmed_and_positions_go_on(tmp_path):
    made = buffer(tmp_path)
    made.open()
    made.start()
    for seq in range(6):
        await put(made, rows([seq]), snapshot={"at": seq} if seq == 3 else None)
    (tmp_path / DRAINED).write_text(json.dumps({"position": 6}))
    made._trimmed_at = 0
    await put(made, rows([6]))
    await made.close()
    db = sqlite3.connect(tmp_path / FILE)
    assert [p for (p,) in db.execute("SELECT pos FROM records")] == [5, 6, 7], "the snapshot needs 5 and on"
    db.close()
    again = buffer(tmp_path)
    again.open()
    assert again.position == 7
    await again.close()


async def test_positions_go_on_after_everything_was_trimmed(tmp_path):
    made = buffer(tmp_path)
    made.open()
    made.start()
    await put(made, rows([0]), rows([1]), snapshot={})
    (tmp_path / DRAINED).write_text(json.dumps({"position": 2}))
    made._trimmed_at = 0
    await put(made)
    await made.close()
    again = buffer(tmp_path)
    again.open()
    assert (again.position, again.bytes) == (2, 0)
    again.start()
    await put(again, rows([2]))
    reader = BufferReader(tmp_path)
    assert [r.position for r in reader.read(0)] == [3]
    reader.close()
    await again.close()


async def test_a_full_buffer_lags_until_the_platform_catches_up(tmp_path):
    made = buffer(tmp_path, limit_mb=0.00001)
    made.open()
    made.start()
    await put(made, rows(range(10)), snapshot={})
    waiting = asyncio.create_task(made.room())
    done, _ = await asyncio.wait({waiting}, timeout=0.15)
    assert not done
    assert made.metrics.counts["buffer_full"] == 1
    (tmp_path / DRAINED).write_text(json.dumps({"position": 1}))
    made._trimmed_at = 0
    await put(made)
    await asyncio.wait_for(waiting, 5)
    await made.close()


async def test_dropping_the_oldest_is_counted(tmp_path):
    made = buffer(tmp_path, limit_mb=0.00001, full="drop_oldest")
    made.open()
    made.start()
    for seq in range(3):
        await put(made, rows([seq]), snapshot={})
    for seq in range(3, 200):
        made._trimmed_at = 0
        await put(made, rows([seq]))
        if made.metrics.counts["buffer_dropped"] >= 3:
            break
    await made.room()
    assert made.metrics.counts["buffer_dropped"] >= 3
    await made.close()


async def test_groups_wait_for_each_other_no_longer_than_a_commit(tmp_path):
    made = buffer(tmp_path, group=10)
    made.open()
    made.start()
    groups = [made.put([Entry(rows([seq]), 0, 0)]) for seq in range(100)]
    await asyncio.gather(*(g.done for g in groups))
    assert 10 <= made.metrics.counts["commits"] <= 100
    assert made.position == 100
    await made.close()


async def test_closing_commits_what_is_queued(tmp_path):
    made = buffer(tmp_path)
    made.open()
    made.start()
    for seq in range(50):
        made.put([Entry(rows([seq]), 0, 0)])
    await made.close()
    db = sqlite3.connect(tmp_path / FILE)
    assert db.execute("SELECT count(*) FROM records").fetchone() == (50,)
    db.close()


async def test_a_disk_that_cannot_take_a_commit_delays_and_loses_nothing(tmp_path):
    made = buffer(tmp_path)
    made.open()
    faults = [sqlite3.OperationalError("database or disk is full")] * 2

    def trouble() -> None:
        if faults:
            raise faults.pop()

    made._before = trouble
    made.start()
    await put(made, rows([0]))
    assert made.metrics.counts["buffer_errors"] == 2
    assert made.position == 1
    await made.close()


def test_a_reader_waits_for_a_buffer_that_is_not_there_yet(tmp_path):
    with pytest.raises(StoreUnavailable):
        BufferReader(tmp_path).read(0)
