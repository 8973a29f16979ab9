"""Publisher on OPC UA whose server is a process of its own, so that it can die alone.

The simulator stands for the equipment, which keeps its rows for as long as the server's history reaches; a server that
is started again gets them back as its history before it listens. What is published while it is away is there then, too.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.batch import Batch
from core.catalog import Catalog
from core.clock import mono_ns
from core.command import CommandResult, Event
from core.errors import CommandRefused, DecodeError, WireError
from core.ports import OnCommand
from core.spec import DeviceSpec
from simulator.publish.frames import catalog_frame, frame, rows_frame
from simulator.publish.opcua import OpcuaPublisherConfig
from wire.opcua import names

log = logging.getLogger(__name__)

_FLUSH_S = 15.0
_STOP_S = 5.0
#: s before a server that ended is started again, and how often in a row it may end before it ever listened
_PAUSE_S, _STILLBORN = 0.5, 5
_LINE = 1 << 22
#: frames that may wait for a server that listens
_AHEAD = 2_000
_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(slots=True)
class _Kept:
    """A frame of the recent past, made at ``at`` (run time, ns)."""

    at: int
    content: bytes


class ApartOpcuaPublisher:
    """See :class:`simulator.publish.opcua.OpcuaPublisher`; keeps the server's process alive while it is open."""

    def __init__(
        self, config: OpcuaPublisherConfig, catalog: Catalog, on_command: OnCommand, now: Callable[[], int]
    ) -> None:
        self.config = config
        self.restarts = 0
        self._catalog, self._on_command, self._now = catalog, on_command, now
        self._devices: dict[str, DeviceSpec] = {}
        self._kept: deque[_Kept] = deque()
        self._gone = 0  # frames that have left ``_kept`` at its old end
        self._sent = 0  # frames handed to the present process, counted from the first ever
        self._more = asyncio.Event()
        self._flushes = 0
        self._flushed: dict[int, asyncio.Future[None]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    @property
    def pid(self) -> int:
        """Process id of the server, 0 while there is none."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    @property
    def _waiting(self) -> int:
        return self._gone + len(self._kept) - self._sent

    async def __aenter__(self) -> ApartOpcuaPublisher:
        self._keeping = asyncio.create_task(self._keep(), name="keep the OPC UA server")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._end()

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        """Serve devices."""
        self._check()
        self._devices.update((device.path, device) for device in devices)
        self._put(catalog_frame(self._catalog, [*self._devices.values()]))

    async def publish(self, batches: Sequence[Batch]) -> None:
        """Hand rows over, now or to the server that comes."""
        self._check()
        for batch in batches:
            if len(batch):
                self._put(rows_frame(batch))
        # a server that listens must not be left behind: what grows too old would never reach it
        while self._listening.is_set() and self._waiting > _AHEAD:  # noqa: ASYNC110 - bounded by the pipe
            await asyncio.sleep(0.005)

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        """Complete commands and show events."""
        for note in notes:
            self._put(frame("e" if isinstance(note, Event) else "r", names.write_note(note).encode()))

    async def flush(self) -> None:
        """Wait until the server has handed everything to its clients, or is away for too long."""
        self._flushes += 1
        number, done = self._flushes, asyncio.get_running_loop().create_future()
        self._flushed[number] = done
        self._put(frame("f", str(number).encode()))
        with suppress(TimeoutError):
            await asyncio.wait_for(done, _FLUSH_S)

    def _check(self) -> None:
        if self._keeping is not None and self._keeping.done() and not self._keeping.cancelled():
            self._keeping.result()  # raises what ended it

    def _put(self, content: bytes) -> None:
        now = self._now()
        self._kept.append(_Kept(now, content))
        while self._kept and self._kept[0].at < now - self.config.history:
            self._kept.popleft()
            self._gone += 1
        self._more.set()

    async def _keep(self) -> None:
        """Start the server, again whenever it ends. Raises WireError if it never listens."""
        stillborn = 0
        while True:
            process = await self._start()
            talking = asyncio.create_task(self._talk(process), name="OPC UA frames")
            hearing = asyncio.create_task(self._hear(process), name="OPC UA words")
            try:
                code = await process.wait()
            finally:
                await _ended(talking, hearing)
            stillborn = 0 if self._listening.is_set() else stillborn + 1
            self._listening.clear()
            if stillborn >= _STILLBORN:
                raise WireError(f"the OPC UA server on port {self.config.port} ends with code {code} before it listens")
            log.warning("the OPC UA server ended with code %s: starting it again", code)
            self.restarts += 1
            await asyncio.sleep(_PAUSE_S)

    async def _start(self) -> asyncio.subprocess.Process:
        self._listening.clear()
        self._sent = self._gone
        path = os.pathsep.join(p for p in (_ROOT, os.environ.get("PYTHONPATH", "")) if p)
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__.replace("opcua_apart", "opcua_process"), str(self.config.port),
            stdin=pipe, stdout=pipe, limit=_LINE, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        return self._process

    async def _talk(self, process: asyncio.subprocess.Process) -> None:
        """Tell a new process its settings and the past, then go on with the present."""
        assert process.stdin is not None
        pipe = process.stdin
        past, began = self._gone + len(self._kept), mono_ns()
        try:
            pipe.write(frame("s", self.config.model_dump_json().encode()))
            pipe.write(catalog_frame(self._catalog, [*self._devices.values()]))
            while True:
                while self._sent < self._gone + len(self._kept):
                    if 0 <= past <= self._sent:
                        pipe.write(frame("l"))
                        past = -1
                    self._sent = max(self._sent, self._gone)
                    pipe.write(self._kept[self._sent - self._gone].content)
                    self._sent += 1
                    await pipe.drain()
                if past >= 0:
                    pipe.write(frame("l"))
                    past = -1
                    log.info("the OPC UA server has its past after %.1f s", (mono_ns() - began) / 1e9)
                self._more.clear()
                await self._more.wait()
        except (BrokenPipeError, ConnectionResetError):
            return  # it is gone: the next one gets everything again

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            with suppress(json.JSONDecodeError):  # a line cut short by a killed process
                await self._heard(json.loads(line))

    async def _heard(self, said: dict[str, Any]) -> None:
        if "ready" in said:
            self._listening.set()
        elif "flushed" in said:
            done = self._flushed.pop(said["flushed"], None)
            if done is not None and not done.done():
                done.set_result(None)
        elif "command" in said:
            await self._called(said["command"])

    async def _called(self, text: str) -> None:
        try:
            command = names.read_command(text)
        except DecodeError as error:
            log.warning("a call of the OPC UA server: %s", error)
            return
        try:
            self._on_command(command)
        except CommandRefused as error:
            await self.tell([CommandResult(command.id, command.device, "refused", str(error), self._now())])

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
