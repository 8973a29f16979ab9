"""Host application of Sparkplug B: follows edge nodes, reads their rows, carries commands to them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Literal
from uuid import uuid4

from core.catalog import Catalog
from core.clock import MS, NS, mono_ns, wall_ns
from core.command import Command
from core.config import Duration
from core.errors import CommandRefused, DecodeError, NotConnected
from core.metrics import Metrics
from core.ports import Ack, Arrival
from core.spec import DeviceSpec
from gateway.limits import Guard, Limits
from gateway.sources.parking import Parking
from gateway.sources.sparkplug_intake import Intake, Reader
from gateway.sources.sparkplug_nodes import NodeSession
from gateway.sources.sparkplug_writes import Writes, command_metrics
from wire.mqtt import open_mqtt
from wire.session import SECOND, Message, MqttConfig, OpenSession, Will
from wire.sparkplug import names
from wire.sparkplug.births import WRITE, original
from wire.sparkplug.life import decode_state, encode_rebirth, encode_state
from wire.sparkplug.payload import MAX_BYTES, Payload, encode

_ASK_AGAIN = 5 * SECOND
_COMMAND_LIFE = 30 * SECOND
_IDLE_S = 1.0
#: nodes with this primary host are born by themselves; the others are asked
_ROLL_CALL = 1 * SECOND


class SparkplugSourceConfig(MqttConfig):
    """Settings of the Sparkplug host, beside those of :class:`wire.session.MqttConfig`.

    ``host_id``: the name under which this gateway says that it is online (STATE); edge nodes with this primary host
    hold their rows while it is away. Of several gateways that share a city, one at most may carry a name; the
    others leave it empty. ``filters``: topic filters of this gateway's part. ``reorder``: how long a message waits
    for the one before it. Data that come before a birth wait ``park`` long for it, at most ``park_bytes``: not to be
    read, but to know whether they can be had again. ``max_bytes`` bounds a payload, also after it is decompressed.
    """

    kind: Literal["sparkplug"] = "sparkplug"
    client_id: str = "gateway-sparkplug"
    persistent: bool = False
    host_id: str = "testbed"
    filters: tuple[str, ...] = (f"{names.ROOT}/#",)
    watchdog: Duration = 15 * SECOND
    reorder: Duration = 2 * SECOND
    park: Duration = 30 * SECOND
    park_bytes: int = 10 << 20
    max_bytes: int = MAX_BYTES
    limits: Limits = Limits()


class SparkplugSource:
    """See :class:`core.ports.Source` and :class:`core.ports.CommandLink`.

    Data come with QoS 0, so there is nothing to acknowledge: what this process loses, row numbers find out and
    ``replay`` repairs. ``catalog`` is shared with the gateway; births are added to it here.
    """

    def __init__(
        self,
        config: SparkplugSourceConfig,
        catalog: Catalog,
        *,
        open_session: OpenSession = open_mqtt,
        metrics: Metrics | None = None,
    ) -> None:
        self.config, self.catalog = config, catalog
        self.metrics = metrics or Metrics()
        self.nodes: dict[tuple[str, str], NodeSession] = {}
        self._session = open_session(config, None)
        self._writes = Writes()
        parking, guard = Parking(config.park, config.park_bytes), Guard(config.limits, catalog)
        self._reader = Reader(catalog, self.nodes, self.metrics, self._writes, config.max_bytes, parking, guard)
        self._born_at = 0
        self._roll_call = 0

    # --- Source -------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Connect with a death certificate, listen, and say that this host is online."""
        host = self.config.host_id
        self._born_at = wall_ns() // MS
        self._session.will = Will(names.of_host(host), encode_state(False, self._born_at)) if host else None
        await self._session.connect()
        self._reader.forget()  # what was said meanwhile is lost: no session outlives the connection
        await self._session.subscribe([*([names.of_host(host)] if host else []), *self.config.filters])
        await self._say_online()
        self._roll_call = mono_ns() + _ROLL_CALL

    async def read(self) -> tuple[Sequence[Arrival], Ack]:
        """Return what arrived. The acknowledgement costs nothing: QoS 0 has none."""
        while True:
            messages = await self._session.read(self._patience())
            intake = Intake()
            for message in messages:
                if message.topic == names.of_host(self.config.host_id):
                    await self._hear_state(message)
                else:
                    self._reader.take(message, intake)
            self._reader.release(mono_ns(), self.config.reorder, intake)
            for node in [*intake.ask, *self._silent()]:
                await self._ask_birth(node)
            self.metrics.count("messages_received", len(messages))
            arrivals = intake.arrivals()
            if arrivals:
                return arrivals, partial(self._session.ack, messages)
            await self._session.ack(messages)

    async def close(self) -> None:
        """Say that this host is offline, and goodbye."""
        if self.config.host_id and self._session.connected:
            with suppress(NotConnected):
                gone = encode_state(False, wall_ns() // MS)
                await self._session.publish(names.of_host(self.config.host_id), gone, retain=True)
                await self._session.flush()
        await self._session.close()

    # --- CommandLink --------------------------------------------------------------------------------------

    async def send(self, command: Command) -> None:
        """Send a command: as DCMD; a rebirth, and what an edge node itself is asked, as NCMD."""
        device = self.catalog.devices[command.device]
        node, name = self._session_of(device)
        if command.name == "rebirth":
            node.rebirths.append((command.id, command.device))
            await self._ask_birth(node, again=True)
            return
        session = node.devices.get(name)
        if session is None or not session.online:
            raise CommandRefused(f"{command.device} is offline: its edge node {node.node} has no session")
        metrics = command_metrics(command, session.born)
        if command.name == WRITE:
            self._writes.expect(command, session.born)
        kind = names.of_device("DCMD", node.group, node.node, name) if name else ""
        topic = kind or names.of_node("NCMD", node.group, node.node)
        await self._session.publish(topic, encode(Payload(wall_ns() // MS, None, metrics)), qos=0)

    async def ask_replay(self, device: str, stream: str, sid: int, first: int, last: int) -> None:
        """Ask a device (by path) for rows ``first`` to ``last`` of a stream (by name) again."""
        now = wall_ns()
        args: dict[str, float | str] = {"stream": stream, "sid": sid, "from": first, "to": last}
        command = Command(f"replay-{uuid4().hex}", device, "replay", "gateway", now, now + _COMMAND_LIFE, args)
        with suppress(CommandRefused):  # it is away: asked again later
            await self.send(command)

    # --- inside -------------------------------------------------------------------------------------------

    def _session_of(self, device: DeviceSpec) -> tuple[NodeSession, str]:
        group, node, name = original(device)
        return self._reader.node(group, node), name

    def _silent(self) -> list[NodeSession]:
        """Return the nodes of the catalogue that have not come by themselves a while after the connection."""
        if not self._roll_call or mono_ns() < self._roll_call:
            return []
        self._roll_call = 0
        known = {original(d)[:2] for d in self.catalog.devices.values() if "sparkplug" in d.protocols}
        nodes = [self._reader.node(group, node) for group, node in known]
        return [node for node in nodes if not node.online]

    def _patience(self) -> float:
        """Return how long a read may take, s: a message that waits for another is not forgotten."""
        since = [node.waiting for node in self.nodes.values() if node.waiting]
        left = (min(since) + self.config.reorder - mono_ns()) / NS if since else _IDLE_S
        return min(max(left, 0.001), _IDLE_S)

    async def _say_online(self) -> None:
        if self.config.host_id:
            state = encode_state(True, self._born_at)
            await self._session.publish(names.of_host(self.config.host_id), state, retain=True)

    async def _hear_state(self, message: Message) -> None:
        """Contradict who says that this host is offline: a late will of its last life, mostly."""
        with suppress(DecodeError):
            if not decode_state(message.payload).online:
                self._born_at = max(self._born_at, wall_ns() // MS)
                await self._say_online()

    async def _ask_birth(self, node: NodeSession, again: bool = False) -> None:
        """Ask an edge node for its births, not too often."""
        now = mono_ns()
        if again or not node.asked or now - node.asked >= _ASK_AGAIN:
            node.asked = now
            self.metrics.count("rebirths_asked")
            with suppress(NotConnected):  # the next read tells
                topic = names.of_node("NCMD", node.group, node.node)
                await self._session.publish(topic, encode_rebirth(wall_ns() // MS), qos=0)
