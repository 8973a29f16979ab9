"""The same device on MQTT, OPC UA and Modbus: the same value, quality, source timestamp and fault.

One device of every kind that fits all three speaks all three at once. Modbus has no timestamps, so its unit is polled
behind every quantum and must show the last row; its values are those of MQTT to within the register's resolution.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.ports import Source
from core.quality import BAD, GOOD, MAJOR
from core.spec import DeviceSpec
from gateway.sources.modbus_unit import Memory, PolledUnit
from gateway.sources.mqtt import MqttSource, MqttSourceConfig
from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig
from simulator.publish.modbus import ModbusPublisher, ModbusPublisherConfig
from simulator.publish.mqtt import MqttPublisher, MqttPublisherConfig
from simulator.publish.opcua import OpcuaPublisher, OpcuaPublisherConfig
from simulator.stations import stations
from simulator.world import World
from tests.conformance.test_sim_kinds import EXTRA, KINDS
from tests.sim_worlds import build
from wire.memory import MemoryBroker
from wire.modbus.client import ExceptionAnswer, ModbusClient, ModbusClientConfig
from wire.modbus.config import RegisterMap

SPAN = 12 * NS
QUANTUM = NS // 4
#: rows of a data set in their own time; generated from a file
LEFT_OUT = {"replay"}
NEEDED = {kind: more for kind, more in EXTRA.items() if kind != "pump"}  # the pump without its waveform
FAULTS = [
    {"at": "3s", "device": "chiller-01", "fault": "condenser_fouled"},
    {"at": "3s", "device": "chiller-01", "fault": "sensor_dropout", "args": {"channel": "water_in"}, "until": "6s"},
    {"at": "4s", "device": "hydraulic_press-01", "fault": "sensor_bias", "args": {"channel": "oil_temp", "size": 500}},
    {"at": "4s", "device": "pump-01", "fault": "cavitation"},
]
#: (stream path, time) -> values, quality
Rows = dict[tuple[str, int], tuple[list[float], list[int]]]


def world() -> World:
    entries: list[dict[str, Any]] = []
    for kind in sorted(set(KINDS) - LEFT_OUT):
        spoken = ["mqtt", "opcua", "modbus"]
        entry = {"kind": kind, "area": "a", "protocols": spoken, "position": {"lat": 37.5, "lon": 127.0}}
        entries.append({**entry, **NEEDED.get(kind, {})})
    made = build({"domain": "factory", "site": "s", "equipment": entries}, history="2h", faults=FAULTS)
    made.sid = 5
    return made


@dataclass
class Heard:
    """Rows of one protocol."""

    source: Source
    catalog: Catalog
    rows: Rows = field(default_factory=dict)

    async def listen(self) -> None:
        await self.source.connect()
        while True:
            arrivals, ack = await self.source.read()
            for arrival in arrivals:
                for batch in arrival.batches:
                    self.rows.update(rows_of(batch, self.catalog))
            await ack()


def rows_of(batch: Batch, catalog: Catalog) -> Rows:
    paths = [catalog.streams[s].path for s in batch.stream.tolist()]
    return {
        (path, t): (x, q)
        for path, t, x, q in zip(paths, batch.t.tolist(), batch.x.tolist(), batch.q.tolist(), strict=True)
    }


@dataclass
class Told:
    """What every protocol delivered, and what the world rendered."""

    world: World
    truth: Rows
    mqtt: Rows
    opcua: Rows
    modbus: Rows
    maps: dict[str, RegisterMap]


async def tell(made: World) -> Told:
    slow = [d for d in made.devices if not any(s.fast for s in d.streams)]
    listed = stations([(made.assets[d.path].config, d) for d in made.devices])
    broker = MemoryBroker()
    seen_mqtt, seen_opcua, truth, modbus = Catalog(), Catalog(), {}, {}  # type: ignore[var-annotated]
    async with (
        MqttPublisher(MqttPublisherConfig(), made.catalog, ignore, open_session=broker.open) as mqtt,
        OpcuaPublisher(OpcuaPublisherConfig(port=0), made.catalog, ignore) as opcua,
        ModbusPublisher(ModbusPublisherConfig(), made.catalog, listed, ignore) as served,
    ):
        for publisher in (mqtt, opcua, served):
            await publisher.announce(slow)
        heard = [
            Heard(MqttSource(MqttSourceConfig(), seen_mqtt, open_session=broker.open), seen_mqtt),
            Heard(OpcuaSource(OpcuaSourceConfig(url=opcua.server.url, publishing="50ms"), seen_opcua), seen_opcua),
        ]
        listening = [asyncio.create_task(one.listen()) for one in heard]
        client = ModbusClient(
            ModbusClientConfig.model_validate({"url": f"tcp://127.0.0.1:{served.server.port}", "timeout": "10s"})
        )
        await client.connect()
        units = [PolledUnit(s, Memory(), 8, 125, 1000) for s in listed]
        async with asyncio.timeout(30):
            while len(seen_opcua.devices) < len(slow):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for t1 in range(QUANTUM, SPAN + 1, QUANTUM):
            made.advance(t1)
            batches = made.render(t1 - QUANTUM, t1)
            for publisher in (mqtt, opcua, served):
                await publisher.publish(batches)
            fresh = {k: v for batch in batches for k, v in rows_of(batch, made.catalog).items()}
            truth.update(fresh)
            await poll(units, client, fresh, modbus)
        await mqtt.flush()
        async with asyncio.timeout(20):
            while any(len(one.rows) < len(truth) for one in heard):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        await client.close()
        for one in heard:
            await one.source.close()
    return Told(made, truth, heard[0].rows, heard[1].rows, modbus, {s.device.path: s.plan for s in listed})


def ignore(command: object) -> None:
    """Nobody commands here."""


async def poll(units: list[PolledUnit], client: ModbusClient, fresh: Rows, modbus: Rows) -> None:
    """Read every unit whose registers have changed, and file its rows under the last time of their stream."""
    latest = dict(sorted(fresh))
    for unit in units:
        device = unit.station.device
        news = [s.name for s in device.streams if device.stream_path(s.name) in latest]
        row = await unit.poll(client, ExceptionAnswer) if news else None
        for stream in news if row is not None else ():
            path = device.stream_path(stream)
            modbus[path, latest[path]] = row.values[stream]  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def told() -> Told:
    return asyncio.run(tell(world()))


def device_of(told: Told, path: str) -> DeviceSpec:
    entry = told.world.catalog.find(path)
    assert entry is not None
    return told.world.catalog.devices[entry.device]


def columns(told: Told, path: str) -> tuple[str, ...]:
    entry = told.world.catalog.find(path)
    assert entry is not None
    return entry.spec.layout.columns


def resolution(told: Told, path: str, column: str) -> float:
    plan, (_, _, stream) = told.maps[path.rpartition("/")[0]], path.rpartition("/")
    register = plan.registers.get(f"{stream}.{column}") or plan.registers[column]
    if register.type == "float32":
        return 1e-6
    return abs(register.scale)


def test_every_kind_is_heard_on_every_protocol(told: Told) -> None:
    kinds = {device_of(told, path).kind for path, _ in told.truth}
    assert kinds >= {"pump", "chiller", "injection_press", "air_station", "van", "meter"}
    for rows in (told.mqtt, told.opcua, told.modbus):
        assert {device_of(told, path).kind for path, _ in rows} == kinds


@pytest.mark.parametrize("protocol", ["mqtt", "opcua"])
def test_protocols_with_time_deliver_every_row_as_it_was_made(told: Told, protocol: str) -> None:
    rows: Rows = getattr(told, protocol)
    assert rows.keys() == told.truth.keys()  # the same source timestamps, to the nanosecond
    for key, (x, q) in told.truth.items():
        got_x, got_q = rows[key]
        assert got_q == q, key
        assert [same(a, b) for a, b in zip(got_x, x, strict=True)] == [True] * len(x), key


def test_registers_show_the_last_row_within_their_resolution(told: Told) -> None:
    assert len(told.modbus) > 100
    for (path, t), (x, q) in told.modbus.items():
        made_x, made_q = told.truth[path, t]
        assert q == made_q, (path, t)
        for got, made, column in zip(x, made_x, columns(told, path), strict=True):
            step = resolution(told, path, column)
            assert same(got, made) or abs(got - made) <= step / 2 * (1 + 1e-6) + 1e-6 * abs(made), (path, column)


def test_a_value_that_a_sensor_already_rounds_is_the_very_same(told: Told) -> None:
    """Decoding divides as the sensor does, so nothing is left of the way through an integer."""
    path = "s/a/chiller-01/cooling"
    at = columns(told, path).index("water_out")
    pairs = [(x[at], told.truth[p, t][0][at]) for (p, t), (x, _) in told.modbus.items() if p == path]
    assert len(pairs) >= 10
    assert all(got == made for got, made in pairs)


def test_faults_show_alike_everywhere(told: Told) -> None:
    start = told.world.start
    cooling, press = "s/a/chiller-01/cooling", "s/a/hydraulic_press-01/press"
    water, oil = columns(told, cooling).index("water_in"), columns(told, press).index("oil_temp")
    for rows in (told.mqtt, told.opcua, told.modbus):
        dropped = {t for (p, t), (x, q) in rows.items() if p == cooling and math.isnan(x[water])}
        assert len(dropped) == 3
        assert all(3 * NS <= t - start < 6 * NS for t in dropped)
        assert all(rows[cooling, t][1][water] & MAJOR == BAD for t in dropped)
        beyond = {t for (p, t), (_, q) in rows.items() if p == press and q[oil] & MAJOR not in (GOOD, BAD)}
        assert beyond
        assert min(beyond) - start >= 4 * NS


def same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))
