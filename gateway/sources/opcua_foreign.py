"""Source on a foreign OPC UA server: mapped nodes become rows on a grid, methods and writes become commands.

After a lost session the nodes are found anew (their ids may have moved), and the changes that were missed are read from
the server's history. A stream is whole if, for each of its channels, the history still holds the change that the last
row stood on, or the present value has not changed since; else its rows from then to now are a gap with its exact range.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.catalog import Catalog
from core.clock import NS, wall_ns
from core.command import Command, CommandResult, Event
from core.errors import CommandRefused, NotConnected, WireError
from core.metrics import Metrics
from core.ports import Ack, Arrival
from core.quality import BAD, GOOD, from_opcua
from gateway.sources.opcua_grid import Held
from gateway.sources.opcua_map import MappedChannel, MappedCommand, MappedDevice

if TYPE_CHECKING:
    from gateway.sources.opcua import OpcuaSourceConfig
    from wire.opcua.client import Heard
    from wire.opcua.packing import Item, Notices

_FUTURE = 86_400 * NS  # a time that far ahead is no time
_LOOKBACK = 600 * NS
_LOOK_S = 0.2


async def _no_ack() -> None:
    """Acknowledge nothing: the server keeps history, not a session's backlog."""


class ForeignOpcuaSource:
    """Rows of mapped devices of one server. Rows have sid 0 and no seq; (stream, t) tells them apart."""

    def __init__(self, config: OpcuaSourceConfig, catalog: Catalog, metrics: Metrics | None = None) -> None:
        from wire.opcua.client import OpcuaClient  # asyncua takes long to import

        self.config = config
        self.metrics = metrics or Metrics()
        self._catalog = catalog
        self._client = OpcuaClient(config)
        self._positions: dict[str, int] = {}
        self._held: list[Held] = []
        self._channels: list[tuple[Held, int, MappedChannel]] = []  # by handle
        self._commands: dict[tuple[str, str], MappedCommand] = {}
        self._ready: deque[Arrival] = deque()
        self._told: set[tuple[int, str]] = set()
        self._contact = 0  # wall ns of the last word of the server

    def resume(self, positions: Mapping[str, int]) -> None:
        """Tell the time (ns UTC) of the last stored row of each stream path, before ``connect``."""
        self._positions.update(positions)

    async def connect(self) -> None:
        """Open the session, find the nodes, read what was missed, watch. Raises NotConnected, WireError."""
        await self._client.close()
        await self._client.connect(own=False)
        try:
            if not self._held:
                self._announce()
            nodes = await self._client.find([channel.node for _, _, channel in self._channels])
            known = [(node, handle) for handle, node in enumerate(nodes) if node is not None]
            for node, why in await self._client.subscribe(known):
                self._refuse(next(h for n, h in known if n == node), f"cannot be watched: {why}")
            await self._catch_up(nodes)  # after subscribing: a change is in the history, or it will be told
        except WireError:
            await self._client.close()
            raise
        self._contact = wall_ns()

    async def read(self) -> tuple[Sequence[Arrival], Ack]:
        """Return what came; waits for it. Raises NotConnected when the session is lost or silent."""
        while not self._ready:
            heard = await self._client.next(_LOOK_S)
            if heard is not None:
                self._take(heard)
            self._emit(min(wall_ns() - self.config.late, self._contact), wall_ns())
        arrivals = list(self._ready)
        self._ready.clear()
        return arrivals, _no_ack

    async def close(self) -> None:
        """End the session."""
        await self._client.close()

    async def send(self, command: Command) -> None:
        """Call the method, or write the nodes; the outcome comes as a note of ``read``."""
        if not self._client.connected:
            raise NotConnected(f"{self.config.url}: not connected")
        mapped = self._commands.get((command.device, command.name))
        if mapped is None:
            raise CommandRefused(f"{command.device} has no command {command.name} on {self.config.url}")
        missing = sorted(set(mapped.args) ^ set(command.args))
        if missing:
            raise CommandRefused(f"{command.name} takes the arguments {', '.join(mapped.args) or 'none'}: {missing[0]}")
        status, detail = "done", ""
        try:
            await self._give(mapped, {name: float(value) for name, value in command.args.items()})
        except NotConnected:
            raise
        except (WireError, ValueError) as error:
            status, detail = "failed", str(error)
        result = CommandResult(command.id, command.device, status, detail, wall_ns())  # type: ignore[arg-type]
        self._ready.append(Arrival(notes=[result]))
        self._client.wake()

    async def _give(self, mapped: MappedCommand, args: Mapping[str, float]) -> None:
        from wire.opcua.nodeids import variant

        if mapped.method:
            parent, method = await self._client.find([mapped.object, mapped.method])
            if parent is None or method is None:
                raise WireError(f"the server has no {mapped.object if parent is None else mapped.method}")
            await self._client.call(parent, method, *(variant(args[n], a.type) for n, a in mapped.args.items()))
            return
        for name, arg in mapped.args.items():
            (node,) = await self._client.find([arg.node])
            if node is None:
                raise WireError(f"the server has no {arg.node}")
            await self._client.write(node, args[name], arg.type)

    def _announce(self) -> None:
        births = []
        for mapped in self.config.map:
            device = self._catalog.add(mapped.spec(_node(self.config.url)))
            births.append(device)
            self._commands.update({(device.path, name): command for name, command in mapped.commands.items()})
            self._hold(mapped, device.path)
        self._ready.append(Arrival(births=births, arrived=wall_ns()))

    def _hold(self, mapped: MappedDevice, path: str) -> None:
        now = wall_ns()
        for name, stream in mapped.streams.items():
            entry = self._catalog.find(f"{path}/{name}")
            assert entry is not None
            held = Held(entry, stream.every, 0)
            last = self._positions.get(entry.path, 0)
            held.next = last + stream.every if last else now - now % stream.every + stream.every
            self._held.append(held)
            self._channels += [(held, column, channel) for column, channel in enumerate(stream.channels.values())]

    async def _catch_up(self, nodes: Sequence[Any]) -> None:
        """Take in the present values and, where rows were missed, the changes that led to them."""
        now = wall_ns()
        present = await self._client.values([node for node in nodes if node is not None])
        whole = {id(held): True for held in self._held}
        values = iter(present)
        for handle, node in enumerate(nodes):
            held, _, _ = self._channels[handle]
            if node is None:
                self._refuse(handle, "the server has no such node")
                continue
            value = next(values)
            t = _ns(value.SourceTimestamp) or _ns(value.ServerTimestamp)
            if held.next < now and t > held.last:
                whole[id(held)] &= await self._missed(handle, node)
        for held in self._held:
            if held.next >= now:
                continue
            if whole[id(held)]:
                self.metrics.count("opcua.repaired", (now - held.next) // held.every + 1)
                while held.next <= now - self.config.late:
                    self._emit_one(held, now - self.config.late, 0)
            else:
                self._gap(held, now)

    async def _missed(self, handle: int, node: Any) -> bool:
        """Read a node's changes since the last row; tell whether none of them is missing."""
        held, column, _ = self._channels[handle]
        start = held.since[column] or held.last - _LOOKBACK
        notices = await self._client.history([(node, handle)], min(start, held.last))
        if notices is None or not len(notices):
            self.metrics.count("opcua.no_history")
            return False
        covered = int(notices.t.min()) <= held.last if len(notices.t) else False
        self._put(notices, 0)
        return covered

    def _gap(self, held: Held, now: int) -> None:
        after = held.last
        held.lose()
        held.skip(now)
        self.metrics.count("opcua.gaps")
        text = f"stream={held.entry.spec.name} after={after} before={held.next}"
        event = Event(held.entry.device, "gap", text, held.next, "warning")
        self._ready.append(Arrival(notes=[event], arrived=now))

    def _take(self, heard: Heard) -> None:
        self._contact = max(self._contact, heard.arrived)
        if len(heard.notices):
            self.metrics.count("opcua.notifications", len(heard.notices))
            self._put(heard.notices, heard.arrived)

    def _put(self, notices: Notices, arrived: int) -> None:
        columns = (notices.handle, notices.t, notices.x, notices.status, notices.sent)
        for handle, t, x, status, sent in zip(*(c.tolist() for c in columns), strict=True):
            self._change(int(handle), int(t or sent), float(x), int(status), arrived)
        for item in notices.items:
            self._refuse(item.handle, f"a {_kind(item)} where a number is wanted")
            self._change(item.handle, item.t or item.sent, math.nan, 0x80740000, arrived)  # Bad_TypeMismatch

    def _change(self, handle: int, t: int, x: float, status: int, arrived: int) -> None:
        if handle >= len(self._channels):
            self.metrics.count("opcua.rejected")
            return
        if not t or t > wall_ns() + _FUTURE:
            self.metrics.count("opcua.untimed")
            t = arrived or wall_ns()
        held, column, channel = self._channels[handle]
        quality = from_opcua(status)
        value = x * channel.scale + channel.offset
        if quality == GOOD and not math.isfinite(value):
            self._refuse(handle, "no finite number")
            quality = BAD
        held.put(column, t, value if math.isfinite(value) else math.nan, quality)

    def _refuse(self, handle: int, why: str) -> None:
        """Count what cannot be taken; the first of a kind goes to the dead letters."""
        self.metrics.count("opcua.rejected")
        if handle >= len(self._channels) or (handle, why) in self._told:
            return
        self._told.add((handle, why))
        held, column, channel = self._channels[handle]
        name = f"{held.entry.path}/{held.entry.spec.layout.columns[column]}"
        self._ready.append(Arrival(rejects=[(name, f"{channel.node}: {why}", b"")], arrived=wall_ns()))

    def _emit(self, until: int, arrived: int) -> None:
        for held in self._held:
            self._emit_one(held, until, arrived)

    def _emit_one(self, held: Held, until: int, arrived: int) -> None:
        rows = held.rows(until)
        if held.late:
            self.metrics.count("opcua.late", held.late)
            held.late = 0
        if rows is not None:
            self._ready.append(Arrival(batches=[rows], arrived=arrived))


def _ns(when: Any) -> int:
    return round(when.timestamp() * 1e6) * 1000 if when is not None else 0


def _kind(item: Item) -> str:
    return "text" if isinstance(item.value, str) else "list" if hasattr(item.value, "__len__") else "structure"


def _node(url: str) -> str:
    return "opcua-" + "".join(c if c.isalnum() else "-" for c in url.partition("://")[2].lower()).strip("-")
