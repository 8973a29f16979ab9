"""The platform's end of the buffer: to the stores at their pace, to live listeners at once."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from core.batch import Batch, merge
from core.catalog import Catalog
from core.clock import NS, mono_ns, wall_ns
from core.config import Config, Duration
from core.errors import StoreError, StoreUnavailable
from core.metrics import Metrics
from core.ports import Note, Stage
from gateway.buffer_file import DRAINED
from gateway.deadletters import DeadLetterConfig, DeadLetters
from gateway.feed import Feed, Translation
from gateway.reader import BufferReader, Record
from gateway.stores.extra import Busy, DrainStore, jittered

log = logging.getLogger(__name__)

Listener = Callable[[Sequence[Batch], Sequence[Note]], None]
T = TypeVar("T")


class DrainConfig(Config):
    """``commit_every``, ``commit_records``: a transaction holds what came in so long, at most so many records;
    ``live_every``: how often live listeners hear; ``backoff``: longest wait for a store that is out of reach.
    """

    commit_every: Duration = NS
    commit_records: int = 20_000
    live_every: Duration = NS // 20
    live_records: int = 2_000
    backoff: Duration = 10 * NS


class Drain:
    """Feeds every store, tells the gateway what may be trimmed, hands new rows and notes to a listener.

    Parameters
    ----------
    config
        Pace.
    folder
        The folder of the buffer.
    catalog
        The platform's catalog: grows with the births found in the buffer; its stream numbers are those of the
        listener's batches and of the stores.
    stores
        By name; the first is the main one (its figures are reported, the listener starts from its position).
        They must be open.
    stages
        By store name, each store its own instances.
    archives
        Names of stores that get only raw rows of fast streams.
    listener
        Called in the event loop with merged batches and notes, in order.
    """

    def __init__(
        self,
        config: DrainConfig,
        folder: Path,
        catalog: Catalog,
        stores: Mapping[str, DrainStore],
        stages: Mapping[str, Sequence[Stage]] | None = None,
        archives: Sequence[str] = (),
        listener: Listener | None = None,
        letters: DeadLetters | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.config, self.folder, self.catalog = config, folder, catalog
        self.metrics = metrics or Metrics()
        self.letters = letters or DeadLetters(DeadLetterConfig(), folder.parent / "store")
        self.listener = listener
        self.live_position = 0
        self.first_row_wall = 0
        self._feeds = [
            Feed(
                name,
                BufferReader(folder),
                catalog,
                store,
                (stages or {}).get(name, ()),
                self.letters,
                self.metrics,
                fast_only=name in archives,
                main=i == 0,
            )
            for i, (name, store) in enumerate(stores.items())
        ]
        self._live = BufferReader(folder)
        self._hurry = asyncio.Event()
        self._drained = -1
        self._ended = False

    async def run(self) -> None:
        """Run until cancelled; then what stages hold back is written too, if the stores allow."""
        self.letters.open()
        for feed in self._feeds:
            feed.open()
        self.live_position = self._feeds[0].position if self._feeds else 0
        live_thread = ThreadPoolExecutor(1, thread_name_prefix="live")
        try:
            async with asyncio.TaskGroup() as group:
                for feed in self._feeds:
                    group.create_task(self._follow(feed), name=f"feed {feed.name}")
                group.create_task(self._listen(live_thread), name="live feed")
        finally:
            self._ended = True
            live_thread.shutdown(wait=True)
            self._live.close()
            for feed in self._feeds:
                feed.close()
            self.letters.close()

    async def finish(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """Bring every store and the listener to the end of the buffer; return counts. :meth:`run` must go on.

        Raises
        ------
        StoreError
            If :meth:`run` has ended.
        """
        self._hurry.set()
        deadline = mono_ns() + round(timeout_s * NS)
        late = False
        while not await self._at_end():
            if self._ended:
                raise StoreError("the drain has ended; see its error")
            if mono_ns() > deadline:
                late = True
                break
            await asyncio.sleep(0.02)
        for feed in self._feeds:
            try:
                await _in(feed.thread, feed.finish)
            except StoreError as error:
                log.error("store %s cannot finish: %s", feed.name, error)
                late = True
        self._write_drained()
        return {"stored": self.stored(), "positions": {f.name: f.position for f in self._feeds}, "timed_out": late}

    def stored(self) -> dict[str, int]:
        """Return the rows that the main store has taken in, by stream path; exact over restarts."""
        return self._feeds[0].store.counts() if self._feeds else {}

    def snapshot(self) -> dict[str, Any]:
        """Return counts, latencies and states for the status file and the run report."""
        counts, stored = self.metrics.counts, self.stored()
        entries = ((self.catalog.find(path), rows) for path, rows in stored.items())
        return {
            "stored": stored,
            "stored_values": sum(len(e.spec.layout.channels) * rows for e, rows in entries if e is not None),
            "latency_ms": self.metrics.latency_ms(),
            "store_rejected": counts["store_rejected"],
            "first_row_wall": self.first_row_wall or None,
            "live_position": self.live_position,
            "stores": {f.name: {"position": f.position, "error": f.error} for f in self._feeds},
        }

    async def _follow(self, feed: Feed) -> None:
        """Carry records to one store for ever."""
        wait = 0.25
        while True:
            began = mono_ns()
            try:
                records = await _in(feed.thread, lambda: feed.read(self.config.commit_records))
                if records:
                    await self._carry(feed, records)
                wait, feed.error = 0.25, ""
            except StoreError as error:  # also one that is not worth a retry must not stop its neighbours
                if feed.error != str(error):
                    level = logging.INFO if isinstance(error, StoreUnavailable) else logging.ERROR
                    log.log(level, "store %s waits: %s", feed.name, error)
                feed.error = str(error)
                self.metrics.count("store_unavailable")
                pause = error.wait_s if isinstance(error, Busy) else wait
                wait = min(2 * wait, self.config.backoff / NS)
                hurried = self._hurry.is_set() and not isinstance(error, Busy)
                await asyncio.sleep(0.05 if hurried else jittered(pause))
                continue
            if len(records) < self.config.commit_records:
                await self._pause(began)

    async def _carry(self, feed: Feed, records: Sequence[Record]) -> None:
        """Write records and let the gateway trim; devices are catalogued first, in the event loop."""
        feed.uncatalogued += feed.translation.adopt()
        if feed.uncatalogued:
            await _in(feed.thread, feed.catalogue)
        await _in(feed.thread, lambda: feed.store_records(records))
        if feed.main and not self.first_row_wall and any(isinstance(r.content, Batch) for r in records):
            self.first_row_wall = wall_ns()
        self._write_drained()

    async def _pause(self, began: int) -> None:
        """Wait until the next transaction is due, or nothing is to be waited for any more."""
        # the very first row is awaited by people: no time to collect a transaction then
        due = self.config.commit_every if self.first_row_wall else self.config.live_every
        left = (due - (mono_ns() - began)) / NS
        if self._hurry.is_set():
            await asyncio.sleep(0.02)
            return
        try:
            async with asyncio.timeout(max(left, 0.01)):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def _listen(self, thread: ThreadPoolExecutor) -> None:
        """Hand new rows and notes to the listener."""
        translation = Translation(self._live.catalog, self.catalog)
        while True:
            try:
                records = await _in(thread, lambda: self._live.read(self.live_position, self.config.live_records))
            except StoreUnavailable:
                records = []  # the gateway has not made the buffer yet
            translation.adopt()
            if records:
                batches = [translation.batch(r.content) for r in records if isinstance(r.content, Batch)]
                notes = [note for r in records if not isinstance(r.content, Batch) for note in r.content]
                if self.listener is not None:
                    self.listener(merge(batches), notes)
                self.live_position = records[-1].position
            if len(records) < self.config.live_records:
                await asyncio.sleep(self.config.live_every / NS)

    async def _at_end(self) -> bool:
        try:
            end = await asyncio.to_thread(_end_of, self.folder)
        except StoreUnavailable:
            return True  # there never was a buffer
        return all(feed.position >= end for feed in self._feeds) and self.live_position >= end

    def _write_drained(self) -> None:
        """Tell the gateway up to where every store holds the records."""
        held = min((feed.store.position() for feed in self._feeds), default=0)
        if held == self._drained:
            return
        self._drained = held
        scratch = self.folder / f"{DRAINED}.part"
        scratch.write_text(json.dumps({"position": held}), encoding="utf-8")
        scratch.replace(self.folder / DRAINED)


def _end_of(folder: Path) -> int:
    reader = BufferReader(folder)
    try:
        return reader.end()
    finally:
        reader.close()


async def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, work)
