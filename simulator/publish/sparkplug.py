"""Publisher on Sparkplug B: an edge node for each area (or node), its devices beneath.

Rows go out as they come while the primary host is online; otherwise they are held and sent as historical. Answers
rebirths and ``replay`` itself; every other command goes to ``on_command``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from core.batch import Batch, unpack
from core.catalog import Catalog
from core.clock import MS, NS, wall_ns
from core.command import Cause, Command, CommandResult, Event, Status
from core.config import Duration
from core.metrics import Metrics
from core.ports import OnCommand
from core.spec import DeviceSpec
from simulator.publish.edge import EdgeNode
from simulator.publish.edge_rows import Piece
from simulator.publish.nodes import shared_nodes
from simulator.publish.ring import REPLAY, Ring, with_replay
from wire.codec_command import encode_event, encode_result
from wire.codec_rows_out import Outgoing
from wire.mqtt import open_mqtt
from wire.session import SECOND, MqttConfig, OpenSession, client_id
from wire.sparkplug.form import COMMANDS, EVENT, RESULT, DeviceForm, pieces
from wire.sparkplug.names import group_of
from wire.sparkplug.payload import Metric, Payload

_LIFE = 30 * NS


class SparkplugPublisherConfig(MqttConfig):
    """Settings of the simulator's Sparkplug side, beside those of :class:`wire.session.MqttConfig`.

    ``primary_host``: host application that must be online while data flow (empty: none is waited for).
    ``connection``: one edge node for each ``area``, or for each ``node`` that the devices name. ``overlap``: rows
    sent so shortly before a break go out again, as historical: QoS 0 does not say what arrived. ``ring`` and
    ``ring_bytes``: what is kept for ``replay``; ``backlog``: bytes that may wait, beyond it the world waits.
    """

    kind: Literal["sparkplug"] = "sparkplug"
    client_id: str = "simulator-sparkplug"
    persistent: bool = False
    primary_host: str = "testbed"
    connection: Literal["area", "node"] = "area"
    overlap: Duration = 2 * SECOND
    ring: Duration = 600 * SECOND
    ring_bytes: int = 256 << 20
    backlog: int = 64 << 20
    close_timeout_s: float = 5.0


class SparkplugPublisher:
    """See :class:`core.ports.Publisher`.

    ``catalog`` gives the streams that batches index. ``sid`` is the start number (drawn from the wall clock if
    None). ``now`` is run time, for commands of hosts that do not say when theirs expires.
    """

    def __init__(
        self,
        config: SparkplugPublisherConfig,
        catalog: Catalog,
        on_command: OnCommand,
        *,
        open_session: OpenSession = open_mqtt,
        sid: int | None = None,
        now: Callable[[], int] = wall_ns,
        metrics: Metrics | None = None,
    ) -> None:
        self.config, self.catalog = config, catalog
        self.sid = sid or 0
        self.metrics = metrics or Metrics()
        self.edges: dict[str, EdgeNode] = {}
        self._on_command, self._open_session, self._now = on_command, open_session, now
        self._ring = Ring(config.ring, config.ring_bytes)
        self._edge_of: dict[str, EdgeNode] = {}
        self._last: dict[int, Batch] = {}

    async def __aenter__(self) -> SparkplugPublisher:
        self.sid = self.sid or wall_ns() // MS
        return self

    async def __aexit__(self, *exc: object) -> None:
        for edge in self.edges.values():
            await edge.close(self.config.close_timeout_s)

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        """Connect for devices and send their births; returns at once, connecting goes on in the background."""
        known = list(devices) if self.config.connection == "node" else shared_nodes(devices)
        for device in known:
            edge = self._edge(device)
            edge.add(with_replay(device))
            self._edge_of[device.path] = edge
            edge.start()

    async def publish(self, batches: Sequence[Batch]) -> None:
        """Send rows, or hold them; waits where too much is held."""
        now = wall_ns()
        for batch in batches:
            if not batch.sid.all():
                batch = replace(batch, sid=np.where(batch.sid == 0, self.sid, batch.sid))
            for stream, rows in batch.by_stream():
                entry = self.catalog.streams[stream]
                for part in pieces(rows, entry.spec.fast):
                    self._keep(now, entry.path, part)
                    self._put(entry.device, Piece(entry.device.rpartition("/")[2], entry.spec.name, part))
                self._last[stream] = rows.take(slice(-1, None))
            self.metrics.count("rows_emitted", len(batch))
        for edge in self.edges.values():
            await edge.room()

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        """Send results and events."""
        for note in notes:
            self._tell(note)

    async def flush(self) -> None:
        """Wait until everything is written, the last row numbers of all streams included."""
        for stream, row in self._last.items():
            entry = self.catalog.streams[stream]
            self._put(entry.device, Piece(entry.device.rpartition("/")[2], entry.spec.name, row, mark=True))
        for edge in self.edges.values():
            await edge.flush()

    @property
    def connected(self) -> bool:
        """Tell whether every edge node is in session with its host."""
        return all(edge.born for edge in self.edges.values())

    # --- inside -------------------------------------------------------------------------------------------

    def _edge(self, device: DeviceSpec) -> EdgeNode:
        name = f"{device.site}/{device.area}/{device.node}"
        edge = self.edges.get(name)
        if edge is None:
            edge = self.edges[name] = EdgeNode(
                group_of(device.site, device.area),
                device.node,
                self.sid,
                self.config.model_copy(update={"client_id": client_id(self.config.client_id, name)}),
                self._open_session,
                self._heard,
                host=self.config.primary_host,
                overlap=self.config.overlap,
                backlog=self.config.backlog,
            )
        return edge

    def _put(self, device: str, piece: Piece) -> None:
        self._edge_of[device].put(piece)

    def _keep(self, now: int, path: str, rows: Batch) -> None:
        """Keep rows for ``replay``, one start at a time."""
        for sid in dict.fromkeys(rows.sid.tolist()):
            part = rows.take(rows.sid == sid)
            stream, seq = int(part.stream[0]), part.seq
            self._ring.add(now, path, Outgoing(stream, sid, int(seq[0]), int(seq[-1]), part.pack()))

    def _tell(self, note: Event | CommandResult) -> None:
        name = note.device.rpartition("/")[2]
        if isinstance(note, CommandResult):
            self._put(note.device, Piece(name, RESULT, text=encode_result(note).decode()))
        else:
            self._put(note.device, Piece(name, EVENT, text=encode_event(note).decode()))

    def _heard(self, form: DeviceForm, payload: Payload) -> None:
        """Take in the commands of a DCMD."""
        written = {metric.name or form.names.get(metric.alias or 0, ""): metric for metric in payload.metrics}
        for name, metric in written.items():
            command = name.removeprefix(COMMANDS)
            if command == name or "/" in command or metric.value in (False, None):
                continue
            args = {
                other.removeprefix(f"{name}/"): value.value
                for other, value in written.items()
                if other.startswith(f"{name}/") and isinstance(value.value, (int, float, str))
            }
            asked = self._command(form.device.path, command, args, metric, payload)
            if command == REPLAY.name:
                self._replay(asked)
            else:
                self._on_command(asked)

    def _command(
        self, device: str, name: str, args: dict[str, float | str], metric: Metric, payload: Payload
    ) -> Command:
        """Return a command; what a foreign host leaves unsaid is filled in, the id from what it wrote and when."""
        said, now = metric.properties, self._now()
        own = hashlib.blake2b(repr((device, name, args, payload.timestamp, metric.timestamp)).encode(), digest_size=8)
        cause = said.get("cause")
        return Command(
            id=str(said.get("id") or f"dcmd-{own.hexdigest()}"),
            device=device,
            name=name,
            issuer=str(said.get("issuer") or "sparkplug"),
            t=_whole(said.get("t"), now),
            expires=_whole(said.get("expires"), now + _LIFE),
            args=args,
            cause=_cause(cause) if isinstance(cause, dict) else None,
        )

    def _replay(self, command: Command) -> None:
        """Send kept rows again, marked as historical."""
        found, status, detail = self._ring.asked(command)
        device, stream = command.device.rpartition("/")[2], str(command.args.get("stream", ""))
        for kept in found:
            rows = unpack(kept.payload, self.catalog.layout)
            self._put(command.device, Piece(device, stream, rows, historical=True))
        self.metrics.count("messages_replayed", len(found))
        self._answer(command, status, detail)

    def _answer(self, command: Command, status: Status, detail: str) -> None:
        self._tell(CommandResult(command.id, command.device, status, detail, wall_ns()))


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _cause(said: dict[str, object]) -> Cause | None:
    stream, numbers = said.get("stream"), [said.get(key) for key in ("sid", "seq", "t")]
    if not isinstance(stream, str) or not all(isinstance(n, int) for n in numbers):
        return None
    return Cause(stream, *(int(n) for n in numbers))  # type: ignore[call-overload]
