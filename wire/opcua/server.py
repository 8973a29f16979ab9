"""OPC UA server: devices as nodes, rows as values, methods as commands, recent rows as history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

from asyncua import ua

from core.batch import Batch
from core.clock import NS, mono_ns, wall_ns
from core.command import CommandResult, Event
from core.errors import WireError
from core.spec import DeviceSpec, dump
from wire.opcua import names
from wire.opcua.calls import Calls, OnCall
from wire.opcua.config import OpcuaServerConfig
from wire.opcua.door import Door, GuardedServer
from wire.opcua.history import BlockPool
from wire.opcua.items import Core, waiting
from wire.opcua.nodes import NodeWriter
from wire.opcua.quiet import quieten
from wire.opcua.sample import Sample
from wire.opcua.security import OpcuaSecurity, secure_server
from wire.opcua.slots import Cell, Slot, put
from wire.opcua.space import Namespaces, Space, item_state, state_id
from wire.ports import free_port

_SEVERITY = {"info": 100, "warning": 500, "alarm": 900}


class OpcuaServer:
    """One server. ``on_call`` takes a command that a client calls; its results come back through ``tell``.

    The history outlives :meth:`stop` and :meth:`start`, so a server that was away repairs itself.
    """

    def __init__(self, config: OpcuaServerConfig, on_call: OnCall, now: Callable[[], int] = wall_ns) -> None:
        self.config = config
        self.slots: dict[str, Slot] = {}
        self._devices: dict[str, DeviceSpec] = {}
        self._calls = Calls(on_call, now, config.answer / NS)
        self._pool = BlockPool(int(config.block_mb * 1e6), config.history)
        self._server: GuardedServer | None = None
        self._prepared: GuardedServer | None = None
        self.door = Door(config.security)
        self._space: Space | None = None
        self._writer: NodeWriter | None = None
        self._events: Any = None
        self._readers: dict[Any, tuple[Slot, int]] = {}
        self._texts: dict[str, Sample] = {}
        self._states: dict[str, tuple[Cell, Mapping[int, str]]] = {}
        self._port = config.port
        self._revision = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"opc.tcp://{host}:{self._port}/testbed"

    @property
    def running(self) -> bool:
        """Tell whether the server listens."""
        return self._server is not None

    async def __aenter__(self) -> OpcuaServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; devices announced before are there again. Raises WireError if the port is taken."""
        await self.prepare()
        await self.listen()

    async def prepare(self) -> None:
        """Build the address space without listening: what is written until :meth:`listen` becomes history."""
        quieten()
        self._port = self._port or free_port(self.config.host)
        core = Core(self, self.config.limits)
        server = GuardedServer(self.door, core)
        await server.init()
        server.set_endpoint(self.url)
        server.set_server_name(self.config.name)
        server.set_identity_tokens(_tokens(self.config.security))
        await server.set_application_uri(self.config.security.uri)
        await secure_server(server, self.config.security, self.config.host)
        for uri in self.config.extra_namespaces:
            await server.register_namespace(uri)
        machinery, di, own = [await server.register_namespace(u) for u in (names.MACHINERY, names.DI, names.NAMESPACE)]
        self._writer = NodeWriter(core, own)
        self._space = Space(self._writer, Namespaces(own, machinery, di))
        self._space.frame()
        self._events = await server.get_event_generator()
        known, self._devices, self._readers, self._states = list(self._devices.values()), {}, {}, {}
        await self.announce(known)
        self._prepared = server

    async def listen(self) -> None:
        """Listen, with the last value of every node in place. Raises WireError if the port is taken."""
        server = self._prepared
        if server is None:
            raise WireError("the OPC UA server is not prepared")
        self._prepared = None
        for slot in self.slots.values():
            slot.restore()
        try:
            await server.start()
        except OSError as error:
            raise WireError(f"OPC UA cannot listen on {self.config.host}:{self._port}: {error}") from error
        self._server = server

    async def stop(self) -> None:
        """Close every session and stop listening."""
        server, self._server = self._server, None
        self._calls.cancel()
        if server is not None:
            await server.stop()
            await asyncio.sleep(0)  # transports close in the loop's next turn

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        """Add devices, or replace those whose specification changed; clients see the revision move."""
        if self._space is None or self._writer is None:
            raise WireError("the OPC UA server is not started")
        for device in devices:
            known = self._devices.get(device.path)
            if known == device:
                continue
            if known is not None:
                self._space.remove(device.path)
            self._space.add(device, self._calls.whole(device), self._calls.single(device), self.config.history > 0)
            self._devices[device.path] = device
            self._bind(device)
            if devices and len(devices) > 20:
                await asyncio.sleep(0)  # nodes take milliseconds; live sessions go on meanwhile
        self._revision += 1
        stamp = wall_ns()
        self._text(names.REVISION, f"{stamp}.{self._revision}", stamp)

    def write(self, rows: Iterable[tuple[Sequence[Slot], Batch]]) -> None:
        """Write batches, each with the slot of every row; see :func:`wire.opcua.slots.put`."""
        put(rows, wall_ns(), live=self.running)
        if self._states and self.running:
            self._tell_states()

    async def drained(self, timeout_s: float) -> bool:
        """Wait until every connected client has fetched what was written; False if it took too long."""
        until = mono_ns() + round(timeout_s * NS)
        while self._server is not None and waiting(self._server.iserver):
            if mono_ns() > until:
                return False
            await asyncio.sleep(0.02)
        return True

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        """Show results and events of devices, and answer the calls that wait for them."""
        stamp = wall_ns()
        for note in notes:
            if note.device not in self._devices:
                continue
            if isinstance(note, CommandResult):
                self._text(names.result_id(note.device), names.write_note(note), note.t)
                self._calls.answer(note)
            else:
                self._text(names.event_id(note.device), names.write_note(note), note.t)
                await self._raise(note, stamp)

    def read_history(self, node: Any, start: int, end: int, most: int) -> tuple[list[bytes], int] | None:
        """Return encoded values of a node in [start, end) and where to go on; None if it keeps none."""
        reader = self._readers.get(node)
        if reader is None or not self.config.history:
            return None
        slot, column = reader
        return slot.ring.read(column, start, end, most)

    def _bind(self, device: DeviceSpec) -> None:
        assert self._writer is not None
        writer = self._writer
        for stream in device.streams:
            path = device.stream_path(stream.name)
            slot = self.slots.get(path)
            if slot is None or slot.spec != stream:
                slot = self.slots[path] = Slot(path, stream, self.config.history, self._pool)
            columns = [*stream.layout.columns, *((names.BLOCK, names.QUALITY) if stream.fast else ())]
            ids = [names.channel_id(path, column) for column in columns]
            slot.cells = [Cell(writer.value(name)) for name in ids]
            slot.restore()
            self._readers.update({writer.id(name): (slot, i) for i, name in enumerate(ids)})
            for channel, cell in zip(stream.layout.channels, slot.cells, strict=False):
                if channel.states and channel.group == "status" and not stream.fast:
                    self._states[device.path] = (cell, channel.states)
        self._text(names.spec_id(device.path), json.dumps(dump([device])[0], ensure_ascii=False), wall_ns())
        for name in (names.result_id(device.path), names.event_id(device.path)):
            if name in self._texts:
                Cell(writer.value(name)).show(self._texts[name])

    def _text(self, name: str, value: str, t: int) -> None:
        assert self._writer is not None
        cell = Cell(self._writer.value(name))
        self._texts[name] = cell.text(value, t, wall_ns())

    def _tell_states(self) -> None:
        assert self._writer is not None
        for device, (cell, states) in self._states.items():
            code = cell.code()
            if code == cell.shown:
                continue
            cell.shown = code
            state = "NotAvailable" if code is None else item_state(states.get(code, ""))
            value = ua.DataValue(ua.Variant(ua.LocalizedText(state, "en")), SourceTimestamp=cell.moment())
            Cell(self._writer.value(state_id(device))).put(value)

    async def _raise(self, note: Event, stamp: int) -> None:
        """Raise an OPC UA event at the Server object, for foreign clients."""
        assert self._writer is not None
        if self._events is None or not self.running:
            return
        event = self._events.event
        event.SourceNode = self._writer.id(note.device)
        event.SourceName = f"{note.device}: {note.name}"
        event.Severity = _SEVERITY[note.severity]
        with suppress(ua.UaError):
            await self._events.trigger(message=note.text or note.name)


def _tokens(security: OpcuaSecurity) -> list[Any]:
    """Return the ways in which users may say who they are."""
    known = [ua.AnonymousIdentityToken]  # also: whoever is known by the certificate of the channel
    if security.users or security.users_file is not None:
        known += [ua.UserNameIdentityToken, ua.X509IdentityToken]
    return known
