"""The process of an OPC UA server that stands apart from its simulator: ``python -m simulator.publish.opcua_process``.

Frames (:mod:`simulator.publish.frames`) come on standard input; on standard output go, one JSON object a line,
``{"ready": true}``, the commands that clients call, and ``{"flushed": n}``. It ends when its input closes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.batch import unpack
from core.catalog import Catalog
from core.command import Command
from simulator.publish.frames import HEAD, read_catalog
from simulator.publish.opcua import OpcuaPublisher, OpcuaPublisherConfig
from wire.opcua import names

if TYPE_CHECKING:
    Frames = asyncio.Queue[tuple[str, bytes] | None]

#: frames read ahead; beyond it the pipe fills and the simulator waits
_AHEAD = 2_000


def _frames(descriptor: int) -> Iterator[tuple[str, bytes]]:
    with os.fdopen(descriptor, "rb") as pipe:
        while len(head := pipe.read(HEAD.size)) == HEAD.size:
            kind, size = HEAD.unpack(head)
            content = pipe.read(size)
            if len(content) < size:
                return
            yield kind.decode(), content


class _Server:
    """Serves what the frames say."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._catalog = Catalog()
        self._publisher: OpcuaPublisher | None = None
        self._now = 0

    async def take(self, kind: str, content: bytes) -> None:
        """Do what one frame says."""
        if kind == "s":
            config = OpcuaPublisherConfig.model_validate_json(content)
            self._publisher = OpcuaPublisher(config, self._catalog, self._called, lambda: self._now)
            await self._publisher.server.prepare()
            return
        publisher = self._publisher
        assert publisher is not None
        if kind == "c":
            await publisher.announce(read_catalog(content, self._catalog))
        elif kind == "b":
            batch = unpack(content, self._catalog.layout)
            self._now = max(self._now, int(batch.t.max()))
            await publisher.publish([batch])
        elif kind in "er":
            text = content.decode()
            await publisher.tell([names.read_event(text) if kind == "e" else names.read_result(text)])
        elif kind == "l":
            await publisher.server.listen()
            self._say({"ready": True})
        elif kind == "f":
            await publisher.flush()
            self._say({"flushed": int(content)})

    async def close(self) -> None:
        """Stop serving."""
        if self._publisher is not None:
            await self._publisher.server.stop()

    def _called(self, command: Command) -> None:
        self._say({"command": names.write_command(command)})

    def _say(self, what: dict[str, object]) -> None:
        os.write(self._out, json.dumps(what).encode() + b"\n")


def _feed(descriptor: int, frames: Frames, loop: asyncio.AbstractEventLoop) -> None:
    """Body of the reading thread."""
    try:
        for found in _frames(descriptor):
            asyncio.run_coroutine_threadsafe(frames.put(found), loop).result()
        asyncio.run_coroutine_threadsafe(frames.put(None), loop).result()
    except RuntimeError:
        return  # the loop has ended first


async def serve() -> None:
    """Serve until the input ends."""
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not mix with what we say
    frames: Frames = asyncio.Queue(_AHEAD)
    reader = (os.dup(0), frames, asyncio.get_running_loop())
    threading.Thread(target=_feed, args=reader, name="frames", daemon=True).start()
    server = _Server(out)
    try:
        while (found := await frames.get()) is not None:
            await server.take(*found)
    finally:
        await server.close()


if __name__ == "__main__":
    asyncio.run(serve())
    sys.exit(0)
