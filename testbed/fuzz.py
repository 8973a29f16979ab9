"""``testbed fuzz``: a gateway is fed with what devices must not send. It must not fall, leak or forget to count.

MQTT and Sparkplug payloads go through a whole gateway (sources, validation, rules, buffer, dead letters); Modbus
registers through the decoder, configurations through their models.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from core import quality
from core.catalog import Catalog
from core.clock import MS, NS, RunClock, mono_ns, wall_ns
from core.config import parse, read_yaml
from core.errors import ConfigError
from core.ports import Source
from gateway.kinds import GatewayConfig
from gateway.limits import Limits
from gateway.service import Gateway
from gateway.sources.mqtt import MqttSource, MqttSourceConfig
from gateway.sources.sparkplug import SparkplugSource, SparkplugSourceConfig
from simulator.domain import DomainConfig
from testbed import mutate
from testbed.bench import load
from testbed.scenario import ScenarioConfig
from wire import topics
from wire.codec_birth import encode_birth
from wire.memory import MemoryBroker
from wire.modbus.config import Register
from wire.modbus.words import decode
from wire.session import MqttConfig
from wire.sparkplug.births import REBIRTH
from wire.sparkplug.datatypes import DataType
from wire.sparkplug.life import bdseq_metric
from wire.sparkplug.payload import Metric, Payload, encode

ROUND = 500
SETTLE_S = 60.0
#: share of the payloads; MQTT gets the rest
SPARKPLUG, MODBUS, CONFIGS = 0.3, 0.2, 0.01
_MODELS: dict[str, type[ScenarioConfig | DomainConfig]] = {"scenarios": ScenarioConfig, "domains": DomainConfig}
_KINDS: tuple[topics.Kind, ...] = (
    "data",
    "data",
    "data",
    "data",
    "data",
    "data",
    "birth",
    "state",
    "event",
    "result",
    "request",
)
CONFIG_DIR = Path(__file__).parents[1] / "configs"
LIMITS = Limits(rate=1e9, burst=1e9, devices=200, streams=1_000, channels=10_000, unborn=100)
#: what the mutations begin with; %t is now in ms, %s a row number
_WELL = {
    "data": (
        b'{"t":%t,"sid":7,"seq":%s,"v":{"a":1.5,"b":2,"c":3,"d":4,"e":5},"q":{"a":[64,"range"]}}',
        b'{"t0":"%t000000","dt":1000,"sid":7,"seq":%s,"v":{"a":[1,2],"b":[1,2],"c":[1,2],"d":[1,2],"e":[null,2]},'
        b'"q":{"e":[[0,1,0,"sensor"]]}}',
    ),
    "state": (b'{"online":true,"sid":7,"last":{"main":12}}',),
    "event": (b'{"name":"alarm","text":"too hot","t":%t,"severity":"warning"}',),
    "result": (b'{"id":"x-1","status":"done","detail":"","t":%t}',),
    "request": (b'{"id":"x-2","name":"stop","args":{"a":1},"issuer":"user:a","expires":%t,"t":%t}',),
}
_NODE = "spBv1.0/G/{}/N"


@dataclass(slots=True)
class Outcome:
    """What came of it. ``crashes`` are what must not be; memory in MB after each half; tasks, threads before, after."""

    sent: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)
    rejected: int = 0
    received: int = 0
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        """Memory after the second half beside that after the first, as a share."""
        return self.rss_mb[1] / self.rss_mb[0] - 1.0

    def faults(self) -> list[str]:
        """Return what is wrong."""
        found = list(self.crashes)
        if self.growth > 0.05:
            found.append(f"memory grew by {self.growth:.1%} in the second half")
        for name, counts in (("tasks", self.tasks), ("threads", self.threads)):
            if len(set(counts)) > 1:
                found.append(f"{name}: {counts}")
        if self.rejected != sum(self.refused[r] for r in self.refused if not r.startswith(("modbus", "config"))):
            found.append(f"{self.rejected} payloads rejected, reasons of {sum(self.refused.values())}")
        return found


class Fuzz:
    """One run of ``count`` payloads from a seed; the folder takes the gateway's buffer."""

    def __init__(self, count: int, seed: int, folder: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        self.count, self.folder, self._tell = count, folder, tell
        self.rng = random.Random(seed)
        self.out = Outcome()
        self._devices = load.devices(5)
        self._configs = [(file, read_yaml(file)) for file in sorted(CONFIG_DIR.glob("*/*.yaml"))]
        self._seq = 0
        self._rounds = 0

    async def run(self) -> Outcome:
        """Feed everything; return what came of it."""
        logging.getLogger("gateway").setLevel(logging.CRITICAL)  # each refusal is counted; nobody reads 100,000 lines
        began = mono_ns()
        broker, catalog, now = MemoryBroker(), Catalog(), wall_ns()
        sources: dict[str, Source] = {
            "mqtt": MqttSource(MqttSourceConfig(limits=LIMITS), catalog, open_session=broker.open),
            "sparkplug": SparkplugSource(SparkplugSourceConfig(reorder=50 * MS), catalog, open_session=broker.open),
        }
        gateway = Gateway(GatewayConfig(), self.folder, catalog, sources, RunClock(now, now, 1.0))
        serving = asyncio.create_task(gateway.run())
        device = broker.open(MqttConfig(client_id="fuzz"), None)
        await device.connect()
        while any(state.state != "connected" for state in gateway.states.values()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        rounds = max(2, -(-self.count // ROUND))
        for n in range(rounds):
            await self._round(device, min(ROUND, self.count - n * ROUND))
            await self._settled(gateway, device)
            if serving.done():
                self.out.crashes.append(f"the gateway ended: {serving.exception()!r}")
                break
            if n in (0, rounds - 1):  # the first round starts what is started once
                self.out.tasks.append(len(asyncio.all_tasks()))
                self.out.threads.append(threading.active_count())
            if n in (rounds // 2 - 1, rounds - 1):
                self._weigh()
        self._close_books(gateway)
        gateway.stop()
        with suppress(Exception):
            await serving
        await device.close()
        self.out.seconds = (mono_ns() - began) / NS
        return self.out

    async def _round(self, device: Any, count: int) -> None:
        for n in range(count):
            dice = self.rng.random()
            if dice < CONFIGS:
                self._config()
            elif dice < CONFIGS + MODBUS:
                self._modbus()
            elif dice < CONFIGS + MODBUS + SPARKPLUG:
                self.out.sent["sparkplug"] += 1
                await device.publish(*self._sparkplug(), qos=0)
            else:
                self.out.sent["mqtt"] += 1
                await device.publish(*self._mqtt())
            if n % 50 == 0:
                await asyncio.sleep(0)

    def _mqtt(self) -> tuple[str, bytes]:
        rng, device = self.rng, self.rng.choice(self._devices)
        kind = rng.choice(_KINDS)
        self._seq += 1
        if kind == "birth":
            payload = encode_birth(device, load.SID)
        else:
            now = str(wall_ns() // MS).encode()
            payload = rng.choice(_WELL[kind]).replace(b"%t", now).replace(b"%s", str(self._seq).encode())
        name = topics.of_device(device.path, kind, "main") if kind == "data" else topics.of_device(device.path, kind)
        if rng.random() < 0.05:
            return name, payload  # some are well: the broken ones stand between them
        return mutate.topic(rng, name), mutate.text(rng, payload)

    def _sparkplug(self) -> tuple[str, bytes]:
        rng, now = self.rng, wall_ns() // MS
        kind = rng.choice(("NBIRTH", "DBIRTH", "DDATA", "DDATA", "DDATA", "NDATA", "NDEATH", "DDEATH", "NCMD"))
        rebirth = Metric(REBIRTH, DataType.BOOLEAN, False, now)
        born = [bdseq_metric(0, now), rebirth] if kind == "NBIRTH" else []
        metrics = [*born, Metric("temp", DataType.DOUBLE, 20.5, now, 1), Metric("on", DataType.BOOLEAN, True, now, 2)]
        payload = encode(Payload(now, rng.randrange(256), metrics))
        name = _NODE.format(kind) + ("/D" if kind.startswith("D") else "")
        if rng.random() < 0.2:
            return name, payload
        return mutate.topic(rng, name), mutate.binary(rng, payload)

    def _modbus(self) -> None:
        self.out.sent["modbus"] += 1
        rng = self.rng
        kind = rng.choice(("int16", "uint16", "int32", "uint32", "float32"))
        register = Register(
            address=0, type=kind, order=rng.choice(("big", "little")), scale=rng.choice((1.0, 0.1, -2.0))
        )
        words = [rng.choice((0, 0x7FFF, 0x8000, 0xFFFF, 0x7F80, rng.randrange(65_536))) for _ in range(2)]
        try:
            x, q = decode(words[: register.width], register)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            self.out.crashes.append(f"modbus {kind} {words}: {error!r}")
            return
        if x != x and q & quality.MAJOR != quality.BAD:
            self.out.crashes.append(f"modbus {kind} {words}: a missing value of quality {q}")
        if q != quality.GOOD:
            self.out.refused[f"modbus-{quality.reason(q) or q}"] += 1

    def _config(self) -> None:
        file, tree = self.rng.choice(self._configs)
        model: type[ScenarioConfig | DomainConfig] | None = _MODELS.get(file.parent.name)
        if model is None:
            return
        self.out.sent["config"] += 1
        changed = mutate.value(self.rng, tree)
        try:
            parse(changed, model, str(file))
        except ConfigError:
            self.out.refused["config-error"] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            self.out.crashes.append(f"{file.name}: {error!r:.300}")

    async def _settled(self, gateway: Gateway, device: Any) -> None:
        """Wait until a healthy row, sent last, is in: everything before it has been judged."""
        deadline = mono_ns() + round(SETTLE_S * NS)
        sentinel = load.devices(6)[5]
        self._seq += 1
        row = f'{{"t":{wall_ns() // MS},"sid":8,"seq":{self._seq},"v":{{"a":1,"b":2,"c":3,"d":4,"e":5}}}}'
        await device.publish(topics.of_device(sentinel.path, "birth"), encode_birth(sentinel, 8))
        await device.publish(topics.of_device(sentinel.path, "data", "main"), row.encode())
        self._rounds += 1
        while self._seen(gateway, sentinel.stream_path("main")) < self._rounds:
            if mono_ns() > deadline:
                self.out.crashes.append("a healthy device's row did not get through")
                return
            await asyncio.sleep(0.005)
        for name in gateway.sources:
            await gateway.pipeline.settle(name)

    @staticmethod
    def _seen(gateway: Gateway, path: str) -> int:
        entry = gateway.catalog.find(path)
        return 0 if entry is None else gateway.validator.dedup.last_seen(entry.index)

    def _weigh(self) -> None:
        gc.collect()
        self.out.rss_mb.append(round(psutil.Process().memory_info().rss / 1e6, 1))

    def _close_books(self, gateway: Gateway) -> None:
        self.out.received = gateway.validator.totals()["received"]
        self.out.rejected = gateway.metrics.counts["rejected"]
        for reason, count in gateway.letters.counts.items():
            self.out.refused[reason] += count
            if reason.startswith("unjudgeable"):
                self.out.crashes.append(f"{count} batches could not be judged")
        for name, state in gateway.states.items():
            if state.reconnects:
                self.out.crashes.append(f"source {name} broke {state.reconnects} times: {state.error}")
