"""What docker-compose.yml would start, started as plain processes: host names become ports of this machine."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
OURS = ("keys", "simulator", "gateway", "platform")
DEVNULL = asyncio.subprocess.DEVNULL
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


class DeployedBroker:
    """A real mosquitto with ``configs/deploy/mosquitto.conf`` on files and a port of the test. ``async with``."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> DeployedBroker:
        shipped = (ROOT / "configs/deploy/mosquitto.conf").read_text(encoding="utf-8")
        placed = shipped.replace("listener 8883", f"listener {self.port} 127.0.0.1").replace(
            "/broker", str(self.folder)
        )
        if os.geteuid() == 0:
            placed += "user root\n"  # the container runs as the files' owner; here that is this user
        config = self.folder / "placed.conf"
        config.write_text(placed, encoding="utf-8")
        with (self.folder / "broker.out").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, "-c", str(config), stdout=log, stderr=log
            )
        for _ in range(200):
            if await self.healthy():
                return self
            await asyncio.sleep(0.05)
        raise AssertionError((self.folder / "broker.out").read_text())

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        await self._process.wait()

    async def healthy(self) -> bool:
        """Ask as the service's health check does; only the port is another one."""
        service = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]["broker"]
        words = [word.replace("$$", "$") for word in service["healthcheck"]["test"][1:]]
        settings = self.folder / "mosquitto_sub"
        settings.write_text(settings.read_text().replace("-p 8883", f"-p {self.port}"))
        home = {"XDG_CONFIG_HOME": service["environment"]["XDG_CONFIG_HOME"].replace("/broker", str(self.folder))}
        asked = await asyncio.create_subprocess_exec(*words, env={**os.environ, **home}, stdout=DEVNULL, stderr=DEVNULL)
        return await asked.wait() == 0


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
