"""What docker-compose.yml would start, started as plain processes: host names become ports of this machine."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
OURS = ("simulator", "gateway", "platform")
_VARIABLE = re.compile(r"\$\{(\w+)(?::(\?|-)([^}]*))?\}")


class Role:
    """One service of ours as a process."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name, self.command, self.environment = name, command, environment
        self.log = folder / f"{name}.out"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "testbed",
                *self.command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def end(self) -> int:
        """End it as a container is ended."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 20)

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    @property
    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


def roles(folder: Path, values: Mapping[str, str], hosts: Mapping[str, str]) -> dict[str, Role]:
    """Return our services; ``values`` are those of .env, ``hosts`` replaces names (and ports) of the network."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]

    def text(value: object) -> str:
        filled = _VARIABLE.sub(lambda match: _value(match, values), str(value))
        for name, here in hosts.items():
            filled = filled.replace(name, here)
        return filled

    return {
        name: Role(
            name,
            [text(word) for word in services[name]["command"]],
            {key: text(value) for key, value in services[name]["environment"].items()},
            folder,
        )
        for name in OURS
    }


def _value(match: re.Match[str], values: Mapping[str, str]) -> str:
    name, kind, rest = match.groups()
    if name in values:
        return values[name]
    assert kind == "-", f"{name} has no value: {rest}"
    return str(rest)


class FakeInflux:
    """Takes lines as InfluxDB 2 does and counts them by measurement. Opened with ``with``."""

    def __init__(self, token: str) -> None:
        self.lines: Counter[str] = Counter()
        self.refused = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Authorization") != f"Token {token}":
                    outer.refused += 1
                    self._answer(401)
                    return
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if "org=testbed" in self.path and "bucket=testbed" in self.path:
                    outer.lines.update(re.split(r"[, ]", line, maxsplit=1)[0] for line in body.decode().splitlines())
                self._answer(204)

            def do_GET(self) -> None:
                self._answer(404)

            def _answer(self, code: int) -> None:
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="fake influx")
        self.place = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> FakeInflux:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


async def until(what: str, true: Callable[[], bool], running: Mapping[str, Role], seconds: float = 60.0) -> None:
    """Wait for a condition; fails with what the roles said when one has ended or time is up."""
    for _ in range(round(seconds / 0.05)):
        if true():
            return
        ended = [r for r in running.values() if r.process is not None and r.process.returncode is not None]
        if ended:
            break
        await asyncio.sleep(0.05)
    said = "\n".join(f"--- {role.name}\n{role.output[-3000:]}" for role in running.values() if role.log.exists())
    raise AssertionError(f"{what}: it did not happen\n{said}")
