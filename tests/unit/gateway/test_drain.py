"""From the buffer to stores and listeners."""

import asyncio
import json
from contextlib import asynccontextmanager

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.catalog import Catalog
from core.clock import wall_ns
from core.command import Event
from core.errors import StoreError, StoreUnavailable
from core.metrics import Metrics
from gateway.buffer import Buffer, BufferConfig
from gateway.buffer_file import Entry
from gateway.deadletters import FILE, read
from gateway.drain import Drain, DrainConfig
from gateway.stages.downsample import Downsample, DownsampleConfig
from gateway.stores.extra import Busy
from gateway.stores.memory import MemoryStore, MemoryStoreConfig
from gateway.stores.parquet import ParquetConfig, ParquetStore
from tests.unit.gateway.test_stages import wave
from tests.unit.gateway.world import device, rows

EVENT = Event("s/a/p1", "failure", "x", 5)


@pytest.fixture
async def buffer(tmp_path):
    made = Buffer(
        BufferConfig(), tmp_path / "buffer", Catalog([device("p1", wave=True), device("p2", wave=True)]), Metrics()
    )
    made.open()
    made.start()
    yield made
    await made.close()


async def put(buffer: Buffer, *contents) -> None:
    now = wall_ns()
    await buffer.put([Entry(c, now, now - 5_000_000) for c in contents], births=True).done


def memory(catalog: Catalog) -> MemoryStore:
    return MemoryStore(MemoryStoreConfig(), catalog)


@asynccontextmanager
async def running(tmp_path, catalog, stores, **kw):
    config = DrainConfig.model_validate({"commit_every": "10ms", "live_every": "5ms", "backoff": "20ms"})
    made = Drain(config, tmp_path / "buffer", catalog, stores, **kw)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def stored_seqs(store: MemoryStore) -> list[int]:
    return sorted(s for b in store.batches for s in b.seq.tolist())


async def test_rows_and_notes_reach_the_store_and_the_listener_once_and_in_order(tmp_path, buffer):
    catalog = Catalog()
    store = memory(catalog)
    heard: list[int] = []
    notes = []

    def listener(batches, found) -> None:
        heard.extend(s for b in batches for s in b.seq.tolist())
        notes.extend(found)

    async with running(tmp_path, catalog, {"m": store}, listener=listener) as drain:
        for seq in range(20):
            await put(buffer, rows([seq]), *([[EVENT]] if seq == 7 else []))
        report = await drain.finish()
    assert heard == list(range(20))
    assert stored_seqs(store) == list(range(20))
    assert notes == store.notes == [EVENT]
    assert report["stored"] == {"s/a/p1/main": 20}
    assert json.loads((tmp_path / "buffer" / "drained.json").read_text()) == {"position": 21}
    assert drain.snapshot()["latency_ms"]["stored_p50"] >= 5
    assert drain.snapshot()["stored_values"] == 40
    assert [d.path for d in store.devices] == ["s/a/p1", "s/a/p2"]


async def test_the_platforms_own_stream_numbers_are_used(tmp_path, buffer):
    catalog = Catalog([device("p2", wave=True)])  # known from the history, before the gateway told of p1
    store = memory(catalog)
    async with running(tmp_path, catalog, {"m": store}) as drain:
        await put(buffer, rows([0], stream=buffer.catalog.index("s/a/p1/main")))
        report = await drain.finish()
    assert report["stored"] == {"s/a/p1/main": 1}
    assert store.batches[0].stream.tolist() == [catalog.index("s/a/p1/main")] == [2]


async def test_a_store_out_of_reach_is_tried_again_and_its_neighbour_goes_on(tmp_path, buffer):
    catalog = Catalog()
    good, bad = memory(catalog), memory(catalog)
    bad.faults = [StoreUnavailable("down"), Busy("slow down", 0.01)] * 2
    async with running(tmp_path, catalog, {"good": good, "bad": bad}) as drain:
        await put(buffer, rows(range(5)))
        report = await drain.finish()
    assert stored_seqs(good) == stored_seqs(bad) == list(range(5))
    assert report["positions"] == {"good": 1, "bad": 1}
    assert drain.metrics.counts["store_unavailable"] >= 4


async def test_the_gateway_may_trim_only_what_every_store_holds(tmp_path, buffer):
    catalog = Catalog()
    good, bad = memory(catalog), memory(catalog)
    bad.faults = [StoreUnavailable("down")] * 1000
    async with running(tmp_path, catalog, {"good": good, "bad": bad}) as drain:
        await put(buffer, rows(range(5)))
        report = await drain.finish(timeout_s=0.3)
    assert report["timed_out"]
    assert json.loads((tmp_path / "buffer" / "drained.json").read_text()) == {"position": 0}


