"""Foreign peers: mbpoll and modbus-serial read our server, our source reads a server of modbus-serial."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import yaml

from core.catalog import Catalog
from core.clock import RunClock, wall_ns
from core.command import CommandResult
from core.config import parse
from core.errors import NotConnected
from core.ports import Arrival
from core.quality import BAD_CONFIG, GOOD
from gateway.sources.modbus import ModbusSource, ModbusSourceConfig
from tests.integration.modbus.modbus_rig import order, rig
from tests.peers.node import SCRIPTS, need_node, node_env, run_node
from wire.ports import free_port

FOREIGN = """
url: tcp://127.0.0.1:{port}
timeout: 1s
units:
  - unit: 7
    every: 100ms
    device: {{site: seoul, area: annex, id: oven, kind: oven, name: {{ko: 오븐, en: Oven}}}}
    map:
      registers:
        temp: {{address: 0, scale: 0.1, unit: Cel, quantity: temperature}}
        weight: {{address: 1, type: float32, unit: kg, quantity: mass}}
        offset: {{address: 30, type: int32}}
        door: {{address: 4, table: discrete, type: bool}}
        broken: {{address: 40}}
        set: {{address: 101, table: holding, unit: Cel}}
      commands:
        set_temperature:
          {{table: holding, address: 100, arg: temperature, args: {{temperature: {{address: 100}}}}}}
"""


async def test_modbus_serial_reads_and_writes_ours() -> None:
    need_node("modbus-serial")
    async with rig(1) as r:
        await r.show(0, [1, 65_537, -12.34, 210.456])
        plan = r.stations[0].plan
        words = max(a + w for _, table, a, w in plan.spans() if table == "input")
        start, pressure = plan.commands["start"].address, plan.commands["set_pressure"].address
        ran = await asyncio.to_thread(
            run_node, "modbus_read.js", str(r.publisher.server.port), "1", str(words), str(start), str(pressure), "1825"
        )
        assert ran.returncode == 0, ran.stderr
        out = json.loads(ran.stdout)
        assert out["inputs"][:4] == [1, 1, 0x10000 - 123, 21046]
        assert out["first"] == [1]
        assert out["coil"] is False
        assert out["holding"] == [1825]
        assert (out["beyond"], out["nobody"]) == (2, 11)
        assert [(c.name, c.args) for c in r.commands] == [("set_pressure", {"pressure": 182.5}), ("start", {})]


async def test_mbpoll_reads_ours() -> None:
    if shutil.which("mbpoll") is None:
        pytest.skip("FOREIGN PEER MISSING: mbpoll (Debian package mbpoll)")
    async with rig(1) as r:
        await r.show(0, [1, 7, -12.34, 210.456])
        call = ["mbpoll", "-m", "tcp", "-0", "-1", "-q", "-a", "1", "-p", str(r.publisher.server.port)]
        call += ["-t", "3", "-r", "0", "-c", "4", "127.0.0.1"]
        ran = await asyncio.to_thread(subprocess.run, call, capture_output=True, text=True, timeout=20, check=False)
        values = [line.split(":", 1)[1].strip() for line in ran.stdout.splitlines() if line.startswith("[")]
        assert values == ["1", "7", "65413 (-123)", "21046"], ran.stdout + ran.stderr


@asynccontextmanager
async def foreign_server() -> AsyncIterator[int]:
    port = free_port()
    child = await asyncio.create_subprocess_exec(
        "node", str(SCRIPTS / "modbus_server.js"), str(port), env=node_env(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert await asyncio.wait_for(child.stdout.readline(), 20) == b"ready\n"
        yield port
    finally:
        child.kill()
        await child.wait()


async def test_our_source_reads_a_foreign_device_by_its_manual() -> None:
    need_node("modbus-serial")
    async with foreign_server() as port:
        config = parse(yaml.safe_load(FOREIGN.format(port=port)), ModbusSourceConfig, "test.yaml")
        catalog = Catalog()
        source = ModbusSource(config, catalog, RunClock(wall_ns(), wall_ns(), 1.0))
        for _ in range(50):
            try:
                await source.connect()
                break
            except NotConnected:
                await asyncio.sleep(0.1)
        arrivals: list[Arrival] = []
        while sum(len(a.batches) for a in arrivals) < 3:
            arrivals += (await asyncio.wait_for(source.read(), 10))[0]
        (device,) = [d for a in arrivals for d in a.births]
        assert (device.path, device.domain, device.protocols) == ("seoul/annex/oven", "third_party", ("modbus",))
        batch = [b for a in arrivals for b in a.batches][-1]
        values = dict(zip(batch.layout.columns, batch.x[0].tolist(), strict=True))
        quality = dict(zip(batch.layout.columns, batch.q[0].tolist(), strict=True))
        broken = values.pop("broken")
        assert values == {"temp": 21.5, "weight": 50.0, "offset": -10.0, "door": 1.0, "set": 180.0}
        assert broken != broken
        assert {name for name, q in quality.items() if q != GOOD} == {"broken"}
        assert quality["broken"] == BAD_CONFIG
        refused = [reason for a in arrivals for _, reason, _ in a.rejects]
        assert len(refused) == 1
        assert "illegal address" in refused[0]
        await source.send(order("seoul/annex/oven", "set_temperature", temperature=175.0))
        while not (results := [n for a in arrivals for n in a.notes if isinstance(n, CommandResult)]):
            arrivals += (await asyncio.wait_for(source.read(), 10))[0]
        assert [(x.id, x.status) for x in results] == [("c1", "done")]  # read back: there is no result word
        await source.close()
