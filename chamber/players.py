"""Devices on the network: each chamber instrument speaks the guideline over its own connection."""

from __future__ import annotations

import secrets

from chamber.instruments import Instrument
from core.command import NodeState
from core.errors import DecodeError
from wire import topics
from wire.codec_birth import encode_birth
from wire.codec_command import decode_command, encode_state
from wire.codec_rows_out import encode_rows
from wire.mqtt import open_mqtt
from wire.session import MqttConfig, Session, Will


class Player:
    """Publishes one instrument: birth, rows, state; its will tells when it is gone."""

    def __init__(self, instrument: Instrument, url: str) -> None:
        self.instrument = instrument
        self.url = url
        self.sid = 0
        self.sent = 0
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The open connection."""
        assert self._session is not None, "open first"
        return self._session

    async def open(self) -> None:
        """Connect as a device that has just started, and announce it."""
        spec = self.instrument.spec
        self.sid = secrets.randbits(48) | 1
        config = MqttConfig(url=self.url, client_id=f"{spec.device}-{self.sid:x}", persistent=False)
        self._session = open_mqtt(config, Will(self._state_topic, encode_state(self._state(online=False))))
        await self.session.connect()
        await self.session.subscribe([topics.of_device(spec.path, "command")])
        await self.session.publish(self._state_topic, encode_state(self._state(online=True)), retain=True)
        await self.announce()

    async def announce(self) -> None:
        """Publish the birth."""
        spec = self.instrument.spec
        await self.session.publish(topics.of_device(spec.path, "birth"), encode_birth(spec, self.sid))

    async def play(self, until: int) -> None:
        """Publish the rows of the next ``until - sent`` samples as one message."""
        if until <= self.sent:
            return
        spec = self.instrument.spec
        batch = self.instrument.block(0, self.sid, slice(self.sent, until))
        await self.session.publish(topics.of_device(spec.path, "data", spec.streams[0].name), encode_rows(batch))
        self.sent = until

    async def listen(self) -> None:
        """Answer ``rebirth`` with a birth; other commands are not known here."""
        while True:
            messages = await self.session.read()
            for message in messages:
                try:
                    command = decode_command(topics.parse(message.topic), message.payload)
                except DecodeError:
                    continue
                if command.name == "rebirth":
                    await self.announce()
            await self.session.ack(messages)

    async def finish(self) -> None:
        """Wait for the broker's word on every row, then say what the last one was."""
        await self.session.flush()
        await self.session.publish(self._state_topic, encode_state(self._state(online=False)), retain=True)
        await self.session.flush()

    async def close(self) -> None:
        """Disconnect."""
        if self._session is not None:
            await self._session.close()

    @property
    def _state_topic(self) -> str:
        return topics.of_device(self.instrument.spec.path, "state")

    def _state(self, online: bool) -> NodeState:
        spec = self.instrument.spec
        last = {} if online or not self.sent else {spec.stream_path(spec.streams[0].name): self.sent - 1}
        return NodeState(spec.path, online, self.sid, last)
