"""Source of guideline v1 over MQTT (or in memory), and the way back for commands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Literal
from uuid import uuid4

from core.batch import Batch, merge
from core.catalog import Catalog
from core.clock import MS, mono_ns, wall_ns
from core.command import Command, CommandResult, NodeState
from core.config import Duration
from core.errors import DecodeError, NotConnected, RejectedError
from core.metrics import Metrics
from core.ports import Ack, Arrival, Note
from core.spec import DeviceSpec
from gateway.sources.parking import Parking
from wire import topics
from wire.codec_birth import decode_birth
from wire.codec_command import decode_command, decode_event, decode_result, decode_state, encode_command, encode_result
from wire.codec_rows import decode_rows, probe
from wire.mqtt import open_mqtt
from wire.session import SECOND, Message, MqttConfig, OpenSession
from wire.topics import Topic

_ASK_AGAIN = 5 * SECOND
_COMMAND_LIFE = 30 * SECOND
_IDLE_S = 1.0
_ECHOES = 10_000


class MqttSourceConfig(MqttConfig):
    """Settings of the MQTT source, beside those of :class:`wire.session.MqttConfig`.

    ``filter`` is the topic filter of this gateway's part of the city. Rows without a birth wait ``park`` long,
    at most ``park_bytes``, while their device is asked for it. What is parked is acknowledged to the broker: it
    wants acknowledgements in order, and one unknown device must not hold up the others.
    """

    kind: Literal["mqtt"] = "mqtt"
    client_id: str = "gateway"
    filter: str = f"{topics.ROOT}/#"
    watchdog: Duration = 15 * SECOND
    park: Duration = 30 * SECOND
    park_bytes: int = 10 << 20


class _Intake:
    """What one read gathers, in the order that an :class:`Arrival` wants."""

    def __init__(self) -> None:
        self.births: dict[str, DeviceSpec] = {}
        self.notes: list[Note] = []
        self.states: list[NodeState] = []
        self.rejects: list[tuple[str, str, bytes]] = []
        self.rows: dict[int, list[Batch]] = {}
        self.times: dict[int, tuple[int, int]] = {}
        self.ask: set[str] = set()

    def add(self, batch: Batch, sent: int, arrived: int) -> None:
        """Add rows; those sent within the same millisecond stay together."""
        key = sent // MS
        self.rows.setdefault(key, []).append(batch)
        old = self.times.get(key, (sent, arrived))
        self.times[key] = (min(old[0], sent), max(old[1], arrived))

    def arrivals(self) -> list[Arrival]:
        """Return births, notes, states and rejects first, then the rows by the moment they were sent."""
        out: list[Arrival] = []
        if self.births or self.notes or self.rejects or self.states:
            out.append(
                Arrival(
                    births=list(self.births.values()),
                    notes=self.notes,
                    rejects=self.rejects,
                    arrived=wall_ns(),
                    states=self.states,
                )
            )
        for key, batches in self.rows.items():
            sent, arrived = self.times[key]
            out.append(Arrival(batches=merge(batches), arrived=arrived, sent=sent))
        return out


class MqttSource:
    """See :class:`core.ports.Source` and :class:`core.ports.CommandLink`.

    ``catalog`` is shared with the gateway; births are added to it here. Commands of ``request`` topics come as
    notes; what is published on ``command`` is our own and is passed over.
    """

    def __init__(
        self,
        config: MqttSourceConfig,
        catalog: Catalog,
        *,
        open_session: OpenSession = open_mqtt,
        metrics: Metrics | None = None,
    ) -> None:
        self.config = config
        self.catalog = catalog
        self.metrics = metrics or Metrics()
        self.sids: dict[str, int] = {}
        self._session = open_session(config, None)
        self._parking = Parking(config.park, config.park_bytes)
        self._asked: dict[str, int] = {}
        self._echoes: dict[tuple[str, str], None] = {}

    # --- Source -------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, subscribe, and ask the known devices who they are."""
        known = await self._session.connect()
        await self._session.subscribe([self.config.filter], wait=not known)
        self._asked.clear()
        devices = [d.path for d in self.catalog.devices.values() if "mqtt" in d.protocols]
        await self._ask_rebirth([*devices, *self._parking.devices()])

    async def read(self) -> tuple[Sequence[Arrival], Ack]:
        """Return what arrived; the acknowledgement reaches the broker."""
        while True:
            messages = await self._session.read(_IDLE_S)
            intake = _Intake()
            for message in messages:
                self._take(message, intake)
            for message in self._parking.expired():
                self._reject(message, "no-birth: rows of a device that never introduced itself", intake)
            if intake.ask:
                await self._ask_rebirth(intake.ask)
            self.metrics.count("messages_received", len(messages))
            arrivals = intake.arrivals()
            if arrivals:
                return arrivals, partial(self._session.ack, messages)
            await self._session.ack(messages)

    async def close(self) -> None:
        """Say goodbye to the broker, which keeps what comes meanwhile."""
        await self._session.close()

    # --- CommandLink --------------------------------------------------------------------------------------

    async def send(self, command: Command) -> None:
        """Publish a command to its device."""
        await self._session.publish(topics.of_device(command.device, "command"), encode_command(command))

    async def publish_result(self, result: CommandResult) -> None:
        """Publish a result that came over another protocol; its echo is not reported as a note."""
        self._echoes[result.id, result.status] = None
        while len(self._echoes) > _ECHOES:
            del self._echoes[next(iter(self._echoes))]
        await self._session.publish(topics.of_device(result.device, "result"), encode_result(result))

    async def ask_replay(self, device: str, stream: str, sid: int, first: int, last: int) -> None:
        """Ask a device (by path) for rows ``first`` to ``last`` of a stream (by name) again."""
        args: dict[str, float | str] = {"stream": stream, "sid": sid, "from": first, "to": last}
        await self.send(_own_command("replay", device, args))

    # --- inside -------------------------------------------------------------------------------------------

    async def _ask_rebirth(self, devices: Sequence[str] | set[str]) -> None:
        now = mono_ns()
        with suppress(NotConnected):  # the next read tells
            for device in devices:
                if now - self._asked.get(device, -_ASK_AGAIN) >= _ASK_AGAIN:
                    self._asked[device] = now
                    await self.send(_own_command("rebirth", device, {}))

    def _take(self, message: Message, intake: _Intake) -> None:
        try:
            topic = topics.parse(message.topic)
            if topic.kind == "data":
                self._read_rows(topic, message, intake)
            elif message.payload:  # without: a retained message was withdrawn
                self._read_other(topic, message.payload, intake)
        except DecodeError as error:
            self._reject(message, str(error), intake)

    def _read_other(self, topic: Topic, payload: bytes, intake: _Intake) -> None:
        if topic.kind == "birth":
            self._read_birth(topic, payload, intake)
        elif topic.kind == "state":
            self._read_state(decode_state(topic, payload), intake)
        elif topic.kind == "result":
            result = decode_result(topic, payload)
            if (result.id, result.status) not in self._echoes:
                intake.notes.append(result)
        elif topic.kind == "event":
            intake.notes.append(decode_event(topic, payload))
        elif topic.kind == "request":
            intake.notes.append(decode_command(topic, payload))

    def _read_birth(self, topic: Topic, payload: bytes, intake: _Intake) -> None:
        device, sid = decode_birth(topic, payload)
        before = self.catalog.devices.get(device.path)
        settled = self.catalog.add(device)
        if before != settled:
            intake.births[settled.path] = settled
        self.sids[settled.path] = sid
        for message in self._parking.take(settled.path):
            self._take(message, intake)

    def _read_state(self, state: NodeState, intake: _Intake) -> None:
        intake.states.append(state)
        if state.online and state.sid:
            area, _, node = state.node.rpartition("/")
            for path, device in self.catalog.devices.items():
                if device.node == node and path.rpartition("/")[0] == area and path in self.sids:
                    self.sids[path] = state.sid

    def _read_rows(self, topic: Topic, message: Message, intake: _Intake) -> None:
        """Decode rows, or park them."""
        entry = self.catalog.find(topic.stream_path)
        born = topic.path in self.sids
        if entry is None and born:
            raise RejectedError("unknown-stream", f"{topic.path} did not announce {topic.stream!r}")
        sid = self.sids[topic.path] if born else probe(message.payload)[0]
        if entry is not None and sid is not None:  # rows that name their start need no birth since ours
            try:
                batch, sent = decode_rows(message.payload, entry, sid)
            except RejectedError as error:
                if born or error.reason not in ("unknown-channel", "missing-channel"):
                    raise
            else:
                intake.add(batch, sent, message.arrived)
                return
        intake.ask.add(topic.path)
        if not self._parking.put(topic.path, message):
            raise RejectedError("no-birth", "the parking for rows without a birth is full")
        self.metrics.count("messages_parked")

    def _reject(self, message: Message, why: str, intake: _Intake) -> None:
        self.metrics.count("messages_rejected")
        intake.rejects.append((message.topic, why, message.payload))


def _own_command(name: str, device: str, args: dict[str, float | str]) -> Command:
    now = wall_ns()
    return Command(f"{name}-{uuid4().hex}", device, name, "gateway", now, now + _COMMAND_LIFE, args)
