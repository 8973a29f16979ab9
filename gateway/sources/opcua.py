"""Source on OPC UA: learns devices by browsing, hears every value, repairs gaps from history, calls methods."""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.command import FINAL, Command, CommandResult, Event
from core.config import Duration
from core.errors import CommandRefused, DecodeError, NotConnected, WireError
from core.metrics import Metrics
from core.ports import Ack, Arrival, Note
from core.spec import DeviceSpec, load
from gateway.sources.opcua_map import MappedDevice
from wire.opcua import names
from wire.opcua.config import OpcuaClientConfig

if TYPE_CHECKING:
    from gateway.sources.opcua_rows import Gap, Taken
    from wire.opcua.client import Heard
    from wire.opcua.packing import Item

_TEXTS = 1 << 28  # handles of texts start here, those of channels at 0
_REMEMBER = 10_000
_BACK = 1_000_000_000  # a fast stream's position may lie inside a block: look this far before it


class OpcuaSourceConfig(OpcuaClientConfig):
    """An OPC UA server to read: one of ours, or a foreign one by a ``map`` of its nodes.

    ``devices`` are patterns of device paths such as ``seoul/hub/*``. ``late`` is how long rows of mapped nodes wait
    for changes that are under way.
    """

    kind: Literal["opcua"] = "opcua"
    devices: tuple[str, ...] = ("*",)
    map: tuple[MappedDevice, ...] = ()
    late: Duration = NS


async def _no_ack() -> None:
    """Acknowledge nothing: the server keeps history, not a session's backlog."""


