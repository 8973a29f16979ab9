"""A Node peer that is told what to do by lines and answers with JSON lines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.peers.node import SCRIPTS, node_env


class Talker:
    """Runs a script of this folder as long as the ``async with`` lasts; ``heard`` holds all it said."""

    def __init__(self, script: str, *args: str) -> None:
        self.command = ["node", str(SCRIPTS / script), *args]
        self.heard: list[dict[str, Any]] = []
        self.process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Talker:
        self.process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=node_env(),
            limit=16 << 20,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reading

    async def tell(self, line: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def until(
        self, what: str, found: Callable[[dict[str, Any]], object], after: int = 0, limit: float = 20.0
    ) -> dict[str, Any]:
        """Wait for a line; ``after`` says how many lines count as read."""
        try:
            async with asyncio.timeout(limit):
                while True:
                    for line in self.heard[after:]:
                        if found(line):
                            return line
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"waiting for {what}: heard {self.heard[after:][-5:]}") from None

    async def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.heard.append(json.loads(line))
