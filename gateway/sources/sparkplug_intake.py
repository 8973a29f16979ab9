"""From Sparkplug messages to arrivals: sessions followed, metrics mapped, everything unusable named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.batch import merge
from core.catalog import Catalog, StreamEntry
from core.clock import MS, mono_ns, wall_ns
from core.command import CommandResult, Event, NodeState
from core.errors import DecodeError, RejectedError
from core.metrics import Metrics
from core.ports import Arrival, Note
from core.spec import DeviceSpec
from gateway.limits import Guard
from gateway.sources.parking import Parking
from gateway.sources.sparkplug_nodes import DeviceSession, Incoming, NodeSession
from gateway.sources.sparkplug_writes import Writes
from wire.codec_command import decode_event, decode_result
from wire.session import Message
from wire.sparkplug import names
from wire.sparkplug.births import Slot, flatten, read_birth
from wire.sparkplug.life import read_bdseq
from wire.sparkplug.names import place
from wire.sparkplug.payload import Metric, Template, decode, resolve
from wire.sparkplug.rows import RowReader, Rows
from wire.topics import Topic

_OWN = frozenset({"NCMD", "DCMD", "STATE"})
_MOST_NODES = 10_000
_NO_BIRTH = RejectedError("no-birth", "data of a device that had not introduced itself")


class Intake:
    """What one read gathers, in the order that an :class:`Arrival` wants."""

    def __init__(self) -> None:
        self.births: dict[str, DeviceSpec] = {}
        self.notes: list[Note] = []
        self.states: list[NodeState] = []
        self.rejects: list[tuple[str, str, bytes]] = []
        self.ask: dict[NodeSession, None] = {}
        self._rows: dict[int, tuple[Rows, int]] = {}

    def rows(self, sent_ms: int, arrived: int) -> Rows:
        """Return where rows go that were sent in the same millisecond (0: who knows when)."""
        rows, last = self._rows.get(sent_ms) or (Rows(), 0)
        self._rows[sent_ms] = rows, max(last, arrived)
        return rows

    def arrivals(self) -> list[Arrival]:
        """Return births and rejects first, then rows by the moment they were sent, then states and notes.

        A state says how many rows should have come: it is judged after them.
        """
        out: list[Arrival] = []
        if self.births or self.rejects:
            out.append(Arrival(births=list(self.births.values()), rejects=self.rejects, arrived=wall_ns()))
        for sent, (rows, arrived) in self._rows.items():
            batches = rows.batches()
            if batches:
                out.append(Arrival(batches=merge(batches), arrived=arrived, sent=sent * MS))
        if self.notes or self.states:
            out.append(Arrival(notes=self.notes, states=self.states, arrived=wall_ns()))
        return out


class Reader:
    """Reads the messages of all edge nodes; ``nodes`` holds what is known of them."""

    def __init__(
        self,
        catalog: Catalog,
        nodes: dict[tuple[str, str], NodeSession],
        metrics: Metrics,
        writes: Writes,
        max_bytes: int,
        parking: Parking,
        guard: Guard,
    ) -> None:
        self.catalog, self.nodes, self.metrics = catalog, nodes, metrics
        self._writes, self._max_bytes, self._parking, self._guard = writes, max_bytes, parking, guard

    def node(self, group: str, name: str) -> NodeSession:
        """Return an edge node, known or new; raises RejectedError ``too-many``."""
        node = self.nodes.get((group, name))
        if node is None:
            if len(self.nodes) >= _MOST_NODES:
                raise RejectedError("too-many", f"more than {_MOST_NODES} edge nodes")
            node = self.nodes[group, name] = NodeSession(group, name)
        return node

    def forget(self) -> None:
        """End every session: what was said while nobody listened is not known."""
        for node in self.nodes.values():
            node.lapse()

    def take(self, message: Message, intake: Intake) -> None:
        """Take a message in."""
        try:
            topic = names.parse(message.topic)
            if topic.kind in _OWN:
                return
            self._guard.admit(f"{topic.group}/{topic.node}/{topic.device}", len(message.payload))
            node = self.node(topic.group, topic.node)
            incoming = Incoming(topic, decode(message.payload, self._max_bytes), message)
            if topic.kind == "NBIRTH":
                self._begin(node, incoming, intake)
            elif topic.kind == "NDEATH":
                self._end(node, incoming, intake)
            elif not node.online:
                self._unborn(node, incoming, intake)
            else:
                for ready in node.arrived(incoming, mono_ns()):
                    self._read(node, ready, intake)
        except DecodeError as error:
            self._reject(message, error, intake)

    def release(self, now: int, limit: int, intake: Intake) -> None:
        """Take what has waited too long for a message that did not come, and ask for births."""
        for message in self._parking.expired():
            self._reject(message, _NO_BIRTH, intake)
        for node in self.nodes.values():
            overdue = node.overdue(now, limit)
            if overdue:
                self.metrics.count("sparkplug_gaps")
                intake.ask[node] = None
                for incoming in overdue:
                    self._read(node, incoming, intake)

    # --- life cycle ---------------------------------------------------------------------------------------

    def _begin(self, node: NodeSession, incoming: Incoming, intake: Intake) -> None:
        bdseq, seq = read_bdseq(incoming.payload), incoming.payload.seq
        if seq is None or not 0 <= seq <= 255:
            raise RejectedError("bad-seq", f"an NBIRTH needs a sequence number of 0 to 255, not {seq}")
        for left in node.begin(bdseq, seq):
            self._read(node, left, intake)
        for ident, device in node.rebirths:
            intake.notes.append(CommandResult(ident, device, "done", "the edge node was born again", wall_ns()))
        node.rebirths.clear()
        where = place(node.group, node.node)
        intake.states.append(NodeState(where.node_path, True))
        self._introduce(node, incoming, intake)

    def _end(self, node: NodeSession, incoming: Incoming, intake: Intake) -> None:
        """End a session, if this death belongs to it: the will of an earlier connection may come late."""
        if read_bdseq(incoming.payload) != node.bdseq or not node.online:
            self.metrics.count("sparkplug_deaths_ignored")
            return
        intake.states.append(NodeState(place(node.group, node.node).node_path, False))
        why = f"the edge node {node.node} died: values are stale"
        self._tell(node.end(), "offline", why, "warning", intake)

    def _tell(self, devices: list[DeviceSession], name: str, text: str, severity: Any, intake: Intake) -> None:
        for session in devices:
            device = session.born.device
            if device is not None:
                t = session.last_t or wall_ns()
                intake.notes.append(Event(device.path, name, text, t, severity))

    def _introduce(self, node: NodeSession, incoming: Incoming, intake: Intake) -> None:
        """Read a birth: the catalogue learns the device, and its present values are rows like others."""
        topic = incoming.topic
        born = read_birth(topic, incoming.payload.metrics)
        before = self.catalog.devices.get(born.place.path)
        taken = before is not None and ("sparkplug" not in before.protocols or before.node != born.place.node)
        if taken and born.device is not None:
            raise RejectedError("device-taken", f"{born.place.path} is another connection's device")
        if born.device is not None:
            self._guard.birth(born.device)
        back = node.back(topic.device, before is not None)
        session = node.introduce(topic.device, born)
        self._judge_parked(topic, bool(born.device and not born.writable), intake)
        if born.device is not None:
            settled = self.catalog.add(born.device)
            if settled != before:
                intake.births[settled.path] = settled
        try:
            self._values(node, session, incoming, intake, birth=True)
        finally:
            if back:
                self._tell([session], "online", "it is there again", "info", intake)

    def _read(self, node: NodeSession, incoming: Incoming, intake: Intake) -> None:
        """Read a message whose turn it is."""
        topic = incoming.topic
        try:
            if topic.kind == "DBIRTH":
                self._introduce(node, incoming, intake)
                return
            session = node.devices.get(topic.device)
            if session is None or not session.online:
                self._unborn(node, incoming, intake)
            elif topic.kind == "DDEATH":
                session.online = False
                node.gone.add(topic.device)
                self._tell([session], "offline", "the device died: values are stale", "warning", intake)
            else:
                self._values(node, session, incoming, intake, birth=False)
        except DecodeError as error:
            self._reject(incoming.message, error, intake)

    def _unborn(self, node: NodeSession, incoming: Incoming, intake: Intake) -> None:
        """Ask for the birth of who speaks before it; what was said waits only to learn what it is worth."""
        intake.ask[node] = None
        topic = incoming.topic
        if not self._parking.put(f"{topic.group}/{topic.node}/{topic.device}", incoming.message):
            raise _NO_BIRTH
        self.metrics.count("messages_parked")

    def _judge_parked(self, topic: names.SparkplugTopic, numbered: bool, intake: Intake) -> None:
        """Decide on what came before a birth: its aliases may have meant something else, so it is never read.

        Where rows are numbered the birth tells which are missing, and ``replay`` brings them; else they are lost.
        """
        for message in self._parking.take(f"{topic.group}/{topic.node}/{topic.device}"):
            if numbered:
                self.metrics.count("messages_unborn")
            else:
                self._reject(message, _NO_BIRTH, intake)

    # --- values -------------------------------------------------------------------------------------------

    def _values(
        self, node: NodeSession, session: DeviceSession, incoming: Incoming, intake: Intake, *, birth: bool
    ) -> None:
        """Read the metrics of a message. What cannot be read is named, its neighbours are kept."""
        payload, name = incoming.payload, incoming.topic.device
        reader = RowReader(self._entries(session), session.born.sid, birth)
        now = incoming.message.arrived // MS
        late = birth
        trouble: DecodeError | None = None
        for metric in flatten([self._named(node, name, metric) for metric in payload.metrics]):
            try:
                slot = self._slot(node, name, metric, intake)
                value = resolve(metric, slot.datatype)
                t = metric.timestamp if metric.timestamp is not None else payload.timestamp
                late = late or metric.historical
                self._metric(session, slot, metric, value, now if t is None else t, reader, intake, birth)
            except DecodeError as error:
                trouble = trouble or error
        sent = 0 if late or payload.timestamp is None or payload.timestamp >= 1 << 43 else payload.timestamp
        reader.finish(intake.rows(sent, incoming.message.arrived))
        if reader.marks:
            where = session.born.place.node_path
            intake.states.append(NodeState(where, True, session.born.sid, reader.marks))
        if trouble is not None:
            raise trouble

    def _named(self, node: NodeSession, name: str, metric: Metric) -> Metric:
        """Return a template's instance with its name: its members are found by it."""
        slot = node.slot(name, metric) if isinstance(metric.value, Template) and not metric.name else None
        return metric if slot is None else replace(metric, name=slot.name)

    def _slot(self, node: NodeSession, name: str, metric: Metric, intake: Intake) -> Slot:
        slot = node.slot(name, metric)
        if slot is None:
            intake.ask[node] = None
            what = f"metric {metric.name[:80]!r}" if metric.name else f"alias {metric.alias}"
            raise RejectedError("unknown-metric", f"{what} is in no birth of {name or node.node}")
        return slot

    def _metric(
        self,
        session: DeviceSession,
        slot: Slot,
        metric: Metric,
        value: Any,
        t_ms: int,
        reader: RowReader,
        intake: Intake,
        birth: bool,
    ) -> None:
        device = session.born.place
        if slot.role in ("value", "row", "time", "quality"):
            reader.take(slot, metric, value, t_ms)
            session.last_t = max(session.last_t, t_ms * MS)
            if slot.role == "value" and session.born.writable and not birth:
                intake.notes += self._writes.seen(device.path, slot.name, value)
        elif slot.role in ("result", "event") and isinstance(value, str):
            topic = Topic("result", device.site, device.area, device.device)
            read = decode_result if slot.role == "result" else decode_event
            intake.notes.append(read(topic, value.encode()))
        elif slot.role == "text" and isinstance(value, str):
            if not birth and session.texts.get(slot.name) != value:
                text = f"{slot.name}: {value[:1900]}"
                intake.notes.append(Event(device.path, "text", text, t_ms * MS))
            session.texts[slot.name] = value
        elif slot.role == "other" and value is not None and not birth:
            self.metrics.count("metrics_unmapped")

    def _entries(self, session: DeviceSession) -> dict[str, StreamEntry]:
        device = session.born.device
        if device is None:
            return {}
        found = {s.name: self.catalog.find(device.stream_path(s.name)) for s in device.streams}
        return {name: entry for name, entry in found.items() if entry is not None}

    def _reject(self, message: Message, error: DecodeError, intake: Intake) -> None:
        self.metrics.count("messages_rejected")
        intake.rejects.append((message.topic, str(error), message.payload))
