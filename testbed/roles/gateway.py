"""The gateway's process: sources, validation, durable buffer, edge rules, command routing; nothing else."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from core.catalog import Catalog
from core.ports import Source
from gateway.endpoint import Endpoint
from gateway.kinds import SourceConfig
from gateway.service import Gateway
from gateway.sources.memory import MemorySourceConfig
from gateway.sources.modbus import ModbusSource, ModbusSourceConfig
from gateway.sources.mqtt import MqttSource, MqttSourceConfig
from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig
from gateway.sources.opcua_foreign import ForeignOpcuaSource
from gateway.sources.sparkplug import SparkplugSource, SparkplugSourceConfig
from gateway.watch import BrokerWatch
from testbed.control import Control, run_role
from testbed.credentials import credentials
from testbed.runfolder import Manifest, RunFolder
from testbed.scenario import Scenario, read, stations_of
from wire.modbus.station import Station, of_line
from wire.opcua.identity import identity

ROLE = "gateway"
#: streams that the status tells one by one every second; telling thousands would take longer than a rule may
TOLD = 500
DRAIN_S = 20.0
#: s; how long the buffer's thread may keep the interpreter while rows wait for the rules (5 ms by default)
SWITCH_S = 0.0005
OWN = "run"


async def run(folder: RunFolder, control: Control, places: Mapping[str, object] | None = None) -> None:
    """Run until told to stop; what was taken in is in the buffer.

    ``places`` says what this process finds elsewhere than the manifest says.
    """
    manifest = folder.manifest().model_copy(update=dict(places or {}))
    scenario = read(Path(manifest.scenario), Path(manifest.data) if manifest.data else None)
    catalog = Catalog()
    own = credentials(folder.secrets, ROLE)
    config = scenario.gateway
    if own.secure:  # nobody commands without a signature
        commands = config.commands.model_copy(update={"signed": True, "keys": (*config.commands.keys, *own.issuers)})
        config = config.model_copy(update={"commands": commands})
    watch = BrokerWatch(folder.broker / "broker.log") if own.secure else None
    sources = build_sources(scenario, manifest, catalog, folder)
    gateway = Gateway(config, folder.root, catalog, sources, manifest.clock, watch)
    serving = asyncio.create_task(gateway.run(), name="gateway")
    reporting = asyncio.create_task(_report(gateway, folder, control), name="report")
    gc.collect()
    sys.setswitchinterval(SWITCH_S)
    gc.freeze()  # what start-up made lives as long as the process: no collection need look at it again
    try:
        async with AsyncExitStack() as stack:
            if config.endpoint is not None:
                endpoint = await stack.enter_async_context(Endpoint(config.endpoint, gateway.snapshot))
                control.say("told", text=f"health and figures at http://{config.endpoint.host}:{endpoint.port}/metrics")
            control.say("ready")
            await _serve(gateway, serving, control)
    finally:
        reporting.cancel()
        await asyncio.gather(reporting, return_exceptions=True)
        gateway.stop()
        await serving
        folder.write_status(ROLE, gateway.snapshot())


def build_sources(scenario: Scenario, manifest: Manifest, catalog: Catalog, folder: RunFolder) -> dict[str, Source]:
    """Return the sources by name; without any in the configuration, those that the scenario's devices need.

    MQTT and Sparkplug are always there: third-party devices may come to the broker at any time. A configured source
    whose ``url`` is ``run`` reads the run's own broker or OPC UA server.
    """
    kinds = scenario.gateway.sources or _embedded(scenario, manifest, folder)
    own = {
        "mqtt": manifest.mqtt,
        "sparkplug": manifest.mqtt,
        "opcua": manifest.opcua,
        "modbus": manifest.modbus,
    }
    found: dict[str, Source] = {}
    proof = credentials(folder.secrets, ROLE)
    for kind in kinds:
        if not isinstance(kind, MemorySourceConfig) and kind.url == OWN:
            kind = kind.model_copy(update={"url": own[kind.kind]})
        name = kind.kind if kind.kind not in found else f"{kind.kind}:{len(found) + 1}"
        if isinstance(kind, MqttSourceConfig):
            found[name] = MqttSource(proof.connect(kind) if kind.url == manifest.mqtt else kind, catalog)
        elif isinstance(kind, OpcuaSourceConfig):
            found[name] = ForeignOpcuaSource(kind, catalog) if kind.map else OpcuaSource(kind, catalog)
        elif isinstance(kind, SparkplugSourceConfig):
            found[name] = SparkplugSource(proof.connect(kind) if kind.url == manifest.mqtt else kind, catalog)
        elif isinstance(kind, ModbusSourceConfig):
            known = polled_stations(scenario, manifest) if manifest.modbus else []
            mine = [s for s in known if of_line(manifest.modbus, s.line) == kind.url]
            memory = folder.buffer / f"{name.replace(':', '-')}-counters.json"
            found[name] = ModbusSource(kind, catalog, manifest.clock, mine, memory)
    return found


def _embedded(scenario: Scenario, manifest: Manifest, folder: RunFolder) -> tuple[SourceConfig, ...]:
    spoken = {protocol for domain in scenario.domains for _, entry in domain.entries() for protocol in entry.protocols}
    sources: list[SourceConfig] = [
        MqttSourceConfig(url=manifest.mqtt),
        SparkplugSourceConfig(url=manifest.mqtt, host_id=manifest.sparkplug_host),
    ]
    if "opcua" in spoken:
        security = identity(folder.opcua, manifest.opcua, ROLE)
        sources.append(OpcuaSourceConfig(url=manifest.opcua, security=security))
    if "modbus" in spoken:
        lines = {station.line for station in polled_stations(scenario, manifest)}
        # on one busy machine a slow answer is no missing one
        own = {"timeout": "5s", "late": 10}
        urls = [of_line(manifest.modbus, line) for line in sorted(lines)]
        sources += [ModbusSourceConfig.model_validate({"url": url, **own}) for url in urls]
    return tuple(sources)


def polled_stations(scenario: Scenario, manifest: Manifest) -> list[Station]:
    """Return the units of the run that are polled: devices that have no better protocol named before Modbus."""
    return [s for s in stations_of(scenario.domains, manifest.seed) if s.device.protocols[0] == "modbus"]


async def _serve(gateway: Gateway, serving: asyncio.Task[None], control: Control) -> None:
    while True:
        order = asyncio.create_task(control.next(), name="order")
        await asyncio.wait({order, serving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            order.cancel()
            return serving.result()
        if order.result() == "stop":
            return None
        drained = await gateway.drain(DRAIN_S, expected=control.details.get("emitted"))
        control.say("drained", **{**status(gateway), **drained})


def status(gateway: Gateway) -> dict[str, Any]:
    """Return figures for the status file, the page and the report."""
    return gateway.snapshot()


async def _report(gateway: Gateway, folder: RunFolder, control: Control) -> None:
    known = (0, 0)
    while True:
        await asyncio.sleep(1.0)
        figures = gateway.snapshot(streams=len(gateway.catalog.streams) <= TOLD)
        folder.write_status(ROLE, figures)
        control.say("status", **figures)
        known = _settle(gateway, known)


def _settle(gateway: Gateway, known: tuple[int, int]) -> tuple[int, int]:
    """Freeze the catalog once births have ceased for a second: walking through it takes a collection far too long.

    ``known`` is (devices a second ago, devices when it was last frozen).
    """
    before, frozen = known
    now = len(gateway.catalog.devices)
    if now == before and now != frozen:
        gc.freeze()
        return now, now
    return now, frozen


if __name__ == "__main__":
    run_role(lambda control: run(RunFolder(Path(sys.argv[1])), control))
