"""Publisher of guideline v1 over MQTT (or in memory): births, rows, results, events; commands come back.

Answers ``rebirth`` and ``replay`` itself; every other command goes to ``on_command``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Literal

import numpy as np

from core.batch import Batch
from core.catalog import Catalog
from core.clock import MS, wall_ns
from core.command import Cause, Command, CommandResult, Event, Status
from core.config import Duration
from core.errors import DecodeError
from core.metrics import Metrics
from core.ports import OnCommand
from core.spec import DeviceSpec
from simulator.network import Lane, Network
from simulator.publish.airs import Airs, Route, parcel
from simulator.publish.link import Link
from simulator.publish.nodes import shared_nodes
from simulator.publish.ring import Ring, with_replay
from wire import topics
from wire.codec_command import decode_command, encode_event, encode_result
from wire.codec_rows_out import Outgoing, encode_batch
from wire.mqtt import open_mqtt
from wire.session import SECOND, Message, MqttConfig, OpenSession, Qos, client_id
from wire.trace import trace_of

Connection = Literal["area", "node", "own"]
_TRACES = 10_000


class MqttPublisherConfig(MqttConfig):
    """Settings of the simulator's MQTT side, beside those of :class:`wire.session.MqttConfig`.

    ``connection``: one for each ``area``, for each ``node`` that the devices name, or an ``own`` one for each
    device (own will, own outages). ``ring``: how long rows are kept for ``replay``, at most ``ring_bytes``.
    ``backlog``: bytes that may wait for a broker that is away; beyond it the world waits. ``qos_of`` maps patterns of
    stream paths (``site/area/device/stream``, ``*`` stands for anything) to the QoS of their rows; the first that fits
    counts, else 1. ``trace``: rows carry a trace id on MQTT 5.
    """

    kind: Literal["mqtt"] = "mqtt"
    client_id: str = "simulator"
    expiry: Duration = 60 * SECOND
    connection: Connection = "area"
    ring: Duration = 600 * SECOND
    ring_bytes: int = 256 << 20
    backlog: int = 64 << 20
    close_timeout_s: float = 5.0
    qos_of: dict[str, Qos] = {}
    trace: bool = False


class MqttPublisher:
    """See :class:`core.ports.Publisher`.

    ``catalog`` gives the streams that batches index. ``sid`` is the start number (drawn from the wall clock if
    None); rows of batches that carry one keep theirs. ``network`` are the links between devices and broker (perfect
    ones without it): publish rows, or none, every quantum, since what is under way arrives then.
    """

    def __init__(
        self,
        config: MqttPublisherConfig,
        catalog: Catalog,
        on_command: OnCommand,
        *,
        open_session: OpenSession = open_mqtt,
        sid: int | None = None,
        metrics: Metrics | None = None,
        network: Network | None = None,
    ) -> None:
        self.config = config
        self.catalog = catalog
        self.network = network
        self.sid = sid or 0
        self.metrics = metrics or Metrics()
        self.links: dict[str, Link] = {}
        self._on_command = on_command
        self._open_session = open_session
        self._ring = Ring(config.ring, config.ring_bytes)
        self._link_of: dict[str, Link] = {}
        self._routes: dict[int, Route] = {}
        self._airs = Airs(network)
        self._traces: dict[str, str] = {}

    async def __aenter__(self) -> MqttPublisher:
        self.sid = self.sid or wall_ns() // MS
        return self

    async def __aexit__(self, *exc: object) -> None:
        for link in self.links.values():
            await link.close(self.config.close_timeout_s)

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        """Connect for devices and send their births; returns at once, connecting goes on in the background."""
        groups: dict[str, list[DeviceSpec]] = {}
        for device in self._with_nodes([self._replaying(device) for device in devices]):
            groups.setdefault(f"{device.site}/{device.area}/{device.node}", []).append(device)
        for node, members in groups.items():
            link = self.links.get(node) or self._open(node, members[0].path)
            link.add(members)
            self._link_of.update((device.path, link) for device in members)
            self._airs.of(link, self._lane(members[0].path))
            link.start()

    async def publish(self, batches: Sequence[Batch]) -> None:
        """Send rows, those of one stream together; waits while a broker is away and the backlog is full."""
        out = await self._airs.follow_faults()
        sent_ms = round(wall_ns() / MS, 3)
        for whole in batches:
            batch = whole
            if not batch.sid.all():
                batch = replace(batch, sid=np.where(batch.sid == 0, self.sid, batch.sid))
            routes = {stream: self._route(stream) for stream in set(batch.stream.tolist())}
            for part, stamp, kept in self._airs.parts(batch, routes, out, sent_ms):
                self._send(part, stamp, kept)
            self.metrics.count("rows_emitted", len(batch))
        self._airs.release()
        for link in self.links.values():
            await link.room()

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        """Send results and events."""
        for note in notes:
            if isinstance(note, CommandResult):
                topic, trace = topics.of_device(note.device, "result"), self._traces.get(note.id, "")
                self._link_of[note.device].queue(topic, encode_result(note), trace=trace)
            else:
                self._link_of[note.device].queue(topics.of_device(note.device, "event"), encode_event(note))

    async def flush(self) -> None:
        """Wait until the broker acknowledged everything, the last row numbers of all streams included.

        They stay with the broker, so that even who subscribes later sees what is missing.
        """
        self._airs.end()
        for link in self.links.values():
            link.state(online=True, last=True)
        for link in self.links.values():
            await link.flush()

    @property
    def connected(self) -> bool:
        """Tell whether every connection is up that no fault keeps down."""
        return all(link.connected or link.out for link in self.links.values())

    def lost_by_link(self) -> dict[str, int]:
        """Return the rows that links lost and nobody sends again, by stream path."""
        return self._airs.lost_for_good()

    def link_counts(self) -> dict[str, int]:
        """Return what links did to messages, all together."""
        return self._airs.counts()

    # --- inside -------------------------------------------------------------------------------------------

    def _with_nodes(self, devices: Sequence[DeviceSpec]) -> list[DeviceSpec]:
        """Return the devices with the node that their connection makes them part of."""
        mode = self.config.connection
        if mode == "node":
            return list(devices)
        if mode == "own":
            return [replace(device, node=device.device) for device in devices]
        alone = [replace(d, node=d.device) for d in devices if self._is_alone(d.path)]
        return [*alone, *shared_nodes([d for d in devices if not self._is_alone(d.path)])]

    def _lane(self, path: str) -> Lane | None:
        return self.network.lanes.get(path) if self.network else None

    def _is_alone(self, path: str) -> bool:
        lane = self._lane(path)
        return lane is not None and lane.own

    def _replaying(self, device: DeviceSpec) -> DeviceSpec:
        """Return a device that announces ``replay`` if its rows are kept."""
        lane = self._lane(device.path)
        return with_replay(device, lane is None or lane.replay)

    def _send(self, batch: Batch, sent_ms: float | None, kept: bool) -> None:
        """Encode rows and send them, or only keep them for ``replay``."""
        now = wall_ns()
        for message in encode_batch(batch, sent_ms):
            route = self._route(message.stream)
            if route.lane is None or route.lane.replay:
                self._ring.add(now, route.path, message)
            route.link.last[route.path] = message.last
            trace = self._trace(route.path, message)
            if route.air is None:
                route.link.queue(route.topic, message.payload, qos=route.qos, trace=trace)
            elif kept:
                route.air.put(parcel(route, message, trace))
            else:
                route.air.drop(route.path, message.last - message.first + 1)

    def _open(self, node: str, path: str) -> Link:
        link = self.links[node] = Link(
            node,
            self.sid,
            self.config.model_copy(update={"client_id": client_id(self.config.client_id, node)}),
            self._open_session,
            partial(self._heard, node),
            backlog=self.config.backlog,
            exact=self.config.connection == "own" or self._is_alone(path),
        )
        return link

    def _route(self, stream: int) -> Route:
        route = self._routes.get(stream)
        if route is None:
            entry = self.catalog.streams[stream]
            topic = topics.of_device(entry.device, "data", entry.spec.name)
            link, lane = self._link_of[entry.device], self._lane(entry.device)
            channels = len(entry.spec.layout.channels)
            air, qos = self._airs.of(link, lane), self._qos(entry.path)
            route = self._routes[stream] = Route(link, entry.path, topic, lane, air, channels, qos)
        return route

    def _qos(self, path: str) -> Qos:
        return next((qos for pattern, qos in self.config.qos_of.items() if fnmatchcase(path, pattern)), 1)

    def _trace(self, path: str, message: Outgoing) -> str:
        """Return the trace id of a message's last row, the one that a rule would act on."""
        if not self.config.trace or self.config.version != 5:
            return ""
        return Cause(path, message.sid, message.last, 0).trace()

    def _heard(self, node: str, message: Message) -> None:
        """Take in a command that came over a node's connection."""
        try:
            topic = topics.parse(message.topic)
            link = self._link_of.get(topic.path)
            if link is None or link.node != node:
                return  # a device in the same area with another connection
            command = replace(decode_command(topic, message.payload), trace=trace_of(message))
        except DecodeError:
            self.metrics.count("commands_unreadable")
            return
        if command.trace:
            self._traces[command.id] = command.trace
            if len(self._traces) > _TRACES:
                del self._traces[next(iter(self._traces))]
        if command.name == "rebirth":
            link = self._link_of[command.device]
            link.birth(link.devices[command.device])
            self._answer(command, "done", "")
        elif command.name == "replay":
            self._replay(command)
        else:
            self._on_command(command)

    def _replay(self, command: Command) -> None:
        """Send kept rows again."""
        link = self._link_of[command.device]
        found, status, detail = self._ring.asked(command)
        for message in found:
            route = self._route(message.stream)
            if route.air is None:
                link.queue(route.topic, message.payload)
            else:
                route.air.put(replace(parcel(route, message), qos=1), confirmed=True)
        self.metrics.count("messages_replayed", len(found))
        self._answer(command, status, detail)

    def _answer(self, command: Command, status: Status, detail: str) -> None:
        result = CommandResult(command.id, command.device, status, detail, wall_ns())
        self._link_of[command.device].queue(topics.of_device(command.device, "result"), encode_result(result))