class OpcuaSource:
    """Rows, events and command results of one server. Rows have sid 0 and no seq; (stream, t) tells them apart."""

    def __init__(self, config: OpcuaSourceConfig, catalog: Catalog, metrics: Metrics | None = None) -> None:
        # asyncua takes long to import: only who really reads OPC UA pays for it
        from gateway.sources.opcua_rows import RowBuilder
        from wire.opcua.client import Heard, OpcuaClient
        from wire.opcua.packing import join

        self.config = config
        self._catalog = catalog
        self.metrics = metrics or Metrics()
        self._client = OpcuaClient(config)
        self._positions: dict[str, int] = {}
        self._specs: dict[str, str] = {}
        self._nothing = Heard(0, join([]))
        self._new_rows = RowBuilder
        self._rows = RowBuilder()
        self._texts: dict[int, tuple[str, str]] = {}
        self._ready: deque[Arrival] = deque()
        self._said: OrderedDict[str, set[str]] = OrderedDict()
        self._revision = ""
        self._quiet_until: dict[str, int] = {}

    def resume(self, positions: Mapping[str, int]) -> None:
        """Tell the time (ns UTC) of the last stored row of each stream path, before ``connect``."""
        self._positions.update(positions)

    async def connect(self) -> None:
        """Open the session, learn the devices, subscribe, and read from history what was missed."""
        self._keep_positions()
        await self._client.close()
        self._rows, self._texts, self._specs, self._revision = self._new_rows(), {}, {}, ""
        try:
            await self._client.connect()
            await self._client.subscribe([(names.REVISION, self._name("revision", ""))])
            await self._learn()
        except WireError:
            await self._client.close()
            raise

    async def read(self) -> tuple[Sequence[Arrival], Ack]:
        """Return what came; waits for it. Raises NotConnected when the session is lost or silent."""
        while not self._ready:
            heard = await self._client.next(0.2 if self._rows.waiting else None)
            await self._digest(heard or self._nothing)
        arrivals = list(self._ready)
        self._ready.clear()
        return arrivals, _no_ack

    async def close(self) -> None:
        """End the session."""
        self._keep_positions()
        await self._client.close()

    async def send(self, command: Command) -> None:
        """Call the device's method; what it answers comes as notes of ``read``."""
        if not self._client.connected:
            raise NotConnected(f"{self.config.url}: not connected")
        if command.device not in self._specs:
            raise CommandRefused(f"{command.device} is not on {self.config.url}")
        place, method = names.testbed_id(command.device), names.command_id(command.device)
        try:
            status, detail, t = await self._client.call(place, method, names.write_command(command))
            result = CommandResult(command.id, command.device, status, detail, t)
        except NotConnected:
            raise
        except (WireError, ValueError) as error:
            result = CommandResult(command.id, command.device, "failed", str(error), command.t)
        notes = self._result(result)
        if notes:
            self._ready.append(Arrival(notes=notes))
            self._client.wake()

    def _keep_positions(self) -> None:
        for entry, last in zip(self._rows.slots, self._rows.last.tolist(), strict=True):
            if last:
                self._positions[entry.path] = last

    def _name(self, kind: str, device: str) -> int:
        handle = _TEXTS + len(self._texts)
        self._texts[handle] = (kind, device)
        return handle

    async def _learn(self) -> None:
        """Read the catalog of the server; subscribe what is new and fetch its history."""
        (revision,) = await self._client.texts([names.REVISION])
        self._revision = revision or ""
        paths = [p for p in await self._client.devices() if any(fnmatchcase(p, d) for d in self.config.devices)]
        texts = await self._client.texts([names.spec_id(path) for path in paths])
        births: list[DeviceSpec] = []
        items: list[tuple[str, int]] = []
        slots: list[int] = []
        rejects: list[tuple[str, str, bytes]] = []
        for path, text in zip(paths, texts, strict=True):
            if text is None or self._specs.get(path) == text:
                continue
            try:
                (spec,) = load([json.loads(text)])
            except (ValidationError, ValueError) as error:
                rejects.append((path, f"spec: {error}".splitlines()[0], text.encode()[:4096]))
                continue
            device = self._catalog.add(replace(spec, protocols=("opcua",)))
            self._specs[path] = text
            births.append(device)
            slots += self._watch(device, items)
        if births or rejects:
            self._ready.append(Arrival(births=births, rejects=rejects))
        refused = await self._client.subscribe(items)
        if refused:
            self._ready.append(Arrival(rejects=[(name, f"cannot be watched: {why}", b"") for name, why in refused]))
        await self._repair(slots)

    def _watch(self, device: DeviceSpec, items: list[tuple[str, int]]) -> list[int]:
        """List the nodes of a device to watch; returns its slots."""
        slots: list[int] = []
        newest = 0
        for stream in device.streams:
            path = device.stream_path(stream.name)
            entry = self._catalog.find(path)
            assert entry is not None
            known = [s for s, old in enumerate(self._rows.slots) if old.path == path]
            last = int(self._rows.last[known[-1]]) if known else self._positions.get(path, 0)
            newest = max(newest, last)
            slots.append(len(self._rows.slots))
            base = self._rows.add(entry, last)
            items += [
                (name, base + i) for i, name in enumerate(_nodes(entry.path, entry.spec.layout.columns, stream.fast))
            ]
        self._quiet_until[device.path] = newest
        items.append((names.result_id(device.path), self._name("result", device.path)))
        items.append((names.event_id(device.path), self._name("event", device.path)))
        return slots

    async def _repair(self, slots: Sequence[int]) -> None:
        """Read from history what was written after the last known row of each stream."""
        for group in self._groups(slots):
            nodes: list[tuple[str, int]] = []
            for slot in group:
                entry, base = self._rows.slots[slot], self._rows.base(slot)
                columns = _nodes(entry.path, entry.spec.layout.columns, entry.spec.fast)
                nodes += [(name, base + i) for i, name in enumerate(columns)]
            fast = self._rows.slots[group[0]].spec.fast
            start = min(int(self._rows.last[slot]) for slot in group)
            notices = await self._client.history(nodes, max(start - _BACK * fast, 0))
            if notices is None:
                self.metrics.count("opcua.no_history")
                continue
            self._rows.cover(notices)
            taken = self._rows.take(notices, mono_ns())
            self.metrics.count("opcua.repaired", sum(len(batch) for _, batch in taken.rows))
            self._deliver(_unsent(taken), 0)

    def _groups(self, slots: Sequence[int]) -> list[list[int]]:
        """Return streams in portions of some hundred nodes, fast ones apart."""
        groups: list[list[int]] = []
        size, was_fast = 0, False
        for slot in sorted(slots, key=lambda s: (self._rows.slots[s].spec.fast, int(self._rows.last[s]))):
            spec = self._rows.slots[slot].spec
            k = len(spec.layout.channels)
            if not groups or size + k > self.config.batch or was_fast != spec.fast:
                groups.append([])
                size = 0
            groups[-1].append(slot)
            size, was_fast = size + k, spec.fast
        return groups

    async def _digest(self, heard: Heard) -> None:
        notices = heard.notices
        if len(notices):
            self.metrics.count("opcua.notifications", len(notices))
            untimed = int(((notices.t == 0) & (notices.x == notices.x)).sum())  # a value, and no time: no row
            if untimed:
                self.metrics.count("opcua.untimed", untimed)
        texts = [item for item in notices.items if item.handle >= _TEXTS]
        if texts:
            notices = replace(notices, items=[item for item in notices.items if item.handle < _TEXTS])
        holes = self._rows.holes(notices)
        if holes:
            self._rows.unproven.update(holes)
            await self._repair(holes)
        self._deliver(self._rows.take(notices, mono_ns()), heard.arrived)
        notes = [note for item in texts for note in self._note(item)]
        if notes:
            self._ready.append(Arrival(notes=notes, arrived=heard.arrived))
        if any(self._texts.get(item.handle, ("",))[0] == "revision" for item in texts):
            await self._revise(texts)

    async def _revise(self, texts: Sequence[Item]) -> None:
        revision = next(str(i.value) for i in reversed(texts) if self._texts[i.handle][0] == "revision")
        if self._revision != revision:
            await self._learn()

    def _deliver(self, taken: Taken, arrived: int) -> None:
        by_sent: dict[int, list[int]] = {}
        for i, (sent, _) in enumerate(taken.rows):
            by_sent.setdefault(sent, []).append(i)
        if taken.gaps:
            self._ready.append(Arrival(notes=[_gap_note(gap) for gap in taken.gaps], arrived=arrived))
        for sent, rows in sorted(by_sent.items()):
            self._ready.append(Arrival(batches=[taken.rows[i][1] for i in rows], arrived=arrived, sent=sent))
        if taken.rejects:
            self.metrics.count("opcua.rejected", len(taken.rejects))
            self._ready.append(Arrival(rejects=taken.rejects, arrived=arrived))

    def _note(self, item: Item) -> Sequence[Note]:
        kind, device = self._texts.get(item.handle, ("", ""))
        with contextlib.suppress(DecodeError):
            if kind == "event":
                event = names.read_event(str(item.value))
                return [event] if event.t > self._quiet_until.get(device, 0) else []
            if kind == "result":
                result = names.read_result(str(item.value))
                return self._result(result) if result.t > self._quiet_until.get(device, 0) else []
        return []

    def _result(self, result: CommandResult) -> Sequence[Note]:
        """Return a result unless it was said before, or comes after the last word."""
        said = self._said.setdefault(result.id, set())
        if result.status in said or said & FINAL:
            return []
        said.add(result.status)
        while len(self._said) > _REMEMBER:
            self._said.popitem(last=False)
        return [result]


def _unsent(taken: Taken) -> Taken:
    """Return rows of history as rows of unknown sending time: how long they lay there is no latency."""
    return replace(taken, rows=[(0, batch) for _, batch in taken.rows])


def _nodes(path: str, columns: Sequence[str], fast: bool) -> list[str]:
    extra = (names.BLOCK, names.QUALITY) if fast else ()
    return [names.channel_id(path, column) for column in (*columns, *extra)]


def _gap_note(gap: Gap) -> Event:
    stream = gap.stream.rpartition("/")[2]
    text = f"stream={stream} after={gap.after} before={gap.before}"
    return Event(gap.device, "gap", text, gap.before, "warning")