async def test_a_refused_record_goes_to_the_dead_letters_alone(tmp_path, buffer):
    class Picky(MemoryStore):
        def write(self, batches, notes, position, extra=None):
            if any((b.x == 13.0).any() for b in batches):
                raise StoreError("does not like 13")
            super().write(batches, notes, position, extra)

    catalog = Catalog()
    store = Picky(MemoryStoreConfig(), catalog)
    async with running(tmp_path, catalog, {"m": store}) as drain:
        await put(buffer, *(rows([seq], flow=13.0 if seq == 4 else 1.0) for seq in range(9)))
        report = await drain.finish()
    assert stored_seqs(store) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert report["stored"] == {"s/a/p1/main": 8}
    (letter,) = read(tmp_path / "store" / FILE)
    assert "does not like 13" in letter.reason
    assert drain.snapshot()["store_rejected"] == 1


async def test_waveforms_reach_the_store_as_features_and_the_archive_raw(tmp_path, buffer):
    catalog = Catalog()
    store = memory(catalog)
    archive = ParquetStore(ParquetConfig(), tmp_path / "raw", catalog)
    archive.open()
    stages = {"m": [Downsample(DownsampleConfig(), catalog)]}
    async with running(tmp_path, catalog, {"m": store, "raw": archive}, stages=stages, archives=["raw"]) as drain:
        for at in range(0, 300, 50):
            await put(buffer, wave(np.ones(50), first=at), rows([at]), [EVENT])
        report = await drain.finish()
    assert report["stored"] == {"s/a/p1/main": 6, "s/a/p1/vibration": 300}, "counted as they came in"
    features = [b for b in store.batches if b.layout.name.endswith(".features")]
    assert sum(len(b) for b in features) == 3
    (file,) = (tmp_path / "raw").rglob("*.parquet")
    assert pq.read_table(file).column("seq").to_pylist() == list(range(300))


async def test_open_windows_survive_a_restart(tmp_path, buffer):
    catalog = Catalog()
    store = memory(catalog)
    await put(buffer, wave(np.ones(150)))
    for part in range(2):
        stages = {"m": [Downsample(DownsampleConfig(), catalog)]}
        async with running(tmp_path, catalog, {"m": store}, stages=stages) as drain:
            if part == 1:
                await put(buffer, wave(np.ones(50), first=150))
                await drain.finish()
            while store.position() < part + 1:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    assert [t for b in store.batches for t in b.t.tolist()] == [0, 10**9]


async def test_a_store_that_cannot_take_the_catalog_does_not_stop_its_neighbour(tmp_path, buffer):
    class Sick(MemoryStore):
        def catalogue(self, devices):
            raise StoreError("cannot")

    catalog = Catalog()
    good, sick = memory(catalog), Sick(MemoryStoreConfig(), catalog)
    async with running(tmp_path, catalog, {"good": good, "sick": sick}) as drain:
        await put(buffer, rows(range(5)))
        report = await drain.finish(timeout_s=0.3)
    assert stored_seqs(good) == list(range(5))
    assert report["timed_out"]
    assert drain.snapshot()["stores"]["sick"]["error"] == "cannot"


async def test_finishing_a_drain_that_has_ended_is_an_error(tmp_path, buffer):
    catalog = Catalog()
    async with running(tmp_path, catalog, {"m": memory(catalog)}) as drain:
        await asyncio.sleep(0.01)
    await put(buffer, rows(range(5)))
    with pytest.raises(StoreError, match="has ended"):
        await drain.finish()


async def test_a_drain_that_starts_first_waits_for_the_buffer(tmp_path):
    catalog = Catalog()
    store = memory(catalog)
    async with running(tmp_path, catalog, {"m": store}) as drain:
        await asyncio.sleep(0.05)
        made = Buffer(BufferConfig(), tmp_path / "buffer", Catalog([device()]), Metrics())
        made.open()
        made.start()
        await put(made, rows([0]))
        await drain.finish()
        await made.close()
    assert stored_seqs(store) == [0]


async def test_a_restart_goes_on_where_the_store_is(tmp_path, buffer):
    catalog = Catalog()
    store = memory(catalog)
    heard: list[int] = []
    for part in range(3):
        await put(buffer, rows([part]))
        async with running(
            tmp_path, catalog, {"m": store}, listener=lambda b, n: heard.extend(s for x in b for s in x.seq.tolist())
        ) as drain:
            await drain.finish()
    assert stored_seqs(store) == [0, 1, 2]
    assert heard == [0, 1, 2]
