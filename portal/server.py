"""Serving an application inside the loop of its process: no signals, a free port, an orderly end."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import uvicorn
from fastapi import FastAPI

from core.errors import TestbedError
from portal.context import Context

GRACE_S = 3
_TRIES = 20


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone: they belong to the supervisor."""
        yield


class Served:
    """A running server: ``url`` says where, :meth:`stop` ends it."""

    def __init__(self, app: FastAPI, sock: socket.socket, tls: tuple[Path, Path] | None = None) -> None:
        self.app = app
        self.host, self.port = sock.getsockname()[:2]
        self._sock = sock
        self._scheme = "https" if tls else "http"
        self._server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=GRACE_S,
                ws="none",
                ssl_certfile=tls[0] if tls else None,
                ssl_keyfile=str(tls[1]) if tls else None,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address to open on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"{self._scheme}://{host}:{self.port}/"

    async def start(self) -> None:
        """Begin to serve; returns when requests are answered."""
        self._task = asyncio.create_task(self._server.serve([self._sock]), name="portal")
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise TestbedError("the portal ended before it began to serve")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End streams, let answers finish for some seconds, close; safe to call twice."""
        if self._task is None:
            self._sock.close()
            return
        context = self.app.state.context
        if isinstance(context, Context):
            context.pulse.stopping.set()
        self._server.should_exit = True
        task, self._task = self._task, None
        await task
        self._sock.close()

    async def __aenter__(self) -> Served:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def serve(
    app: FastAPI, host: str = "127.0.0.1", port: int = 8080, tls: tuple[Path, Path] | None = None
) -> Served:
    """Serve an application; takes the next free port when ``port`` is taken (``served.port`` tells which).

    ``tls`` is a certificate and its key.

    Raises
    ------
    TestbedError
        If the host is not this machine's, or no port is free.
    """
    served = Served(app, bind(host, port), tls)
    await served.start()
    return served


def bind(host: str, port: int) -> socket.socket:
    """Return a bound socket on ``port`` or, when it is taken, on one of the next, at last on any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    choices = [port, *range(port + 1, min(port + _TRIES, 65_536)), 0] if port else [0]
    for choice in choices:
        sock = socket.socket(family, socket.SOCK_STREAM)
        if socket.SO_REUSEADDR and hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: reuse would steal the port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, choice))
        except OSError as error:
            sock.close()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise TestbedError(f"cannot serve on {host}:{choice}: {error.strerror}") from error
        sock.setblocking(False)
        return sock
    raise TestbedError(f"no free port on {host} from {port} on")
