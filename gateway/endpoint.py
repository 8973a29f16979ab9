"""Health and figures of a gateway over plain HTTP: ``/health`` for whoever restarts it, ``/metrics`` for Prometheus.

Two fixed answers to GET and nothing else: no page, no parameter, no body is read.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import Field

from core.config import Config
from core.errors import WireError

_NAME = re.compile(r"[^a-zA-Z0-9_]")
_PATIENCE_S = 5.0
_MOST_LINES = 100
#: many labels are many series: figures by stream stay out
_LEFT_OUT = frozenset({"streams", "polled"})
Status = Callable[[], Mapping[str, Any]]


class EndpointConfig(Config):
    """Where it listens; ``port`` 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535)


class Endpoint:
    """Open with ``async with``; ``status`` returns what :meth:`gateway.service.Gateway.snapshot` does."""

    def __init__(self, config: EndpointConfig, status: Status) -> None:
        self.config, self._status = config, status
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Port it listens on."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else self.config.port

    async def __aenter__(self) -> Endpoint:
        try:
            self._server = await asyncio.start_server(self._answer, self.config.host, self.config.port, limit=4096)
        except OSError as error:
            raise WireError(f"the endpoint cannot listen on {self.config.host}:{self.config.port}: {error}") from error
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                first = await reader.readline()
                for _ in range(_MOST_LINES):
                    if await reader.readline() in (b"", b"\r\n", b"\n"):
                        break
                writer.write(self._response(first))
                await writer.drain()
        except (TimeoutError, ValueError, ConnectionError):
            return  # too slow, too long, or gone
        finally:
            writer.close()

    def _response(self, line: bytes) -> bytes:
        words = line.split()
        if len(words) < 2 or words[0] not in (b"GET", b"HEAD"):
            return _http("405 Method Not Allowed", "text/plain", "GET /health or /metrics\n")
        path = words[1].partition(b"?")[0]
        status = self._status()
        if path == b"/health":
            ills = ailments(status)
            well = healthy(status)
            body = json.dumps({"healthy": well, "ailments": ills}) + "\n"
            answer = _http("200 OK" if well else "503 Service Unavailable", "application/json", body)
        elif path == b"/metrics":
            answer = _http("200 OK", "text/plain; version=0.0.4", prometheus(status))
        else:
            answer = _http("404 Not Found", "text/plain", "GET /health or /metrics\n")
        return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if words[0] == b"HEAD" else answer


def ailments(status: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a gateway, empty for a healthy one."""
    out = [
        f"source {name} is {source['state']}: {source['error']}"
        for name, source in status.get("sources", {}).items()
        if source["state"] not in ("connected", "starting", "ended")
    ]
    if status.get("buffer", {}).get("over_limit"):
        out.append("the buffer is full: no store takes its rows")
    return out


def healthy(status: Mapping[str, Any]) -> bool:
    """Tell whether rows can pass: one source away does not make the gateway ill, all of them or a full buffer do."""
    sources = status.get("sources", {}).values()
    away = bool(sources) and all(source["state"] == "waiting" for source in sources)
    return not away and not status.get("buffer", {}).get("over_limit")


def prometheus(status: Mapping[str, Any]) -> str:
    """Return the figures in the Prometheus text format, one gauge a figure."""
    return "".join(f"# TYPE {name} gauge\n{name} {value!r}\n" for name, value in _flat("iiot_gateway", status))


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _LEFT_OUT:
                yield from _flat(f"{prefix}_{_NAME.sub('_', str(key))}", inner)
    elif prefix.endswith("_state"):
        yield prefix.removesuffix("state") + "connected", int(value == "connected")
    elif isinstance(value, (bool, int, float)):
        yield prefix, int(value) if isinstance(value, bool) else value


def _http(status: str, kind: str, body: str) -> bytes:
    content = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    return head.encode() + content
