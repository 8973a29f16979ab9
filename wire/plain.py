"""The plain way over MQTT, as a floor for benchmarks: a subscriber that only counts, and one that echoes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from core.clock import mono_ns
from core.errors import NotConnected
from wire.mqtt_client import send_at_once

OnMessage = Callable[[paho.Client, paho.MQTTMessage], None]
_WAIT_S = 10.0


class Counter:
    """Counts messages; ``last`` is when the last wanted one came (monotonic ns)."""

    def __init__(self, wanted: int) -> None:
        self.count = 0
        self.last = 0
        self.wanted = wanted
        self.done = threading.Event()

    def __call__(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        """Take a message."""
        self.count += 1
        if self.count == self.wanted:
            self.last = mono_ns()
            self.done.set()


class Echo:
    """Measures round trips: publishes on one topic, waits for the answer on another."""

    def __init__(self) -> None:
        self._came = threading.Event()

    def __call__(self, client: paho.Client, message: paho.MQTTMessage) -> None:
        """Take an answer."""
        self._came.set()

    def once(self, client: paho.Client, topic: str, payload: bytes) -> int | None:
        """Return how long one round trip took (ns), None without an answer within 5 s."""
        self._came.clear()
        began = mono_ns()
        client.publish(topic, payload, qos=1)
        return mono_ns() - began if self._came.wait(5.0) else None


def answer(topic: str) -> OnMessage:
    """Return a callback that publishes what came on another topic."""

    def back(client: paho.Client, message: paho.MQTTMessage) -> None:
        client.publish(topic, message.payload, qos=1)

    return back


def listen(url: str, name: str, topic: str, heard: OnMessage) -> paho.Client:
    """Return a bare client, served by its own thread, that is subscribed at QoS 1. Raises NotConnected."""
    place = urlsplit(url)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id=name, clean_session=True, protocol=MQTTProtocolVersion.MQTTv311
    )
    ready = threading.Event()

    def on_connect(client: paho.Client, data: Any, flags: Any, code: Any, properties: Any) -> None:
        client.subscribe(topic, 1)

    client.on_connect = on_connect
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda client, _, message: heard(client, message)
    client.max_inflight_messages_set(0)
    try:
        client.connect(place.hostname or "127.0.0.1", place.port or 1883)
    except OSError as error:
        raise NotConnected(f"{url}: {error}") from error
    send_at_once(client.socket())
    client.loop_start()
    if not ready.wait(_WAIT_S):
        client.loop_stop()
        raise NotConnected(f"{url}: no answer to the subscription of {topic}")
    return client


def leave(client: paho.Client) -> None:
    """Say goodbye."""
    client.disconnect()
    client.loop_stop()
