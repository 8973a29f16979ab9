"""Broker launcher: mosquitto where it is installed, else the rumqttd that came with pip, else one given by URL.

async with Broker(BrokerConfig(), Path("data/broker")) as broker:
broker.url, broker.kind
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

from core.errors import WireError
from wire.broker_config import BrokerConfig, write_accounts, write_mosquitto, write_rumqttd
from wire.ports import free_port

Kind = Literal["mosquitto", "rumqttd", "external"]
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin", "C:/Program Files/mosquitto")
_START_S = 15.0
_STOP_S = 5.0
_ATTEMPTS = 3


def find_mosquitto() -> str | None:
    """Return the path of the mosquitto program, None where it is not installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=os.pathsep.join(_PLACES))


class Broker:
    """A broker process of ours, or an external one. Ports and data folder stay the same over restarts.

    Attributes
    ----------
    kind
        What serves: mosquitto, rumqttd or external.
    url, url5
        Where MQTT 3.1.1 and MQTT 5 are served (the same but for rumqttd); without credentials.
    pid
        Process id of the broker itself, 0 while none runs.
    """

    def __init__(self, config: BrokerConfig, folder: Path) -> None:
        self.config = config
        self.folder = folder
        self.kind: Kind = "external"
        self.url = config.url
        self.url5 = config.url
        self.pid = 0
        self._ports = (config.port, 0)
        self._child: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Broker:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def running(self) -> bool:
        """Tell whether the broker process lives; True for an external broker."""
        return self.kind == "external" or (self._child is not None and self._child.returncode is None)

    async def ended(self) -> None:
        """Wait until the broker's process has ended; for ever where it is an external one."""
        if self.kind == "external":
            await asyncio.Event().wait()
        elif self._child is not None:
            await self._child.wait()

    async def start(self) -> None:
        """Start the broker and wait until it accepts connections; also after ``stop`` or ``kill``."""
        self.kind, program = _choose(self.config)
        if self.running:
            return
        chosen = bool(self._ports[0])
        for attempt in range(_ATTEMPTS):
            self._prepare_ports()
            try:
                await self._launch(program)
                return
            except WireError:
                if chosen or attempt == _ATTEMPTS - 1:
                    raise
                self._ports = (0, 0)  # someone was faster to take the free port

    async def _launch(self, program: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        port, port5 = self._ports
        if self.kind == "mosquitto":
            watched = [] if self.config.watch == "off" else ["watched"]
            arguments = ["mosquitto", str(write_mosquitto(self.config, port, self.folder)), program, *watched]
        else:
            arguments = ["rumqttd", str(write_rumqttd(self.config, port, port5, self.folder))]
        with (self.folder / "broker.log").open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "wire.broker_child",
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parent.parent,
                start_new_session=os.name == "posix",  # Ctrl-C is the parent's to handle
            )
        try:
            async with asyncio.timeout(_START_S):
                await self._wait_ready(self._child)
        except TimeoutError:
            await self.stop()
            raise WireError(f"{self.kind} did not start within {_START_S:g} s{self._log_tail()}") from None
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the broker in order (mosquitto saves what it holds)."""
        child, self._child = self._child, None
        self.pid = 0
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()

    async def kill(self) -> None:
        """End the broker without a warning, as a crash would; ``start`` brings it back."""
        if self._child is None:
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        await self.stop()

    async def reload(self, config: BrokerConfig, *, restart: bool = False) -> None:
        """Take up other accounts in flight, or all settings by ending: whoever keeps the broker starts it again.

        mosquitto reads accounts again on a signal, and hangs up on clients that lost theirs; it reads its list of
        revoked certificates only when it starts, and who is connected stays so: that takes a ``restart``.
        """
        self.config = config
        if self.kind == "mosquitto" and not restart and hasattr(signal, "SIGHUP") and self.pid:
            write_accounts(config, self.folder)
            os.kill(self.pid, signal.SIGHUP)
        elif self.kind != "external" and self._child is not None:
            child = self._child
            assert child.stdin is not None
            child.stdin.close()  # in order; whoever keeps the broker starts it again
            await child.wait()

    def _prepare_ports(self) -> None:
        port, port5 = self._ports
        if self.kind == "rumqttd" and not port5:
            port5 = free_port(self.config.host)
        self._ports = (port or free_port(self.config.host), port5)
        scheme = "mqtts" if self.config.tls else "mqtt"
        self.url = f"{scheme}://{self.config.host}:{self._ports[0]}"
        self.url5 = f"{scheme}://{self.config.host}:{port5}" if self.kind == "rumqttd" else self.url

    async def _wait_ready(self, child: asyncio.subprocess.Process) -> None:
        assert child.stdout is not None
        line = await child.stdout.readline()
        if line.strip().isdigit():
            self.pid = int(line)
        for port in filter(None, self._ports):
            while not await _accepts(self.config.host, port):
                if child.returncode is not None:
                    raise WireError(f"{self.kind} ended at once with code {child.returncode}{self._log_tail()}")
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.02)  # long enough for a broker that found its port taken to be gone
        if child.returncode is not None:
            raise WireError(f"{self.kind} ended at once with code {child.returncode}{self._log_tail()}")

    def _log_tail(self) -> str:
        with suppress(OSError):
            lines = (self.folder / "broker.log").read_text(errors="replace").strip().splitlines()
            if lines:
                return f": {lines[-1][:300]}"
        return ""


def _choose(config: BrokerConfig) -> tuple[Kind, str]:
    program = find_mosquitto() or ""
    if config.kind == "external":
        if not config.url:
            raise WireError("an external broker needs a url (write mqtt://host:1883)")
        return "external", ""
    if config.kind == "mosquitto" and not program:
        raise WireError("mosquitto is not installed (install it, or choose rumqttd or auto)")
    if config.kind == "rumqttd" or not program:
        if config.users and any(user.read or user.write for user in config.users.values()):
            raise WireError("rumqttd has no topic permissions: --secure needs mosquitto (install it)")
        return "rumqttd", ""
    return "mosquitto", program


async def _accepts(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
