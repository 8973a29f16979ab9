"""One store's way through the buffer: read by position, apply stages, write; at its own pace."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from core.batch import Batch, merge
from core.catalog import Catalog
from core.clock import wall_ns
from core.errors import StoreError, StoreUnavailable
from core.metrics import Metrics
from core.ports import Note, Stage
from core.spec import DeviceSpec, LayoutSpec
from gateway import notes as notes_json
from gateway.deadletters import DeadLetters
from gateway.reader import BufferReader, Record
from gateway.stores.extra import DrainStore, Extra

log = logging.getLogger(__name__)


@runtime_checkable
class Holds(Protocol):
    """A stage that keeps rows back; its state goes with the position."""

    def flush(self) -> Sequence[Batch]:
        """Give out what is kept back."""
        ...

    def dump(self) -> dict[str, Any]:
        """Return what is kept back as JSON-ready values."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Take over the state of :meth:`dump`."""
        ...


class Translation:
    """From the gateway's stream numbers and layouts to the platform's."""

    def __init__(self, theirs: Catalog, ours: Catalog) -> None:
        self.theirs, self.ours = theirs, ours
        self._number: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._seen: dict[str, DeviceSpec] = {}
        self._layouts: dict[str, LayoutSpec] = {}

    def adopt(self) -> list[DeviceSpec]:
        """Add devices that are new or changed to our catalog; return them."""
        new = [d for path, d in self.theirs.devices.items() if self._seen.get(path) is not d]
        out = [self._add(device) for device in new]
        if len(self._number) < len(self.theirs.streams):
            self._number = np.array([self.ours.index(e.path) for e in self.theirs.streams], dtype=np.int32)
        return out

    def batch(self, batch: Batch) -> Batch:
        """Return a batch with our stream numbers and layout."""
        layout = self._layouts.get(batch.layout.name)
        if layout is None or layout.channels != batch.layout.channels:
            layout = self._layouts[batch.layout.name] = self._layout(batch)
        return Batch(layout, self._number[batch.stream], batch.sid, batch.seq, batch.t, batch.x, batch.q)

    def _add(self, device: DeviceSpec) -> DeviceSpec:
        self._seen[device.path] = device
        known = self.ours.devices.get(device.path)
        return known if known == device else self.ours.add(device)

    def _layout(self, batch: Batch) -> LayoutSpec:
        """Return our layout with the batch's channels; ours may have another name for them."""
        known = self.ours.layouts.get(batch.layout.name)
        if known is None or known.channels == batch.layout.channels:
            return batch.layout
        entry = self.ours.streams[int(self._number[batch.stream[0]])]
        return entry.spec.layout if entry.spec.layout.channels == batch.layout.channels else batch.layout


