"""Settings of both ends of an OPC UA connection, apart from what they need to run: asyncua takes long to import."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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


class Persona(Config):
    """Limits of a vendor's server to imitate.

    ``items`` bounds the monitored items of all clients together (more: Bad_TooManyMonitoredItems). A request of more
    than ``batch`` nodes takes ``slow`` longer for each node beyond. ``publishing`` is the shortest publishing interval.
    """

    items: int = Field(100_000, ge=1)
    batch: int = Field(10_000, ge=1)
    slow: Duration = 0
    publishing: Duration = 10 * MS


#: by type designation. Items and the batch of the S7-1200 as users report them (benthos-umh, OPC UA input, vendor
#: profiles: "1,000 monitored items, batches above 200 are 50 times slower"; S7-1500: 10,000 items); the delay a node
#: and the intervals are ours
PERSONAS = {
    "s7-1200": Persona.model_validate({"items": 1_000, "batch": 200, "slow": "5ms", "publishing": "200ms"}),
    "s7-1500": Persona.model_validate({"items": 10_000, "batch": 1_000, "slow": "1ms", "publishing": "100ms"}),
}


class OpcuaServerConfig(Config):
    """Where the server listens and how much it remembers.

    ``port`` 0 takes a free one. ``history`` is how far back HistoryRead reaches (0: no history);
    ``block_mb`` bounds the memory of fast streams. ``answer`` is how long a method waits for the equipment's
    word before it returns ``accepted``. ``persona`` names a vendor's server, or gives limits of one's own.
    """

    host: str = "127.0.0.1"
    port: int = 4840
    name: str = "IIoT testbed"
    security: OpcuaSecurity = OpcuaSecurity()
    history: Duration = 600 * NS
    block_mb: float = 64.0
    answer: Duration = 500 * MS
    extra_namespaces: tuple[str, ...] = ()
    persona: Literal["s7-1200", "s7-1500"] | Persona = Persona()

    @property
    def limits(self) -> Persona:
        """Return the limits that clients meet."""
        return PERSONAS[self.persona] if isinstance(self.persona, str) else self.persona
