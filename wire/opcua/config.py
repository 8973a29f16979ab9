"""Settings of both ends of an OPC UA connection, apart from what they need to run: asyncua takes long to import."""

from __future__ import annotations

from core.clock import MS, NS
from core.config import Config, Duration
from wire.opcua.security import OpcuaSecurity


class OpcuaClientConfig(Config):
    """How to reach a server.

    ``publishing`` is the interval at which the server sends; ``silence`` how long it may say nothing at all
    (it sends keep-alives) before the session counts as lost; ``batch`` bounds nodes a request (an S7-1200
    slows down above 200).
    """

    url: str
    publishing: Duration = 100 * MS
    silence: Duration = 10 * NS
    timeout: Duration = 8 * NS
    queue: int = 10_000
    batch: int = 500
    security: OpcuaSecurity = OpcuaSecurity()


class OpcuaServerConfig(Config):
    """Where the server listens and how much it remembers.

    ``port`` 0 takes a free one. ``history`` is how far back HistoryRead reaches (0: no history);
    ``block_mb`` bounds the memory of fast streams. ``answer`` is how long a method waits for the equipment's
    word before it returns ``accepted``.
    """

    host: str = "127.0.0.1"
    port: int = 4840
    name: str = "IIoT testbed"
    security: OpcuaSecurity = OpcuaSecurity()
    history: Duration = 600 * NS
    block_mb: float = 64.0
    answer: Duration = 500 * MS
    extra_namespaces: tuple[str, ...] = ()
