"""The chamber's ear: a subscriber that feeds the recorder with what the devices really sent."""

from __future__ import annotations

import asyncio
import secrets

from chamber.recorder import Recorder
from core.clock import NS, wall_ns
from core.command import Command
from core.errors import DecodeError
from wire import topics
from wire.codec_birth import decode_birth
from wire.codec_command import decode_state, encode_command
from wire.codec_rows import decode_rows
from wire.mqtt import open_mqtt
from wire.session import Message, MqttConfig, Session

_PARKED = 1000  # messages that may wait for a birth


class Listener:
    """Subscribes to the plan's devices, decodes by the guideline, acknowledges what is recorded."""

    def __init__(self, recorder: Recorder, url: str) -> None:
        self.recorder = recorder
        self.url = url
        self.ended: set[str] = set()
        self.changed = asyncio.Event()
        self._session: Session | None = None
        self._sids: dict[str, int] = {}
        self._parked: list[Message] = []

    async def open(self) -> None:
        """Connect, subscribe, and ask devices that already run to introduce themselves."""
        config = MqttConfig(url=self.url, client_id=f"chamber-{secrets.token_hex(4)}", persistent=False)
        session = self._session = open_mqtt(config, None)
        await session.connect()
        devices = self.recorder.devices
        kinds: tuple[topics.Kind, ...] = ("birth", "state")
        filters = [topics.of_device(device, kind) for device in devices for kind in kinds]
        filters += [topics.of_device(device, "data", "+") for device in devices]
        await session.subscribe(filters)

    async def ask_births(self) -> None:
        """Send ``rebirth`` to every device that has not been born."""
        assert self._session is not None, "open first"
        now = wall_ns()
        for device in self.recorder.missing():
            ask = Command(secrets.token_hex(8), device, "rebirth", "user:chamber", now, now + 30 * NS)
            await self._session.publish(topics.of_device(device, "command"), encode_command(ask))

    async def listen(self) -> None:
        """Record for ever; cancel to end."""
        assert self._session is not None, "open first"
        try:
            while True:
                messages = await self._session.read()
                for message in messages:
                    self._take(message)
                await self._session.ack(messages)
                self.changed.set()
        finally:
            self.changed.set()  # whoever waits must see that nothing will come any more

    async def close(self) -> None:
        """Disconnect."""
        if self._session is not None:
            await self._session.close()

    def _take(self, message: Message) -> None:
        try:
            topic = topics.parse(message.topic)
            if topic.kind == "birth":
                self._birth(topic, message.payload)
            elif topic.kind == "state":
                self._state(topic, message)
            elif topic.kind == "data":
                self._rows(topic, message)
        except DecodeError:
            self.recorder.reject()

    def _birth(self, topic: topics.Topic, payload: bytes) -> None:
        device, sid = decode_birth(topic, payload)
        self._sids[device.path] = sid
        self.recorder.birth(device)
        waiting, self._parked = self._parked, []
        for message in waiting:
            self._take(message)

    def _state(self, topic: topics.Topic, message: Message) -> None:
        """Take in the last row number of a graceful end; a retained state speaks of an earlier run."""
        state = decode_state(topic, message.payload)
        if state.online or message.retained:
            return
        for stream, seq in state.last.items():
            self.recorder.last(stream, state.sid, seq)
        self.ended.add(topic.path)

    def _rows(self, topic: topics.Topic, message: Message) -> None:
        entry = self.recorder.catalog.find(topic.stream_path)
        if entry is not None:
            batch, _ = decode_rows(message.payload, entry, self._sids.get(topic.path, 0))
            self.recorder.rows(topic.stream_path, batch)
        elif len(self._parked) < _PARKED and topic.path in self.recorder.missing():
            self._parked.append(message)
        else:
            self.recorder.reject()