class Feed:
    """Carries records to one store. ``read`` and ``store_records`` run in the feed's own thread.

    Parameters
    ----------
    name
        For logs and counters.
    reader
        A reader of its own.
    catalog
        The platform's catalog.
    store
        Where to.
    stages
        Applied in order before the store.
    fast_only
        Hand over only rows of fast streams (the raw archive); notes are left out too.
    """

    def __init__(
        self,
        name: str,
        reader: BufferReader,
        catalog: Catalog,
        store: DrainStore,
        stages: Sequence[Stage],
        letters: DeadLetters,
        metrics: Metrics,
        fast_only: bool = False,
        main: bool = False,
    ) -> None:
        self.name, self.reader, self.catalog, self.store, self.stages = name, reader, catalog, store, stages
        self.letters, self.metrics, self.fast_only, self.main = letters, metrics, fast_only, main
        self.position = 0
        self.error = ""
        self.uncatalogued: list[DeviceSpec] = []
        self.translation = Translation(reader.catalog, catalog)
        self.thread = ThreadPoolExecutor(1, thread_name_prefix=f"feed-{name}")
        self._fast: dict[int, bool] = {}

    def open(self) -> None:
        """Take over position and stage state; the store is open."""
        self.position = self.store.position()
        state = self.store.state()
        if state:
            for stage, kept in zip(self._holding(), json.loads(state), strict=False):
                stage.load(kept)

    def read(self, limit: int) -> list[Record]:
        """Return the next records."""
        return self.reader.read(self.position, limit)

    def catalogue(self) -> None:
        """Tell the store of devices that it does not know yet."""
        self.store.catalogue(self.uncatalogued)
        self.uncatalogued = []

    def store_records(self, records: Sequence[Record]) -> None:
        """Write records; a record that the store refuses goes to the dead letters alone.

        Raises
        ------
        StoreUnavailable
            Nothing of what is left was written; :attr:`position` tells what was.
        """
        before = [stage.dump() for stage in self._holding()]
        try:
            self._write(records)
        except StoreUnavailable:
            self._undo(before)
            raise
        except StoreError as error:
            self._undo(before)
            if len(records) > 1:
                half = len(records) // 2
                self.store_records(records[:half])
                self.store_records(records[half:])
            else:
                self._bury(records[0], error)

    def finish(self) -> None:
        """Give out what stages and store keep back."""
        rows = [made for stage in self._holding() for made in stage.flush()]
        state = json.dumps([stage.dump() for stage in self._holding()])
        if rows:
            self.store.write(merge(rows), [], self.position, Extra({}, state))
        self.store.flush()

    def close(self) -> None:
        """End the feed's thread and reader."""
        self.thread.shutdown(wait=True)
        self.reader.close()

    def _write(self, records: Sequence[Record]) -> None:
        batches: list[Batch] = []
        notes: list[Note] = []
        counts: Counter[int] = Counter()
        sent: list[tuple[int, int]] = []
        for record in records:
            if not isinstance(record.content, Batch):
                notes += () if self.fast_only else record.content
                continue
            batch = self.translation.batch(record.content)
            if self.fast_only:
                batch = batch.take(self._mask(batch.stream))
            if len(batch):
                batches.append(batch)
                sent.append((record.sent, len(batch)))
        merged = merge(batches)
        for batch in merged:
            streams, rows = np.unique(batch.stream, return_counts=True)
            counts.update(dict(zip(streams.tolist(), rows.tolist(), strict=True)))
        for stage in self.stages:
            merged = [made for b in merged for made in stage.apply(b)]
        state = json.dumps([stage.dump() for stage in self._holding()]) if self.stages else ""
        last = records[-1].position
        self.store.write([b for b in merged if len(b)], notes, last, Extra(counts, state))
        self.position = last
        self._count(counts, notes, sent)

    def _count(self, counts: Counter[int], notes: Sequence[Note], sent: Sequence[tuple[int, int]]) -> None:
        self.metrics.count(f"writes_{self.name}")
        if not self.main:
            return
        now = wall_ns()
        for at, rows in sent:
            if at:
                self.metrics.time("stored", now - at, rows)
        self.metrics.count("stored", counts.total())
        for note in notes:
            self.metrics.count(f"stored_{notes_json.NAME_OF[type(note)]}")

    def _bury(self, record: Record, error: StoreError) -> None:
        """Put one refused record away and go on after it."""
        log.error("store %s refuses record %d: %s", self.name, record.position, error)
        self.metrics.count("store_rejected")
        if isinstance(record.content, Batch):
            payload, topic = record.content.pack(), record.content.layout.name
        else:
            payload, topic = notes_json.pack(record.content), "notes"
        self.letters.add(f"store:{self.name}", f"{topic}@{record.position}", f"refused: {error}"[:200], payload)
        self.letters.flush()
        state = json.dumps([stage.dump() for stage in self._holding()]) if self.stages else ""
        self.store.write([], [], record.position, Extra({}, state))
        self.position = record.position

    def _undo(self, before: Sequence[dict[str, Any]]) -> None:
        for stage, kept in zip(self._holding(), before, strict=True):
            stage.load(kept)

    def _holding(self) -> list[Holds]:
        return [stage for stage in self.stages if isinstance(stage, Holds)]

    def _mask(self, stream: NDArray[np.int32]) -> NDArray[np.bool_]:
        for index in set(stream.tolist()) - self._fast.keys():
            self._fast[index] = self.catalog.streams[index].spec.fast
        return np.array([self._fast[index] for index in stream.tolist()], dtype=np.bool_)
