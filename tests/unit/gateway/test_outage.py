"""Hours without a store or with a full disk: memory and buffer stay within bounds, nothing is lost, all is told."""

import asyncio
import json
import sqlite3
import tracemalloc

from core.catalog import Catalog
from core.metrics import Metrics
from gateway.buffer import Buffer, BufferConfig
from gateway.buffer_file import DRAINED, Entry
from gateway.reader import BufferReader
from gateway.sources.memory import MemorySource, MemorySourceConfig
from tests.unit.gateway.test_service import gateway, running, until
from tests.unit.gateway.world import arrival, device, rows

ROWS, EACH = 200_000, 500
LIMIT_MB = 1.0


async def feed(source: MemorySource, n: int) -> None:
    for start in range(0, n, EACH):
        await source.feed(arrival(rows(range(start, start + EACH)), births=[device()] if not start else []))


async def test_200_000_rows_without_a_store_then_with_one(tmp_path):
    catalog = Catalog()
    source = MemorySource(MemorySourceConfig(depth=10), catalog)
    config = {"limit_mb": LIMIT_MB, "snapshot_every": "1h"}
    async with running(gateway(tmp_path, catalog, {"memory": source}, buffer=config)) as made:
        tracemalloc.start()
        feeding = asyncio.create_task(feed(source, ROWS))
        await until(lambda: made.metrics.counts["buffer_full"])
        acked = source.acked
        await asyncio.sleep(0.3)
        assert source.acked <= acked + 70, "what is not acknowledged stays with the broker"
        assert made.buffer.bytes < LIMIT_MB * 1e6 * 2
        assert made.snapshot()["buffer"]["over_limit"]
        assert not feeding.done()
        most = 0
        drained = tmp_path / "buffer" / DRAINED
        while not feeding.done() or made.metrics.counts["received"] < ROWS:
            drained.write_text(json.dumps({"position": made.buffer.position}))  # the store takes what there is
            most = max(most, made.buffer.bytes)
            await asyncio.sleep(0.02)
        await made.pipeline.append([]).done
        grown = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < LIMIT_MB * 1e6 * 3.5  # 64 reads may be on their way when it fills
        assert grown < 40e6
        assert made.metrics.counts["buffer_dropped"] == 0
        assert made.validator.totals()["received"] == ROWS


async def test_a_disk_that_is_full_for_long_holds_everyone_up_and_loses_nothing(tmp_path, monkeypatch):
    catalog = Catalog()
    source = MemorySource(MemorySourceConfig(depth=5), catalog)
    made = gateway(tmp_path, catalog, {"memory": source}, inflight=8)
    healthy, full = made.buffer._file.insert, [False]

    def insert(*args):
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        return healthy(*args)

    monkeypatch.setattr(made.buffer._file, "insert", insert)
    async with running(made):
        await until(lambda: made.states["memory"].state == "connected")
        full[0] = True
        feeding = asyncio.create_task(feed(source, 20_000))
        await until(lambda: made.metrics.counts["buffer_errors"] >= 4)
        assert source.acked == 0
        assert made.buffer.queued <= 8 + 4
        assert not feeding.done()
        for _ in range(5_000):
            made.letters.add("mqtt", "t", "not-json", b"{")  # the disk takes no dead letters either
        full[0] = False
        await feeding
        await until(lambda: source.acked == 40)
    reader = BufferReader(tmp_path / "buffer")
    kept = [seq for r in reader.read(0, 10_000) if not isinstance(r.content, list) for seq in r.content.seq.tolist()]
    reader.close()
    assert kept == list(range(20_000))


async def test_dropping_the_newest_is_counted_and_told_and_notes_stay(tmp_path, caplog):
    made = Buffer(BufferConfig(limit_mb=0.001, full="drop_newest"), tmp_path, Catalog([device()]), Metrics())
    made.open()
    made.start()
    for n in range(0, 500, 50):
        await made.room()
        await made.put([Entry(rows(range(n, n + 50)), 0, 0), Entry([], 0, 0)]).done
    reader = BufferReader(tmp_path)
    contents = [r.content for r in reader.read(0)]
    reader.close()
    dropped = made.metrics.counts["buffer_dropped"]
    kept = [c for c in contents if not isinstance(c, list)]
    assert dropped == 10 - len(kept) > 5
    assert kept[0].seq[0] == 0
    assert len(contents) - len(kept) == 10
    assert "new records are dropped" in caplog.text
    await made.close()
