"""One way to talk to an MQTT broker: over sockets (:mod:`wire.mqtt`) or in memory (:mod:`wire.memory`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from core.config import Config, Duration
from core.errors import WireError

SECOND = 1_000_000_000
Qos = Literal[0, 1, 2]
#: user properties of MQTT 5, in order
Properties = tuple[tuple[str, str], ...]


class MqttConfig(Config):
    """How to reach a broker.

    ``url`` is ``mqtt://user:password@host:port`` or ``mqtts://…``; user and password keys win over it.
    ``version`` 5 or 311 (MQTT 3.1.1). ``persistent``: the broker keeps subscriptions and undelivered messages
    for ``expiry``. ``window`` bounds the messages that were published and not acknowledged; ``queue`` those
    received and not read. ``watchdog`` (0: none): a connection that stays silent so long counts as lost; an own
    heartbeat keeps a healthy one from being silent. ``qos`` is what subscriptions ask for.
    """

    url: str = "mqtt://127.0.0.1:1883"
    client_id: str = ""
    version: Literal[5, 311] = 311
    persistent: bool = True
    expiry: Duration = 3600 * SECOND
    username: str | None = None
    password: str | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    keepalive_s: int = 20
    connect_timeout: Duration = 5 * SECOND
    window: int = 2000
    queue: int = 20_000
    watchdog: Duration = 0
    threaded: bool = False
    qos: Literal[0, 1, 2] = 1


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it arrived (wall ns). ``handle``, ``epoch`` and ``qos`` are the session's, for the acknowledgement;
    ``properties`` are the user properties of MQTT 5.
    """

    topic: str
    payload: bytes
    arrived: int = 0
    retained: bool = False
    handle: int = 0
    epoch: int = 0
    qos: int = 1
    properties: Properties = ()

    def property(self, name: str) -> str:
        """Return a user property, empty where it is not there."""
        return next((value for key, value in self.properties if key == name), "")


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says, ``retain``-ed or not, when the connection is lost without a goodbye."""

    topic: str
    payload: bytes
    retain: bool = True


class Session(Protocol):
    """A connection to a broker, QoS 1 both ways unless asked otherwise. Constructors only assign; one session serves
    one event loop.

    ``will`` may be changed between connections.

    After NotConnected, ``connect`` may be called again: messages that were published and not acknowledged go
    out again first, in order; messages that were read and not acknowledged come again.
    """

    will: Will | None

    @property
    def connected(self) -> bool:
        """Tell whether the connection is up."""
        ...

    async def connect(self) -> bool:
        """Connect; returns whether the broker still knew the session. Raises NotConnected."""
        ...

    async def subscribe(self, filters: Sequence[str], *, wait: bool = True) -> None:
        """Subscribe. Raises NotConnected, or WireError where it is refused.

        ``wait`` for the broker's word, but not where it knew the session: rumqttd answers only after what it
        kept for us is acknowledged.
        """
        ...

    async def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, qos: Qos = 1, properties: Properties = ()
    ) -> None:
        """Hand a message over; waits while too many are under way. Raises NotConnected (not handed over).

        With ``qos`` 0 it is under way until it is written to the socket, and does not go out again. ``properties``
        travel on MQTT 5 only.
        """
        ...

    async def flush(self) -> None:
        """Wait until all that was published is acknowledged. Raises NotConnected."""
        ...

    async def read(self, timeout: float | None = None) -> list[Message]:
        """Return what arrived, at least one message, or none after ``timeout`` seconds. Raises NotConnected."""
        ...

    async def ack(self, messages: Sequence[Message]) -> None:
        """Acknowledge messages; the broker hears it in the order of arrival, so one that is held back holds back
        those behind it. Messages of an earlier connection are passed over (they come again).
        """
        ...

    async def cut(self) -> None:
        """Lose the connection without a goodbye, as a dead link would: the broker publishes the will."""
        ...

    async def close(self) -> None:
        """Say goodbye (no will is sent) and release everything. Safe to call twice."""
        ...


OpenSession = Callable[[MqttConfig, Will | None], Session]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of a broker's URL."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None


def endpoint(config: MqttConfig) -> Endpoint:
    """Return where to connect; raises WireError for an URL that is not ``mqtt://`` or ``mqtts://``."""
    parts = urlsplit(config.url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == 0:
        raise WireError(f"not a broker URL: {config.url!r} (write mqtt://host:1883 or mqtts://host:8883)")
    tls = parts.scheme == "mqtts"
    return Endpoint(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        username=config.username or (unquote(parts.username) if parts.username else None),
        password=config.password or (unquote(parts.password) if parts.password else None),
    )


def client_id(*parts: str) -> str:
    """Return a client id of letters, digits, ``.``, ``_`` and ``-`` only: rumqttd breaks on others."""
    return re.sub(r"[^A-Za-z0-9._-]", ".", "-".join(parts))


def topic_matches(pattern: str, topic: str) -> bool:
    """Tell whether an MQTT topic filter covers a topic."""
    want, have = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and want[0] in ("#", "+"):
        return False
    for i, level in enumerate(want):
        if level == "#":
            return True
        if i >= len(have) or level not in ("+", have[i]):
            return False
    return len(want) == len(have)
