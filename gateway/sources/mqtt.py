"""Source of guideline v1 over MQTT (or in memory), and the way back for commands."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Literal
from uuid import uuid4

from pydantic import Field, model_validator

from core.batch import Batch, merge
from core.catalog import Catalog
from core.clock import MS, mono_ns, wall_ns
from core.command import Command, CommandResult, NodeState
from core.config import Duration
from core.errors import DecodeError, NotConnected, RejectedError
from core.metrics import Metrics
from core.ports import Ack, Arrival, Note
from core.spec import DeviceSpec
from gateway.limits import Guard, Limits
from gateway.sources.parking import Parking
from wire import topics
from wire.codec_birth import decode_birth
from wire.codec_command import decode_command, decode_event, decode_result, decode_state, encode_command, encode_result
from wire.codec_rows import decode_rows, probe
from wire.mqtt import open_mqtt
from wire.session import SECOND, Message, MqttConfig, OpenSession
from wire.topics import Topic
from wire.trace import properties as traced
from wire.trace import trace_of

_ASK_AGAIN = 5 * SECOND
_COMMAND_LIFE = 30 * SECOND
_IDLE_S = 1.0
_ECHOES = 10_000


class MqttSourceConfig(MqttConfig):
    """Settings of the MQTT source, beside those of :class:`wire.session.MqttConfig`.

    ``filter`` is the topic filter of this gateway's part of the city. Rows without a birth wait ``park`` long,
    at most ``park_bytes``, while their device is asked for it. What is parked is acknowledged to the broker: it
    wants acknowledgements in order, and one unknown device must not hold up the others.

    Replicas: ``filters`` (instead of ``filter``) and ``part`` say what is this gateway's; the filters of two replicas
    must not overlap, ``part: 2/3`` takes the second third of the devices, by a hash of their names. Give each its own
    ``client_id``. ``share`` names a group of MQTT 5: each row goes to one of its members, any of them, births to all.
    Such a gateway only stores: it hears no requests, and holes in the row numbers tell it nothing.
    """

    kind: Literal["mqtt"] = "mqtt"
    client_id: str = "gateway"
    filter: str = f"{topics.ROOT}/#"
    filters: tuple[str, ...] = ()
    part: str = Field("", pattern=r"^([1-9]\d?/[1-9]\d?)?$")
    share: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    limits: Limits = Limits()
    watchdog: Duration = 15 * SECOND
    park: Duration = 30 * SECOND
    park_bytes: int = 10 << 20

    @model_validator(mode="after")
    def _fits(self) -> MqttSourceConfig:
        if self.share and self.version != 5:
            raise ValueError("share needs version: 5 (shared subscriptions are of MQTT 5)")
        if self.share and (self.filters or self.part or self.filter != f"{topics.ROOT}/#"):
            raise ValueError("share goes with neither filter, filters nor part: its members share everything")
        if self.part and int(self.part.split("/")[0]) > int(self.part.split("/")[1]):
            raise ValueError(f"part {self.part}: write 1/n to n/n")
        return self

    def subscriptions(self) -> list[str]:
        """Return the topic filters to subscribe."""
        if self.share:
            everyone = f"{topics.ROOT}/+/+/+"
            return [f"{everyone}/birth", f"{everyone}/state", f"$share/{self.share}/{everyone}/data/+"]
        return list(self.filters or (self.filter,))

    def mine(self, device: str) -> bool:
        """Tell whether a device (by path) belongs to this part."""
        return not self.part or _in_part(self.part, device)


@lru_cache(maxsize=65_536)
def _in_part(part: str, device: str) -> bool:
    k, n = part.split("/")
    return int.from_bytes(blake2b(device.encode(), digest_size=8).digest(), "big") % int(n) == int(k) - 1


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
        self.traces: dict[tuple[str, int, int], str] = {}

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
            out.append(Arrival(batches=merge(batches), arrived=arrived, sent=sent, traces=self.traces))
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
        self._guard = Guard(config.limits, catalog)
        self._asked: dict[str, int] = {}
        self._echoes: dict[tuple[str, str], None] = {}

    # --- Source -------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect, subscribe, and ask the known devices who they are."""
        known = await self._session.connect()
        await self._session.subscribe(self.config.subscriptions(), wait=not known)
        self._asked.clear()
        devices = [d.path for d in self.catalog.devices.values() if "mqtt" in d.protocols and self.config.mine(d.path)]
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
        topic = topics.of_device(command.device, "command")
        await self._session.publish(topic, encode_command(command), properties=traced(command.trace))

    async def publish_result(self, result: CommandResult) -> None:
        """Publish a result that came over another protocol; its echo is not reported as a note."""
        self._echoes[result.id, result.status] = None
        while len(self._echoes) > _ECHOES:
            del self._echoes[next(iter(self._echoes))]
        topic = topics.of_device(result.device, "result")
        await self._session.publish(topic, encode_result(result), properties=traced(result.trace))

    async def ask_replay(self, device: str, stream: str, sid: int, first: int, last: int) -> None:
        """Ask a device (by path) for rows ``first`` to ``last`` of a stream (by name) again."""
        args: dict[str, float | str] = {"stream": stream, "sid": sid, "from": first, "to": last}
        await self.send(_own_command("replay", device, args))

    # --- inside -------------------------------------------------------------------------------------------

    async def _ask_rebirth(self, devices: Sequence[str] | set[str]) -> None:
        now = mono_ns()
        with suppress(NotConnected):  # the next read tells
            if len(self._asked) > self.config.limits.unborn:  # names cost nothing: what is asked is bounded
                self._asked = {d: t for d, t in self._asked.items() if now - t < _ASK_AGAIN}
            for device in devices:
                if device not in self._asked and len(self._asked) > self.config.limits.unborn:
                    self.metrics.count("births_not_asked")
                    continue
                if now - self._asked.get(device, -_ASK_AGAIN) >= _ASK_AGAIN:
                    self._asked[device] = now
                    await self.send(_own_command("rebirth", device, {}))

    def _take(self, message: Message, intake: _Intake) -> None:
        try:
            topic = topics.parse(message.topic)
            if not self.config.mine(topic.path) and topic.kind != "state":
                return
            if topic.kind != "command":  # our own, which come back
                self._guard.message(topic.path, message.payload)
            if topic.kind == "data":
                self._read_rows(topic, message, intake)
            elif message.payload:  # without: a retained message was withdrawn
                self._read_other(topic, message, intake)
        except DecodeError as error:
            self._reject(message, str(error), intake)

    def _read_other(self, topic: Topic, message: Message, intake: _Intake) -> None:
        payload, trace = message.payload, trace_of(message)
        if topic.kind == "birth":
            self._read_birth(topic, payload, intake)
        elif topic.kind == "state":
            self._read_state(decode_state(topic, payload), intake)
        elif topic.kind == "result":
            result = decode_result(topic, payload)
            if (result.id, result.status) not in self._echoes:
                intake.notes.append(replace(result, trace=trace) if trace else result)
        elif topic.kind == "event":
            intake.notes.append(decode_event(topic, payload))
        elif topic.kind == "request":
            command = decode_command(topic, payload)
            intake.notes.append(replace(command, trace=trace) if trace else command)

    def _read_birth(self, topic: Topic, payload: bytes, intake: _Intake) -> None:
        device, sid = decode_birth(topic, payload)
        self._guard.birth(device)
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
                trace = trace_of(message)
                if trace:
                    rows = zip(batch.sid.tolist(), batch.seq.tolist(), strict=True)
                    intake.traces.update({(entry.path, start, seq): trace for start, seq in rows})
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
