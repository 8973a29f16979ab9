"""The platform's way to equipment: it asks on `request` topics; the gateway alone commands."""

from __future__ import annotations

import asyncio
import logging

from core.command import Command
from core.errors import NotConnected
from testbed.credentials import Credentials
from wire import topics
from wire.codec_command import encode_command
from wire.mqtt import open_mqtt
from wire.session import MqttConfig, OpenSession
from wire.signing import sign

log = logging.getLogger(__name__)
RETRY_S = 0.5


class RequestLink:
    """See :class:`core.ports.CommandLink`. Requests wait in order while the broker is away, until they expire."""

    def __init__(
        self,
        url: str,
        *,
        open_session: OpenSession = open_mqtt,
        bound: int = 1000,
        proof: Credentials | None = None,
    ) -> None:
        proof = proof or Credentials()
        self._key = proof.signing
        self._session = open_session(proof.connect(MqttConfig(url=url, client_id="platform", persistent=False)), None)
        self._queue: asyncio.Queue[Command] = asyncio.Queue(bound)
        self.sent = 0

    async def send(self, command: Command) -> None:
        """Queue a request; waits where the queue is full."""
        await self._queue.put(command)

    def offer(self, command: Command) -> bool:
        """Queue a request from the event loop without waiting; False where the queue is full."""
        try:
            self._queue.put_nowait(command)
        except asyncio.QueueFull:
            return False
        return True

    async def run(self) -> None:
        """Carry requests until cancelled."""
        try:
            while True:
                await self._carry(await self._queue.get())
        finally:
            await self._session.close()

    async def _carry(self, command: Command) -> None:
        if self._key is not None:
            command = sign(command, self._key.id, self._key.algorithm, self._key.private)
        payload = encode_command(command)
        while True:
            try:
                if not self._session.connected:
                    await self._session.connect()
                await self._session.publish(topics.of_device(command.device, "request"), payload)
                await self._session.flush()
            except NotConnected as error:
                log.info("request %s waits: %s", command.id, error)
                await asyncio.sleep(RETRY_S)
                continue
            self.sent += 1
            return
