"""A broker in memory with the same session interface, and knobs for a bad network.

Retained messages, wills, persistent sessions and manual acknowledgement behave as on a real broker; loss, delay
and duplication are drawn from a seed, per delivery. For tests and for running everything in one process.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.clock import wall_ns
from core.errors import NotConnected
from core.seed import generator
from wire.session import Message, MqttConfig, Properties, Qos, Will, topic_matches


@dataclass(slots=True)
class _Client:
    """What the broker keeps of a client over connections; ``pending`` holds what it has not acknowledged."""

    filters: list[str] = field(default_factory=list)
    pending: dict[int, tuple[str, bytes, bool, Properties]] = field(default_factory=dict)
    session: MemorySession | None = None
    next_handle: int = 1


class MemoryBroker:
    """The broker.

    Parameters
    ----------
    loss, duplication
        Chance in [0, 1] that a delivery is lost, or arrives twice.
    delay_s
        Longest delay of a delivery, drawn evenly; deliveries may overtake each other.
    seed
        Root of the draws.
    """

    def __init__(self, loss: float = 0.0, delay_s: float = 0.0, duplication: float = 0.0, seed: int = 0) -> None:
        self.loss, self.delay_s, self.duplication = loss, delay_s, duplication
        self.retained: dict[str, bytes] = {}
        self.up = True
        self.published = 0
        self.lost = 0
        self._draw: np.random.Generator = generator(seed, "memory-broker")
        self._clients: dict[str, _Client] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def open(self, config: MqttConfig, will: Will | None = None) -> MemorySession:
        """Return a session with this broker (:data:`wire.session.OpenSession`)."""
        return MemorySession(self, config, will)

    def stop(self, *, forget: bool = False) -> None:
        """Go down: every connection is lost; ``forget`` also loses sessions and retained messages."""
        self.up = False
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for client in self._clients.values():
            if client.session is not None:
                client.session._fail("the broker is down")
                client.session = None
        if forget:
            self._clients.clear()
            self.retained.clear()

    def start(self) -> None:
        """Come back."""
        self.up = True

    def cut(self, client_id: str) -> None:
        """Lose one connection without a goodbye: its will is published."""
        client = self._clients[client_id]
        if client.session is not None:
            session, client.session = client.session, None
            session._fail("connection lost")
            if session.will is not None:
                self.publish(session.will.topic, session.will.payload, retain=session.will.retain)

    def publish(self, topic: str, payload: bytes, *, retain: bool, qos: int = 1, properties: Properties = ()) -> None:
        """Take a message and deliver it to every subscriber; with QoS 0 only to those that are here."""
        self.published += 1
        if retain:
            self.retained[topic] = payload
            if not payload:
                del self.retained[topic]
        for client in self._clients.values():
            if any(topic_matches(f, topic) for f in client.filters):
                self._deliver(client, topic, payload, retained=False, qos=qos, properties=properties)

    def _attach(self, name: str, session: MemorySession, persistent: bool) -> bool:
        old = self._clients.get(name)
        if old is not None and old.session is not None and old.session is not session:
            old.session._fail("another client took the same id")
        known = old is not None and persistent
        client = self._clients[name] = old if old is not None and persistent else _Client()
        client.session = session
        for handle, message in client.pending.items():
            session._arrive(*message, handle)
        return known

    def _subscribe(self, name: str, filters: Sequence[str]) -> None:
        client = self._clients[name]
        client.filters += [f for f in filters if f not in client.filters]
        for topic, payload in list(self.retained.items()):
            if any(topic_matches(f, topic) for f in filters):
                self._deliver(client, topic, payload, retained=True)

    def _detach(self, name: str, persistent: bool) -> None:
        client = self._clients.get(name)
        if client is not None:
            client.session = None
            if not persistent:
                del self._clients[name]

    def _acked(self, name: str, handle: int) -> None:
        if name in self._clients:
            self._clients[name].pending.pop(handle, None)

    def _deliver(
        self,
        client: _Client,
        topic: str,
        payload: bytes,
        *,
        retained: bool,
        qos: int = 1,
        properties: Properties = (),
    ) -> None:
        if not qos:
            if client.session is not None and not (self.loss and self._draw.random() < self.loss):
                client.session._arrive(topic, payload, retained, properties, 0)
            return
        if self.loss and self._draw.random() < self.loss:
            self.lost += 1
            return
        copies = 2 if self.duplication and self._draw.random() < self.duplication else 1
        for _ in range(copies):
            handle = client.next_handle
            client.next_handle += 1
            client.pending[handle] = (topic, payload, retained, properties)
            if self.delay_s:
                self._later(client, handle, float(self._draw.random()) * self.delay_s)
            elif client.session is not None:
                client.session._arrive(topic, payload, retained, properties, handle)

    def _later(self, client: _Client, handle: int, delay: float) -> None:
        def arrive() -> None:
            self._timers.discard(timer)
            message = client.pending.get(handle)
            if message is not None and client.session is not None:
                client.session._arrive(*message, handle)

        timer = asyncio.get_running_loop().call_later(delay, arrive)
        self._timers.add(timer)


class MemorySession:
    """See :class:`wire.session.Session`."""

    def __init__(self, broker: MemoryBroker, config: MqttConfig, will: Will | None = None) -> None:
        self.config = config
        self.will = will
        self._broker = broker
        self._name = config.client_id or f"anonymous-{id(self):x}"
        self._persistent = config.persistent and bool(config.client_id)
        self._inbox: deque[Message] = deque()
        self._came = asyncio.Event()
        self._epoch = 0
        self._up = False
        self._lost = ""

    @property
    def connected(self) -> bool:
        """Tell whether the connection is up."""
        return self._up

    async def connect(self) -> bool:
        """Connect; returns whether the broker still knew the session."""
        if not self._broker.up:
            raise NotConnected("the broker is down")
        self._inbox.clear()
        self._epoch += 1
        self._up, self._lost = True, ""
        return self._broker._attach(self._name, self, self._persistent)

    async def subscribe(self, filters: Sequence[str], *, wait: bool = True) -> None:
        """Subscribe; retained messages arrive."""
        self._check()
        self._broker._subscribe(self._name, filters)

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: Qos = 1, properties: Properties = ()
    ) -> None:
        """Hand a message over; QoS 2 is served as 1."""
        self._check()
        told = properties if self.config.version == 5 else ()
        self._broker.publish(topic, payload, retain=retain, qos=qos, properties=told)

    async def flush(self) -> None:
        """Return at once: the broker has everything."""
        self._check()

    async def read(self, timeout: float | None = None) -> list[Message]:
        """Return what arrived, at least one message, or none after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not self._inbox:
                    self._check()
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            return []
        out = list(self._inbox)
        self._inbox.clear()
        return out

    async def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages of the present connection."""
        for message in messages:
            if message.epoch == self._epoch and self._up:
                self._broker._acked(self._name, message.handle)

    async def cut(self) -> None:
        """Lose the connection without a goodbye."""
        if self._up:
            self._broker.cut(self._name)

    async def close(self) -> None:
        """Say goodbye."""
        if self._up:
            self._broker._detach(self._name, self._persistent)
            self._fail("closed")

    def _check(self) -> None:
        if not self._up:
            raise NotConnected(self._lost or "not connected")

    def _arrive(self, topic: str, payload: bytes, retained: bool, properties: Properties, handle: int) -> None:
        self._inbox.append(Message(topic, payload, wall_ns(), retained, handle, self._epoch, 1, properties))
        self._came.set()

    def _fail(self, why: str) -> None:
        self._up, self._lost = False, why
        self._came.set()
