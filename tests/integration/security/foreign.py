"""A secured mosquitto, and foreign clients that try to get past it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.command import Event
from gateway.watch import BrokerWatch
from testbed.secure import Fortress, SecurityConfig
from testbed.vault import Vault
from wire.broker import Broker, find_mosquitto
from wire.broker_config import BrokerConfig


@dataclass
class Rig:
    """A running broker, its vault and a watch over its log."""

    broker: Broker
    vault: Vault
    fortress: Fortress
    watch: BrokerWatch

    @property
    def ca(self) -> Path:
        return self.vault.ca / "ca.crt"

    async def seen(self, kind: str) -> Event:
        """Wait for an event that tells of a refusal."""
        for _ in range(200):
            for event in self.watch.look(1):
                if event.name == kind:
                    return event
            await asyncio.sleep(0.025)
        raise AssertionError(f"no {kind} was seen; log:\n{self.watch.log.read_text()}")

    async def publish(self, topic: str, *options: str, tls: bool = True) -> subprocess.CompletedProcess[str]:
        """Publish one message at QoS 1 with mosquitto_pub."""
        place = urlsplit(self.broker.url)
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(place.port), "-t", topic, "-m", "{}", "-q", "1"]
        command += ["-V", "5", *(("--cafile", str(self.ca)) if tls and "--cafile" not in options else ()), *options]
        run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run
        return await asyncio.to_thread(run, command, capture_output=True, text=True, timeout=20)


@asynccontextmanager
async def secured(folder: Path, *, mutual: bool = False) -> AsyncIterator[Rig]:
    """Run a broker as ``up --secure`` does, with one area of ours."""
    if find_mosquitto() is None or shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto or mosquitto_pub is not installed on this machine")
    vault = Vault(folder)
    fortress = Fortress(vault, SecurityConfig(mutual=mutual), ["works/hall"])
    fortress.prepare()
    async with Broker(fortress.broker(BrokerConfig(kind="mosquitto")), folder / "broker") as broker:
        yield Rig(broker, vault, fortress, BrokerWatch(folder / "broker" / "broker.log"))
