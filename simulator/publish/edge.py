"""One Sparkplug edge node: its connection, births and deaths, numbering, and what it holds while nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from core.batch import Batch
from core.clock import MS, wall_ns
from core.errors import DecodeError, NotConnected, WireError
from core.spec import DeviceSpec
from simulator.publish.edge_rows import Outbox, Piece
from simulator.publish.together import until_one_ends
from wire.session import Message, MqttConfig, OpenSession, Will
from wire.sparkplug import names
from wire.sparkplug.births import REBIRTH
from wire.sparkplug.datatypes import DataType
from wire.sparkplug.form import RESULT, DeviceForm
from wire.sparkplug.life import SEQ_WRAP, bdseq_metric, decode_state, encode_death
from wire.sparkplug.payload import Metric, Payload, decode, encode

if TYPE_CHECKING:
    from wire.sparkplug.names import SparkplugTopic

_BACKOFF_S = (0.1, 5.0)
_MOST = 2000  # values in one message
OnDeviceCommand = Callable[[DeviceForm, Payload], None]


class _HostGone(WireError):
    """The primary host has left: the session ends."""


class EdgeNode:
    """Keeps one node in session and sends what is put into ``outbox``.

    Parameters
    ----------
    group, node
        Sparkplug's names.
    host
        The primary host that must be online while data flow; empty: none is waited for.
    on_command
        Takes the payload of each DCMD with its device.
    """

    def __init__(
        self,
        group: str,
        node: str,
        sid: int,
        config: MqttConfig,
        open_session: OpenSession,
        on_command: OnDeviceCommand,
        *,
        host: str,
        overlap: int,
        backlog: int,
    ) -> None:
        self.group, self.node, self.sid = group, node, sid
        self.forms: dict[str, DeviceForm] = {}
        self.outbox = Outbox(overlap)
        self.born = False
        self.bdseq = -1
        self.reconnects = self.births = 0
        self.error = ""
        self._host, self._backlog, self._on_command = host, backlog, on_command
        self._session = open_session(config, None)
        self._seq = 0
        self._alias = 1
        self._last: dict[str, dict[str, Batch]] = {}
        self._results: dict[str, str] = {}
        self._unborn: list[DeviceForm] = []
        self._host_state: tuple[bool, int] = (not host, -1)
        self._changed = asyncio.Event()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._rebirth = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, in the background, and stay connected."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"edge node {self.node}")

    def add(self, device: DeviceSpec) -> None:
        """Let a device report through this node; its birth goes out with the node's, or now."""
        form = DeviceForm(device, self.sid, self._alias)
        self._alias += len(form.types)
        self.forms[device.device] = form
        self._unborn.append(form)
        self._work.set()

    def remove(self, device: str) -> None:
        """Tell that a device is gone (DDEATH)."""
        form = self.forms.pop(device)
        if self.born:
            self._unborn = [other for other in self._unborn if other is not form]
            self.outbox.put(Piece(device, "", mark=True))
            self._work.set()

    def put(self, piece: Piece) -> None:
        """Queue rows or a note."""
        self.outbox.put(piece)
        self._work.set()

    async def room(self) -> None:
        """Wait until what waits is within its bound: the world lags, nothing is lost."""
        while self.outbox.bytes > self._backlog:
            self._room.clear()
            await self._room.wait()

    async def flush(self) -> None:
        """Wait until everything is written, over reconnects and absences of the host."""
        while True:
            while len(self.outbox) or not self.born:
                self._room.clear()
                await self._room.wait()
            try:
                await self._session.flush()
                return
            except NotConnected:
                await asyncio.sleep(_BACKOFF_S[0])

    async def close(self, timeout: float) -> None:
        """Take leave: NDEATH, then the goodbye that silences the will."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(TimeoutError, WireError):
            async with asyncio.timeout(timeout):
                await self._leave()
        await self._session.close()

    # --- session ------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        delay = _BACKOFF_S[0]
        while True:
            try:
                await self._connect()
                self.error, delay = "", _BACKOFF_S[0]
                await until_one_ends(self._send(), self._listen())
            except _HostGone:
                with suppress(WireError):
                    await self._leave()
                await self._session.close()
                self._rewind()
                continue
            except WireError as error:
                self.error = str(error)
            self._rewind()
            self.reconnects += 1
            await asyncio.sleep(delay)
            delay = min(delay * 2, _BACKOFF_S[1])

    async def _connect(self) -> None:
        """Connect with a death certificate of this connection's number, and listen."""
        self.bdseq = (self.bdseq + 1) % SEQ_WRAP
        death = encode_death(self.bdseq, wall_ns() // MS)
        self._session.will = Will(names.of_node("NDEATH", self.group, self.node), death, retain=False)
        self._host_state = (not self._host, -1)
        await self._session.connect()
        filters = [names.of_node("NCMD", self.group, self.node), names.of_device("DCMD", self.group, self.node, "+")]
        await self._session.subscribe([*filters, *([names.of_host(self._host)] if self._host else [])])

    def _rewind(self) -> None:
        self.born = False
        self.outbox.rewind()

    async def _leave(self) -> None:
        if self.born and self._session.connected:
            self.born = False
            death = encode_death(self.bdseq, wall_ns() // MS)
            await self._session.publish(names.of_node("NDEATH", self.group, self.node), death)
            await self._session.flush()

    # --- in -----------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            messages = await self._session.read()
            for message in messages:
                with suppress(DecodeError):  # a command that cannot be read is none
                    self._heard(names.parse(message.topic), message)
            await self._session.ack(messages)

    def _heard(self, topic: SparkplugTopic, message: Message) -> None:
        if topic.kind == "STATE":
            self._hear_host(message.payload)
        elif topic.kind == "NCMD":
            for metric in decode(message.payload).metrics:
                if metric.name == REBIRTH and metric.value is True:
                    self._rebirth = True
                    self._work.set()
        elif topic.kind == "DCMD" and topic.device in self.forms:
            self._on_command(self.forms[topic.device], decode(message.payload))

    def _hear_host(self, payload: bytes) -> None:
        """Follow the primary host; a death older than its last birth is not its own (a late will)."""
        state = decode_state(payload)
        online, since = self._host_state
        if state.timestamp < since:
            return
        self._host_state = (state.online, state.timestamp)
        self._changed.set()
        if online and not state.online:
            raise _HostGone("the primary host is offline")

    # --- out ----------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while not self._host_state[0]:
            self._changed.clear()
            await self._changed.wait()
        self._rebirth = True
        while True:
            self._work.clear()
            if self._rebirth:
                await self._birth()
            while self._unborn:
                await self._device_birth(self._unborn.pop(0))
            while len(self.outbox) and not self._rebirth:
                pieces = self.outbox.next(_MOST)
                await self._data(pieces)
                self.outbox.sent(pieces)
            if not self._rebirth:
                self._room.set()
                await self._work.wait()

    async def _birth(self) -> None:
        """Send the node's birth and those of all its devices: the numbering begins anew, the connection's stays."""
        self._rebirth, self._unborn = False, []
        self._seq = 0
        self.births += 1
        now = wall_ns() // MS
        metrics = [
            bdseq_metric(self.bdseq, now),
            Metric(REBIRTH, DataType.BOOLEAN, False, now),
            Metric("Properties/Software", DataType.STRING, "iiot-testbed", now, 0),
        ]
        await self._publish("NBIRTH", "", metrics)
        for form in list(self.forms.values()):
            await self._device_birth(form)
        self.born = True

    async def _device_birth(self, form: DeviceForm) -> None:
        device = form.device.device
        metrics = form.birth(wall_ns() // MS, self._last.get(device, {}), self._results.get(device, ""))
        await self._publish("DBIRTH", device, metrics)

    async def _data(self, pieces: list[Piece]) -> None:
        """Send pieces of one device as one message."""
        device = pieces[0].device
        form = self.forms.get(device)
        if form is None:
            await self._publish("DDEATH", device, [])
            return
        metrics: list[Metric] = []
        for piece in pieces:
            if piece.batch is None:
                metrics.append(form.text(piece.stream, piece.text, wall_ns() // MS))
                if piece.stream == RESULT:
                    self._results[device] = piece.text
            elif piece.mark:
                metrics += form.mark(piece.stream, piece.batch)
            else:
                metrics += form.rows(piece.stream, piece.batch, piece.historical)
                self._note(device, piece)
        await self._publish("DDATA", device, metrics)

    def _note(self, device: str, piece: Piece) -> None:
        """Remember the last row of a stream: births tell it."""
        assert piece.batch is not None
        known = self._last.setdefault(device, {})
        last = piece.batch.take(slice(-1, None))
        old = known.get(piece.stream)
        if old is None or (int(last.sid[0]), int(last.seq[0])) > (int(old.sid[0]), int(old.seq[0])):
            known[piece.stream] = last

    async def _publish(self, kind: str, device: str, metrics: list[Metric]) -> None:
        payload = encode(Payload(wall_ns() // MS, self._seq, metrics))
        topic = str(names.SparkplugTopic(kind, self.group, self.node, device))
        self._seq = (self._seq + 1) % SEQ_WRAP
        await self._session.publish(topic, payload, qos=0)
