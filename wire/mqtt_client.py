"""How a paho client is set up from our settings, how it dials, and how it is let go."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from core.clock import NS, wall_ns
from wire.session import Message, MqttConfig, Qos, Will, endpoint

#: topic, payload, retain, QoS, user properties
Sent = tuple[str, bytes, bool, Qos, tuple[tuple[str, str], ...]]


def make_client(config: MqttConfig, will: Will | None) -> paho.Client:
    """Return a client without callbacks; it acknowledges by hand and never reconnects by itself."""
    v5 = config.version == 5
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=config.client_id,
        clean_session=None if v5 else not keeps_session(config),
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    where = endpoint(config)
    if where.username is not None:
        client.username_pw_set(where.username, where.password)
    if where.tls:
        client.tls_set_context(_tls(config))
    if will is not None:
        client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
    client.connect_timeout = config.connect_timeout / NS
    client.max_inflight_messages_set(0)  # the window is ours; paho searches its queue from the start each time
    return client


def keeps_session(config: MqttConfig) -> bool:
    """Tell whether the broker is asked to keep the session: that takes a name."""
    return config.persistent and bool(config.client_id)


def dial(client: paho.Client, config: MqttConfig) -> None:
    """Open the socket and queue CONNECT; for a worker thread, since name look-up and TLS block."""
    where = endpoint(config)
    more: dict[str, Any] = {}
    if config.version == 5:
        properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = 65_535
        if keeps_session(config):
            properties.SessionExpiryInterval = config.expiry // NS
        more = {"clean_start": not keeps_session(config), "properties": properties}
    client.connect(where.host, where.port, config.keepalive_s, **more)
    send_at_once(client.socket())


def publish_properties(pairs: Sequence[tuple[str, str]]) -> Any:
    """Return user properties as paho wants them with PUBLISH."""
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.UserProperty = list(pairs)
    return properties


def received(topic: str, message: paho.MQTTMessage, handle: int, epoch: int) -> Message:
    """Return what arrived just now, with the user properties of MQTT 5."""
    told = () if message.properties is None else tuple(getattr(message.properties, "UserProperty", ()))
    return Message(topic, bytes(message.payload), wall_ns(), message.retain, handle, epoch, message.qos, told)


def send_at_once(sock: Any) -> None:
    """Let small packets leave at once: held back behind an unacknowledged one, a command would wait 40 ms."""
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def silence(client: paho.Client) -> None:
    """Let a client call nobody any more."""
    for name in ("on_connect", "on_disconnect", "on_message", "on_publish", "on_subscribe"):
        setattr(client, name, None)


def ignore(*_: Any) -> None:
    """Stand in for the write callback until the loop watches the socket."""


def unwatch(loop: asyncio.AbstractEventLoop, sock: Any, *, reading: bool = True) -> None:
    """Let a loop watch a socket no more, for writing only or for both."""
    if not loop.is_closed():
        loop.remove_writer(sock)
        if reading:
            loop.remove_reader(sock)


def stop_thread(client: paho.Client) -> None:
    """End paho's own thread; blocks until it has."""
    client.disconnect()
    client.loop_stop()


def _tls(config: MqttConfig) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=config.ca and str(config.ca))
    if config.cert is not None:
        context.load_cert_chain(config.cert, config.key)
    return context
