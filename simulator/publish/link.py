"""One connection of the simulator: a node with its will, its queue and the commands it hears."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from core.command import NodeState
from core.errors import NotConnected, WireError
from core.spec import DeviceSpec
from simulator.publish.together import until_one_ends
from wire import topics
from wire.codec_birth import encode_birth
from wire.codec_command import encode_state
from wire.session import Message, MqttConfig, OpenSession, Qos, Will
from wire.trace import properties as traced

_BACKOFF_S = (0.1, 5.0)


class Link:
    """Keeps one node connected and sends what is queued, in order; nothing queued is lost to an outage."""

    def __init__(
        self,
        node: str,
        sid: int,
        config: MqttConfig,
        open_session: OpenSession,
        on_message: Callable[[Message], None],
        *,
        backlog: int,
        exact: bool,
    ) -> None:
        self.node = node
        self.sid = sid
        self.devices: dict[str, DeviceSpec] = {}
        self.last: dict[str, int] = {}
        self.reconnects = 0
        self.queued_bytes = 0
        self.error = ""
        self._config = config
        self._backlog = backlog
        self._exact = exact
        self._on_message = on_message
        self._session = open_session(config, Will(self._topic, encode_state(NodeState(node, False, sid))))
        self._queue: deque[tuple[str, bytes, bool, Qos, str]] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._reachable = asyncio.Event()
        self._reachable.set()

    @property
    def connected(self) -> bool:
        """Tell whether the node is online."""
        return self._session.connected

    @property
    def out(self) -> bool:
        """Tell whether a fault keeps the link out."""
        return not self._reachable.is_set()

    async def cut(self) -> None:
        """Lose the connection, as a fault: the broker publishes the will; what is queued waits."""
        self._reachable.clear()
        if self._session.connected:
            await self._session.cut()

    def mend(self) -> None:
        """Let the link connect again."""
        self._reachable.set()

    @property
    def _topic(self) -> str:
        return topics.of_device(self.node, "state")

    def start(self) -> None:
        """Begin to connect, in the background, and stay connected."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"link {self.node}")

    def add(self, devices: Sequence[DeviceSpec]) -> None:
        """Let devices report through this connection; their births go out now, or on connecting."""
        for device in devices:
            self.devices[device.path] = device
            if self.connected:
                self.birth(device)

    def birth(self, device: DeviceSpec) -> None:
        """Queue a device's birth."""
        self.queue(topics.of_device(device.path, "birth"), encode_birth(device, self.sid), retain=True)

    def state(self, *, online: bool, last: bool) -> None:
        """Queue the node's state, with the last row numbers on request."""
        payload = encode_state(NodeState(self.node, online, self.sid, dict(self.last) if last else {}))
        self.queue(self._topic, payload, retain=True)

    def queue(self, topic: str, payload: bytes, *, retain: bool = False, qos: Qos = 1, trace: str = "") -> None:
        """Queue a message; ``trace`` travels with it on MQTT 5."""
        self._queue.append((topic, payload, retain, qos, trace))
        self.queued_bytes += len(payload)
        self._work.set()

    async def room(self) -> None:
        """Wait until the queue is within its bound."""
        while self.queued_bytes > self._backlog:
            self._room.clear()
            await self._room.wait()

    async def flush(self) -> None:
        """Wait until everything queued is acknowledged by the broker, over reconnects."""
        while True:
            while self._queue:
                self._room.clear()
                await self._room.wait()
            try:
                await self._session.flush()
                return
            except NotConnected:
                await asyncio.sleep(_BACKOFF_S[0])

    async def close(self, timeout: float) -> None:
        """Send what is left and take leave with the last row numbers, if the broker is there within ``timeout``."""
        if self._session.connected:
            self.state(online=False, last=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self.flush()
        if self._task is not None:
            self._closing = True
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._session.close()

    async def _run(self) -> None:
        delay = _BACKOFF_S[0]
        while True:
            if self.out:
                await self._reachable.wait()
                delay = _BACKOFF_S[0]
            try:
                known = await self._session.connect()
                if self.out:  # a fault that began while it was connecting
                    await self._session.cut()
                await self._session.subscribe(self._filters(), wait=not known)
                self._greet()
                self.error, delay = "", _BACKOFF_S[0]
                await until_one_ends(self._send(), self._listen())
            except WireError as error:
                self.error = str(error)
            self.reconnects += 1
            await asyncio.sleep(delay)
            delay = min(delay * 2, _BACKOFF_S[1])

    def _filters(self) -> list[str]:
        if self._exact:
            return [topics.of_device(path, "command") for path in self.devices]
        area = self.node.rpartition("/")[0]
        return [topics.of_device(f"{area}/+", "command")]

    def _greet(self) -> None:
        """Put the state, then the births, before what is queued: a broker that restarted knows neither."""
        waiting, self._queue = self._queue, deque()
        self.state(online=True, last=False)
        for device in self.devices.values():
            self.birth(device)
        self._queue.extend(waiting)

    async def _send(self) -> None:
        while True:
            self._work.clear()
            while self._queue:
                topic, payload, retain, qos, trace = self._queue[0]
                more = traced(trace) if trace else ()
                await self._session.publish(topic, payload, retain=retain, qos=qos, properties=more)
                self._queue.popleft()
                self.queued_bytes -= len(payload)
            self._room.set()
            await self._work.wait()

    async def _listen(self) -> None:
        while True:
            messages = await self._session.read()
            for message in messages:
                self._on_message(message)
            await self._session.ack(messages)
