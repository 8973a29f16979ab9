"""MQTT session over sockets, on paho-mqtt.

The network is served by the event loop itself (one readiness callback reads many packets, one writes many),
because a thread beside a busy loop waits for the interpreter lock at every system call. Where the loop cannot
watch sockets (Windows' proactor loop), or on request, paho's thread serves it and wakes the loop, coalesced.
Either way paho's callbacks only append and wake.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho

from core.clock import NS
from core.errors import NotConnected, WireError
from wire import mqtt_client as own
from wire.mqtt_client import Sent, ignore, unwatch
from wire.mqtt_subscribe import Subscriptions
from wire.session import Message, MqttConfig, Properties, Qos, Will, endpoint
from wire.watchdog import Watchdog

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode

_PACKETS = 256  # packets taken per readiness, so that a flood leaves the loop air
_READ = 4096  # messages a read returns at most
_TICK_S = 0.5
_SUBACK_S = 10.0
_HEARTBEAT = "testbed/heartbeat/"


class MqttSession:
    """See :class:`wire.session.Session`. ``open`` is its :data:`wire.session.OpenSession`."""

    def __init__(self, config: MqttConfig, will: Will | None = None) -> None:
        self.config = config
        self.will = will
        self.refused = 0
        self._client: paho.Client | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._epoch = 0
        self._up = False
        self._lost = ""
        self._window = config.window
        self._unacked: dict[int, Sent] = {}
        self._inbox: deque[Message] = deque()
        self._order: deque[int] = deque()  # handles read and not acknowledged to the broker
        self._done: dict[int, int] = {}  # handle -> QoS
        self._subscriptions = Subscriptions()
        self._connecting: asyncio.Future[bool] | None = None
        self._came = asyncio.Event()
        self._sent = asyncio.Event()
        self._room = threading.Event()
        self._wake_asked = False
        self._puback: deque[tuple[int, int]] = deque()
        self._paused = False
        self._packets = 0
        self._watchdog = Watchdog(config.watchdog)
        self._tick: asyncio.TimerHandle | None = None
        self._threaded = config.threaded

    @property
    def connected(self) -> bool:
        """Tell whether the connection is up."""
        return self._up

    @property
    def unacked(self) -> int:
        """Number of published messages that the broker has not acknowledged."""
        return len(self._unacked)

    async def connect(self) -> bool:
        """Connect; returns whether the broker still knew the session."""
        await self._drop()
        where = endpoint(self.config)
        self._loop = asyncio.get_running_loop()
        self._epoch += 1
        for kept in (self._inbox, self._order, self._done):
            kept.clear()
        self._lost, self._paused = "", False
        self._came.clear()
        self._room.set()
        waiting = self._connecting = self._loop.create_future()
        client = self._client = self._make_client()
        limit = self.config.connect_timeout / NS
        try:
            async with asyncio.timeout(limit):
                await self._loop.run_in_executor(None, own.dial, client, self.config)
                self._serve(client)
                known: bool = await waiting
        except (TimeoutError, OSError, ValueError) as error:
            await self._drop()
            what = f"no answer within {limit:g} s" if isinstance(error, TimeoutError) else str(error)
            raise NotConnected(f"{where.host}:{where.port}: {what}") from error
        except BaseException:
            await self._drop()
            raise
        self._up = True
        self._watchdog.begin()
        self._tick = self._loop.call_later(_TICK_S, self._on_tick, client)
        if self.config.watchdog:
            self._subscriptions.ask(client, self.config.version, [_HEARTBEAT + self._name], 0)
        self._resend()
        return known

    async def cut(self) -> None:
        """Lose the connection without a goodbye; ``connect`` may follow."""
        await self._drop()
        self._fail("the link is out")

    async def close(self) -> None:
        """Say goodbye and release everything."""
        client = self._client
        if client is not None and self._up:
            self._up = False
            client.disconnect()
            for _ in range(100):
                if client.socket() is None:
                    break
                await asyncio.sleep(0.01)
        self._fail("closed")
        await self._drop()

    async def _drop(self) -> None:
        """Release the client of the last connection."""
        client, self._client = self._client, None
        self._up = False
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        if client is None:
            return
        self._room.set()
        own.silence(client)
        sock = client.socket()
        if self._threaded:
            if isinstance(sock, socket.socket):
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # ends the thread's wait at once
            await asyncio.get_running_loop().run_in_executor(None, own.stop_thread, client)
        client._reset_sockets()  # no public way closes without a goodbye, which would silence the will

    def _make_client(self) -> paho.Client:
        client = own.make_client(self.config, self.will)
        client.user_data_set(self._epoch)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        if not self._threaded:
            client.on_socket_register_write = ignore
        return client

    def _serve(self, client: paho.Client) -> None:
        """Let the event loop (or a thread) move the bytes."""
        loop, sock = self._loop, client.socket()
        if loop is None or sock is None:
            raise OSError("connection refused")
        if not self._threaded:
            try:
                loop.add_reader(sock, self._on_readable, client)
            except NotImplementedError:
                self._threaded = True
        if self._threaded:
            client.on_socket_register_write = None
            client.loop_start()
            return
        client.on_socket_close = lambda _c, _u, s: unwatch(loop, s)
        client.on_socket_register_write = lambda c, _u, s: loop.add_writer(s, c.loop_write)
        client.on_socket_unregister_write = lambda _c, _u, s: unwatch(loop, s, reading=False)
        loop.add_writer(sock, client.loop_write)

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: Qos = 1, properties: Properties = ()
    ) -> None:
        """Hand a message over; waits while the window is full."""
        while len(self._unacked) >= self._window and self._up:
            self._sent.clear()
            await self._sent.wait()
        self._send(self._live(), (topic, payload, retain, qos, properties))

    async def flush(self) -> None:
        """Wait until all that was published is acknowledged."""
        while self._unacked:
            self._live()
            self._sent.clear()
            await self._sent.wait()

    def _send(self, client: paho.Client, sent: Sent) -> None:
        topic, payload, retain, qos, properties = sent
        more = own.publish_properties(properties) if properties and self.config.version == 5 else None
        info = client.publish(topic, payload, qos=qos, retain=retain, properties=more)
        self._unacked[info.mid] = sent

    def _resend(self) -> None:
        """Send again what an earlier connection left unacknowledged, before anything new; QoS 0 asks for no more."""
        left, self._unacked = self._unacked, {}
        for sent in (sent for sent in left.values() if sent[3]):
            self._send(self._live(), sent)

    def _live(self) -> paho.Client:
        if not self._up or self._client is None:
            raise NotConnected(self._lost or "not connected")
        return self._client

    # --- in -----------------------------------------------------------------------------------------------

    async def subscribe(self, filters: Sequence[str], *, wait: bool = True) -> None:
        """Subscribe; see :meth:`wire.session.Session.subscribe` for ``wait``."""
        waiting = self._subscriptions.ask(self._live(), self.config.version, filters, self.config.qos)
        if not wait:
            return
        try:
            async with asyncio.timeout(_SUBACK_S):
                codes = await waiting
        except TimeoutError as error:
            self._fail(why := "no answer to a subscription")
            raise NotConnected(why) from error
        if any(code.is_failure for code in codes):
            raise WireError(f"the broker refuses to subscribe {', '.join(filters)}")

    async def read(self, timeout: float | None = None) -> list[Message]:
        """Return what arrived, at least one message, or none after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not self._inbox:
                    self._live()
                    self._came.clear()
                    if not self._inbox:  # the thread may have appended meanwhile
                        await self._came.wait()
        except TimeoutError:
            return []
        inbox = self._inbox
        out: list[Message] = []
        while inbox and len(out) < _READ:
            out.append(inbox.popleft())
        self._order.extend(message.handle for message in out if message.handle and message.epoch == self._epoch)
        if len(inbox) < self.config.queue // 2:
            self._resume()
        return out

    async def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages of the present connection.

        The broker hears it in the order of arrival, as MQTT asks for (rumqttd hangs up otherwise): a message
        waits for those before it.
        """
        self._done.update({m.handle: m.qos for m in messages if m.epoch == self._epoch and m.handle})
        client, order = self._client, self._order
        if client is None or not self._up:
            return
        while order and order[0] in self._done:
            handle = order.popleft()
            client.ack(handle, self._done.pop(handle))

    def _resume(self) -> None:
        self._room.set()
        if self._paused and self._client is not None and self._loop is not None:
            self._paused = False
            sock = self._client.socket()
            if sock is not None:
                self._loop.add_reader(sock, self._on_readable, self._client)
                self._loop.call_soon(self._on_readable, self._client)

    # --- callbacks (of the loop, or of paho's thread where one serves) --------------------------------------

    def _on_readable(self, client: paho.Client) -> None:
        """Take packets as long as there are any: paho reads about one a call, and TLS holds some back unseen."""
        for _ in range(_PACKETS):
            before = self._packets
            client.loop_read()
            sock = client.socket()
            if sock is None or (self._packets == before and not (isinstance(sock, ssl.SSLSocket) and sock.pending())):
                return
            if len(self._inbox) >= self.config.queue and self._loop is not None:
                self._paused = True  # TCP then holds the broker back
                self._loop.remove_reader(sock)
                return
        if isinstance(sock, ssl.SSLSocket) and sock.pending() and self._loop is not None:
            self._loop.call_soon(self._on_readable, client)

    def _on_connect(self, client: paho.Client, epoch: int, flags: Any, code: ReasonCode, properties: Any) -> None:
        maximum = getattr(properties, "ReceiveMaximum", None)
        self._window = min(self.config.window, maximum or 65_535)
        error = NotConnected(f"the broker declines: {code}") if code.is_failure else None
        self._call(self._settle, epoch, bool(flags.session_present), error)

    def _settle(self, epoch: int, known: bool, error: NotConnected | None) -> None:
        if epoch == self._epoch and self._connecting is not None and not self._connecting.done():
            if error is not None:
                self._connecting.set_exception(error)
            else:
                self._connecting.set_result(known)

    def _on_disconnect(self, client: paho.Client, epoch: int, flags: Any, code: ReasonCode, properties: Any) -> None:
        self._call(self._gone, epoch, str(code))

    def _gone(self, epoch: int, why: str) -> None:
        if epoch == self._epoch:
            if self._connecting is not None and not self._connecting.done():
                self._connecting.set_exception(OSError(f"the broker hung up: {why}"))
            self._fail(why)

    def _on_message(self, client: paho.Client, epoch: int, message: paho.MQTTMessage) -> None:
        self._watchdog.heard()
        self._packets += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"
        if topic.startswith(_HEARTBEAT):
            return
        handle = message.mid if message.qos else 0
        self._inbox.append(own.received(topic, message, handle, epoch))
        if not self._threaded:
            self._came.set()
            return
        self._wake()
        if len(self._inbox) >= self.config.queue:
            self._room.clear()
            self._room.wait(0.2)  # slows the intake; short, so that pings still go out

    def _on_publish(self, client: paho.Client, epoch: int, mid: int, code: ReasonCode, properties: Any) -> None:
        self._packets += 1
        if epoch != self._epoch:
            return
        self.refused += bool(code.is_failure)
        if self._threaded:
            self._puback.append((epoch, mid))  # the loop may be between handing over and noting down
            self._wake()
        else:
            self._unacked.pop(mid, None)
            self._sent.set()

    def _on_subscribe(self, client: paho.Client, epoch: int, mid: int, codes: Any, properties: Any) -> None:
        self._call(self._subscriptions.answered, mid, list(codes))

    def _call(self, function: Any, *args: Any) -> None:
        if self._threaded and self._loop is not None:
            self._loop.call_soon_threadsafe(function, *args)
        else:
            function(*args)

    def _wake(self) -> None:
        if not self._wake_asked and self._loop is not None:
            self._wake_asked = True
            self._loop.call_soon_threadsafe(self._woken)

    def _woken(self) -> None:
        self._wake_asked = False
        while self._puback:
            epoch, mid = self._puback.popleft()
            if epoch == self._epoch:
                self._unacked.pop(mid, None)
        self._came.set()
        self._sent.set()

    def _on_tick(self, client: paho.Client) -> None:
        if client is not self._client or not self._up or self._loop is None:
            return
        if not self._threaded:
            client.loop_misc()
        if self._up:
            self._watch(client)
            self._tick = self._loop.call_later(_TICK_S, self._on_tick, client)

    def _watch(self, client: paho.Client) -> None:
        """Beat, and notice a connection that is up but silent (unless it waits for our acknowledgements)."""
        if self._order or self._inbox or self._paused:
            self._watchdog.heard()
        if self._watchdog.beats():
            client.publish(_HEARTBEAT + self._name, b"", qos=0)
        if self._watchdog.silent:
            self._fail(f"connected and silent for {self._watchdog.limit / NS:g} s")

    @property
    def _name(self) -> str:
        return self.config.client_id or f"{id(self):x}"

    def _fail(self, why: str) -> None:
        """Mark the connection as lost and wake everyone who waits."""
        self._up = False
        self._lost = why
        self._subscriptions.fail(why)
        self._came.set()
        self._sent.set()


def open_mqtt(config: MqttConfig, will: Will | None = None) -> MqttSession:
    """Return a session over sockets (:data:`wire.session.OpenSession`)."""
    return MqttSession(config, will)
