"""Child processes of ``testbed up``: started in their own group, heard line by line, ended for certain."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from core.clock import mono_ns

Heard = Callable[[str, dict[str, object]], None]
#: niceness of roles that leave the processors to the others: the live loop has its deadlines
BACKGROUND = {"history": 10, "platform": 5}
_LINE_LIMIT = 64 * 1024 * 1024


class Child:
    """One role's process. ``heard(role, message)`` is called for every line it says."""

    def __init__(self, role: str, run: Path, heard: Heard, package: str = "testbed.roles") -> None:
        self.role = role
        self._command = [sys.executable, "-m", f"{package}.{role}", str(run)]
        self._log = run / "logs" / f"{role}.log"
        self._heard = heard
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._said: dict[str, asyncio.Event] = {}
        self.started_ns = 0

    async def start(self) -> None:
        """Start (or start again) the process."""
        self._said = {}
        self.started_ns = mono_ns()
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LINE_LIMIT,
                # its own session: Ctrl-C in the terminal reaches the supervisor alone
                start_new_session=os.name == "posix",
                env=environment(),
            )
        if self.role in BACKGROUND:
            step_back(self._process.pid, BACKGROUND[self.role])
        self._reader = asyncio.create_task(self._listen(self._process), name=f"listen to {self.role}")

    @property
    def pid(self) -> int:
        """Process id, 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def code(self) -> int | None:
        """Exit code, None while it runs."""
        return self._process.returncode if self._process else None

    async def ended(self) -> int:
        """Wait for the end of the process; returns its exit code."""
        if self._process is None or self._reader is None:
            return 0
        code = await self._process.wait()
        await asyncio.wait({self._reader})  # wait, not await: a cancelled waiter must not cancel the reader
        return code

    def order(self, what: str, **details: object) -> None:
        """Send an order; a process that is gone hears nothing."""
        if self._process and self._process.stdin and self._process.returncode is None:
            try:
                self._process.stdin.write(json.dumps({"do": what, **details}).encode() + b"\n")
            except (BrokenPipeError, ConnectionResetError):
                return

    def has_said(self, what: str) -> bool:
        """Tell whether the process, since its last start, has said something."""
        return what in self._said and self._said[what].is_set()

    async def said(self, what: str, seconds: float) -> bool:
        """Wait until the child has said something or ended; False when it did not in time."""
        event = self._said.setdefault(what, asyncio.Event())
        ended = asyncio.create_task(self.ended())
        heard = asyncio.create_task(event.wait())
        try:
            await asyncio.wait({ended, heard}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (ended, heard):
                task.cancel()
            await asyncio.gather(ended, heard, return_exceptions=True)
        return event.is_set()

    async def stop(self, seconds: float = 8.0) -> None:
        """Order it to stop and wait; kill it when it does not."""
        self.order("stop")
        try:
            await asyncio.wait_for(asyncio.shield(self.ended()), seconds)
        except TimeoutError:
            self.kill()
            await self.ended()

    def kill(self) -> None:
        """End it now."""
        if self._process and self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                return

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            try:
                message = json.loads(line)
            except json.JSONDecodeError:
                continue  # a line cut short by a killed process
            what = str(message.get("is", ""))
            self._said.setdefault(what, asyncio.Event()).set()
            self._heard(self.role, message)


def step_back(pid: int, niceness: int) -> None:
    """Lower a process's priority; process 0 is our own."""
    with suppress(psutil.Error, OSError):
        below_normal = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", niceness)  # a constant that only Windows has
        psutil.Process(pid or None).nice(below_normal)


def environment() -> dict[str, str]:
    """Return the child's environment: one thread for numeric libraries, our packages on the path."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
