"""The simulator's process: world, pacer, publishers, inbox."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.clock import NS
from core.command import Command
from core.metrics import Metrics
from core.ports import Publisher
from core.spec import Protocol
from simulator.commandlog import read_log
from simulator.inbox import Inbox
from simulator.kinds import Publish
from simulator.pacer import Pace, Pacer
from simulator.publish.late import LatePublisher
from simulator.publish.modbus import ModbusPublisher, ModbusPublisherConfig
from simulator.publish.mqtt import MqttPublisher, MqttPublisherConfig
from simulator.publish.opcua import OpcuaPublisher, OpcuaPublisherConfig
from simulator.publish.opcua_apart import ApartOpcuaPublisher
from simulator.publish.sparkplug import SparkplugPublisher, SparkplugPublisherConfig
from simulator.world import World
from testbed.control import Control, run_role
from testbed.credentials import credentials
from testbed.runfolder import Manifest, RunFolder
from testbed.scenario import Scenario, read, stations_of
from wire.opcua.identity import identity

QUANTUM = 50_000_000
ROLE = "simulator"
#: s; below the time that a container is given to end in
DRAIN_S = 20.0
#: s without the broker until people hear of it
PATIENCE_S = 3


def build(scenario: Scenario, manifest: Manifest) -> World:
    """Return the live world at simulated time 0: the events of the history have run, nothing is rendered."""
    world = World(scenario.world(), manifest.start, manifest.seed)
    world.sid = int.from_bytes(os.urandom(6), "little") | 1
    gc.disable()  # what the events leave behind lives on or is freed by count: looking for cycles only costs
    world.fast_forward(0)
    gc.enable()
    gc.freeze()
    world.notes()  # of the history: the history's process tells them
    return world


def catch_up(world: World, folder: RunFolder, manifest: Manifest) -> None:
    """Bring the world of an earlier simulator to the present run time; no row of the time between is made.

    Logged commands take effect again at their instants, so that what was repaired stays repaired.
    """
    commands = read_log(folder.commands) if folder.commands.exists() else ()
    for entry in sorted(commands, key=lambda logged: logged.at):
        world.fast_forward(entry.at)
        world.apply(entry.command, entry.at)
    while (present := _present(folder, manifest)) > world.now + NS:
        world.fast_forward(present)
    world.notes()  # told, or missed, in the earlier life


def _present(folder: RunFolder, manifest: Manifest) -> int:
    """Return the simulated ns of this moment; at speed max that of the last status."""
    now = manifest.clock.now()
    if now is None:
        now = int(str(folder.statuses().get(ROLE, {}).get("t", manifest.start)))
    return now - manifest.start


async def run(folder: RunFolder, control: Control, resume: bool = False) -> None:
    """Run the live world until told to stop; ``resume`` goes on with the run of an earlier simulator."""
    manifest = folder.manifest()
    scenario = read(Path(manifest.scenario), Path(manifest.data) if manifest.data else None)
    world = build(scenario, manifest)
    if resume:
        catch_up(world, folder, manifest)
    metrics = Metrics()
    replays = bool(_options(folder).get("replay_commands"))
    inbox = Inbox(refusal="this run repeats the commands of a log" if replays else "")
    async with AsyncExitStack() as stack:
        publishers = await _publishers(stack, world, manifest, folder, inbox, scenario.config.opcua_apart)
        pacer = _pacer(world, publishers, scenario, manifest, folder, inbox, metrics)
        producing = asyncio.create_task(pacer.run(), name="pacer")
        mqtt = publishers.get("mqtt")
        reporting = asyncio.create_task(_report(pacer, metrics, folder, control, manifest.mqtt, mqtt), name="report")
        try:
            control.say("ready", devices=len(world.devices))
            await _serve(pacer, producing, control, metrics)
        finally:
            for task in (producing, reporting):
                task.cancel()
            await asyncio.gather(producing, reporting, return_exceptions=True)
            world.close_truth().write(folder.truth / "live")


async def _serve(pacer: Pacer, producing: asyncio.Task[None], control: Control, metrics: Metrics) -> None:
    """Follow orders; a world that has come to its end says so and goes on answering ``replay``."""
    order = asyncio.create_task(control.next(), name="order")
    await asyncio.wait({producing, order}, return_when=asyncio.FIRST_COMPLETED)
    if producing.done():
        producing.result()
        control.say("finished", text="the scenario has come to its end")
    while True:
        what = await order
        pacer.drain()
        if what == "stop":
            return
        await asyncio.wait({producing}, timeout=DRAIN_S)
        if producing.done():
            producing.result()
        else:
            control.say("told", text=f"rows of the simulator still wait for their server after {DRAIN_S:.0f} s")
        control.say("drained", **status(pacer, metrics), **final(pacer))
        order = asyncio.create_task(control.next(), name="order")


async def _publishers(
    stack: AsyncExitStack, world: World, manifest: Manifest, folder: RunFolder, inbox: Inbox, apart: bool
) -> dict[Protocol, Publisher]:
    """Open a publisher for every protocol that a device speaks."""
    spoken = {protocol for device in world.devices for protocol in device.protocols}
    found: dict[Protocol, Publisher] = {}
    for config in _settings(manifest, folder, apart):
        if config.kind in spoken:
            found[config.kind] = await stack.enter_async_context(_publisher(config, world, manifest, inbox))
    return found


def _settings(manifest: Manifest, folder: RunFolder, apart: bool) -> tuple[Publish, ...]:
    """Return the publishers of a run as its manifest places them; ``apart``: OPC UA in a process of its own."""
    place, line = urlsplit(manifest.opcua), urlsplit(manifest.modbus)
    security = identity(folder.opcua, manifest.opcua, ROLE)
    own = credentials(folder.secrets, ROLE)
    return (
        own.connect(MqttPublisherConfig(url=manifest.mqtt)),
        own.connect(SparkplugPublisherConfig(url=manifest.mqtt, primary_host=manifest.sparkplug_host)),
        OpcuaPublisherConfig(
            host=place.hostname or "127.0.0.1", port=place.port or 4840, security=security, apart=apart
        ),
        ModbusPublisherConfig(host=line.hostname or "127.0.0.1", port=line.port or 0),
    )


def _publisher(
    config: Publish, world: World, manifest: Manifest, inbox: Inbox
) -> AbstractAsyncContextManager[Publisher]:
    def on_command(command: Command) -> None:
        inbox.put(command)

    if isinstance(config, MqttPublisherConfig):
        return MqttPublisher(config, world.catalog, on_command, sid=world.sid, network=world.network)

    def now() -> int:
        return manifest.clock.now() or world.start + world.now

    if isinstance(config, SparkplugPublisherConfig):
        return SparkplugPublisher(config, world.catalog, on_command, sid=world.sid, now=now)

    if isinstance(config, OpcuaPublisherConfig) and config.apart:
        return ApartOpcuaPublisher(config, world.catalog, on_command, now)

    def serve() -> Publisher:
        if isinstance(config, OpcuaPublisherConfig):
            return OpcuaPublisher(config, world.catalog, on_command, now)
        return ModbusPublisher(config, world.catalog, stations_of(world.config.domains, world.seed), on_command, now)

    return LatePublisher(serve)


def _pacer(
    world: World,
    publishers: dict[Protocol, Publisher],
    scenario: Scenario,
    manifest: Manifest,
    folder: RunFolder,
    inbox: Inbox,
    metrics: Metrics,
) -> Pacer:
    options = _options(folder)
    replayed = options.get("replay_commands")
    pace = Pace(
        speed=manifest.speed,
        quantum=options.get("quantum_ns") or scenario.config.quantum or _quantum(manifest.speed),
        until=scenario.config.end or world.natural_end,
        anchor=manifest.anchor,
    )
    return Pacer(
        world,
        publishers,
        pace,
        inbox=inbox,
        metrics=metrics,
        command_log=folder.commands,
        event_log=folder.events,
        replay_commands=read_log(Path(replayed)) if replayed else (),
        row_hash=bool(options.get("keep_hash", True)),
    )


def _quantum(speed: float) -> int:
    """Return the quantum in simulated ns: 50 ms of wall time, or a minute as fast as possible."""
    return round(QUANTUM * speed) if speed else 60 * NS


def _options(folder: RunFolder) -> dict[str, Any]:
    file = folder.root / "options.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def status(pacer: Pacer, metrics: Metrics) -> dict[str, Any]:
    """Return figures for the status file, the page and the report."""
    return {
        "emitted_rows": pacer.counts.rows,
        "owed_rows": _owed(pacer),
        **pacer.status(),
        "links": pacer.links(),
        "latency_ms": metrics.latency_ms(),
    }


def final(pacer: Pacer) -> dict[str, Any]:
    """Return what only the end knows."""
    emitted = pacer.emitted_by_stream()
    sampled = _sampled(pacer.world)
    return {
        "emitted": {path: rows for path, rows in emitted.items() if path not in sampled},
        "sampled": {path: rows for path, rows in emitted.items() if path in sampled},
        "lost_by_link": pacer.lost_by_link(),
        "row_hash": pacer.rows.hexdigest() if pacer.rows else "",
        "event_hash": pacer.events.hexdigest(),
    }


def _owed(pacer: Pacer) -> int:
    """Return the rows that were sent, and so are owed to the store."""
    sampled = _sampled(pacer.world)
    return sum(rows for path, rows in pacer.emitted_by_stream().items() if path not in sampled)


def _sampled(world: World) -> set[str]:
    """Return the streams that lie in registers: a row becomes one when somebody asks, so the poller counts them."""
    return {d.stream_path(s.name) for d in world.devices if d.protocols[0] == "modbus" for s in d.streams}


async def _report(
    pacer: Pacer, metrics: Metrics, folder: RunFolder, control: Control, broker: str, mqtt: Publisher | None
) -> None:
    """Renew the status every second, and say when the broker is away for long."""
    away = 0
    while True:
        await asyncio.sleep(1.0)
        figures = status(pacer, metrics)
        folder.write_status(ROLE, figures)
        control.say("status", **figures)
        connected = not isinstance(mqtt, MqttPublisher) or mqtt.connected
        if connected and away >= PATIENCE_S:
            control.say("told", text=f"the broker at {broker} is there again: what waited is sent")
        away = 0 if connected else away + 1
        if away == PATIENCE_S:
            control.say("told", text=f"the broker at {broker} does not answer: rows wait for it")


if __name__ == "__main__":
    run_role(lambda control: run(RunFolder(Path(sys.argv[1])), control))
