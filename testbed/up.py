"""``testbed up``: the whole loop on this machine, from scenario file to run report."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from core.clock import NS, mono_ns, wall_ns
from core.errors import RunError, TestbedError
from simulator.commandlog import read_log
from simulator.domain import devices
from testbed import report
from testbed.brokerkeeper import BrokerKeeper
from testbed.past import has_past
from testbed.runfolder import Manifest, RunFolder, new_run
from testbed.scenario import Scenario, stations_of
from testbed.secure import Fortress, SecurityConfig, refuse_open_door
from testbed.storage import asked_store, choose_store
from testbed.supervisor import MAX_RESTARTS, Supervisor
from testbed.vault import Vault
from wire.broker import Broker
from wire.broker_config import BrokerConfig
from wire.opcua.identity import make_identities
from wire.ports import free_port, free_ports
from wire.session import MqttConfig, endpoint

BROKERS = ("auto", "mosquitto", "rumqttd")
Told = Callable[[str, dict[str, object]], None]


@dataclass(frozen=True)
class Options:
    """What the command line decides about a run. ``seconds`` is wall time of the live run."""

    data_dir: Path
    seconds: float | None = None
    speed: float | None = None
    start: int | None = None
    seed: int | None = None
    portal: bool = True
    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    port: int = 8080
    store: str | None = None
    broker: str = "auto"
    data: Path | None = None
    replay_commands: Path | None = None
    quantum_ns: int | None = None
    keep_hash: bool = True
    secure: bool = False


def launched_ns() -> int:
    """Return when this process started (ns UTC), so that first_row_s includes our own imports."""
    return int(psutil.Process(os.getpid()).create_time() * NS)


def manifest_of(scenario: Scenario, options: Options, mqtt: str, secure: bool = False) -> Manifest:
    """Resolve everything that must be known before the roles start."""
    config = scenario.config
    start = options.start if options.start is not None else config.start_ns()
    live_now = config.start == "now" and options.start is None
    return Manifest(
        scenario=str(scenario.path),
        name={"ko": config.name.ko, "en": config.name.en},
        digest=scenario.digest,
        start=start,
        anchor=start if live_now else wall_ns() + 2 * NS,
        launched=launched_ns(),
        seed=config.seed if options.seed is None else options.seed,
        speed=config.speed if options.speed is None else options.speed,
        mqtt=mqtt,
        opcua=f"opc.tcp://127.0.0.1:{free_port()}/testbed",
        modbus=f"tcp://127.0.0.1:{free_ports(_lines(scenario))}",
        portal=page_url(options.host, options.port, secure) if options.portal else "",
        portal_hosts=options.hosts,
        data=str(options.data or ""),
        secure=secure,
        versions=_versions(),
    )


def _lines(scenario: Scenario) -> int:
    """Return how many Modbus servers the scenario needs."""
    return 1 + max((station.line for station in stations_of(scenario.domains, scenario.config.seed)), default=0)


def page_url(host: str, port: int, secure: bool = False) -> str:
    """Return where the page is to be served."""
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _versions() -> dict[str, str]:
    found = {}
    for name in ("iiot-testbed", "numpy", "simpy", "scikit-learn", "paho-mqtt", "asyncua", "pymodbus", "duckdb"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _broker(text: str) -> BrokerConfig:
    """Return the broker to use: a kind, or somebody else's by URL."""
    if "://" in text:
        config = BrokerConfig(kind="external", url=text)
        endpoint(MqttConfig(url=text))  # raises what is wrong with it
        return config
    if text not in BROKERS:
        raise TestbedError(f"--broker {text}: write {', '.join(BROKERS)} or mqtt://host:port")
    return BrokerConfig.model_validate({"kind": text})


class Up:
    """One run. ``told`` hears the story line by line."""

    def __init__(self, scenario: Scenario, options: Options, told: Told) -> None:
        self.scenario, self.options, self._told = scenario, options, told
        self.max_restarts = MAX_RESTARTS
        self._stop = asyncio.Event()
        self._supervisor: Supervisor | None = None
        self.run_folder: RunFolder | None = None
        self._fortress: Fortress | None = None

    async def run(self) -> dict[str, Any]:
        """Run to the end and return the report."""
        config = self._checked()
        run = self.run_folder = new_run(self.options.data_dir, self.scenario.key)
        choose_store(run, self.options.store)
        if self._fortress is not None:
            config = self._secured(self._fortress, config, run)
        with self._signals():
            async with Broker(config, run.broker) as broker:
                manifest = manifest_of(self.scenario, self.options, broker.url, self._fortress is not None)
                run.write_manifest(manifest)
                self._say(f"broker {broker.url} ({broker.kind}), OPC UA {manifest.opcua}, Modbus {manifest.modbus}")
                self._say(f"everything of this run is in {run.root}")
                self._write_options(run)
                if self._fortress is not None:
                    make_identities(run.opcua, manifest.opcua, ("simulator", "gateway"), always=True)
                    self._fortress.trust(run)
                supervisor = self._supervisor = Supervisor(
                    run, self._roles(), self._told, max_restarts=self.max_restarts
                )
                async with BrokerKeeper(broker, self._say, supervisor.fail) as keeper, self._following(run, broker):
                    try:
                        await supervisor.start()
                        wall_s = await self._live(supervisor)
                        await supervisor.drain()
                    finally:
                        await supervisor.stop()
        if supervisor.failed:
            raise RunError(supervisor.failed)
        result = report.build(run.manifest(), supervisor.statuses, wall_s, supervisor.restarts + keeper.restarts)
        run.report.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
        return result

    def _say(self, text: str) -> None:
        self._told("testbed", {"is": "told", "text": text})

    def _checked(self) -> BrokerConfig:
        """Find out what is wrong before anything starts; raises TestbedError."""
        log = self.options.replay_commands
        if log is not None:
            if not log.is_file():
                raise TestbedError(f"--replay-commands {log}: no such file; a run keeps its own as commands.jsonl")
            read_log(log)
        self.scenario.check()
        self._fortress = self._wanted()
        asked_store(self.options.store)
        return _broker(self.options.broker)

    def _wanted(self) -> Fortress | None:
        """Return what secures the run, None for the loopback demo; raises TestbedError for a door left open."""
        security = self.scenario.config.security
        if security is None and not self.options.secure:
            refuse_open_door(self.options.host, "--host")
            return None
        areas = {f"{spec.site}/{spec.area}" for d in self.scenario.domains for _, spec in devices(d, 0)}
        return Fortress(Vault(self.options.data_dir), security or SecurityConfig(), sorted(areas))

    def _secured(self, fortress: Fortress, config: BrokerConfig, run: RunFolder) -> BrokerConfig:
        told = fortress.prepare()
        if told:
            self._say(told)
        fortress.equip(run)
        return fortress.broker(config)

    @asynccontextmanager
    async def _following(self, run: RunFolder, broker: Broker) -> AsyncIterator[None]:
        """Let the broker follow the vault while a secured run lasts."""
        if self._fortress is None:
            yield
            return
        task = asyncio.create_task(self._fortress.follow(run, broker, self._say), name="follow the vault")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _roles(self) -> tuple[str, ...]:
        history = ("history",) if has_past(self.scenario) else ()
        return ("simulator", "gateway", "platform", *history)

    def _write_options(self, run: RunFolder) -> None:
        options = {
            "replay_commands": str(self.options.replay_commands or ""),
            "quantum_ns": self.options.quantum_ns,
            "keep_hash": self.options.keep_hash,
        }
        (run.root / "options.json").write_text(json.dumps(options), encoding="utf-8")

    async def _live(self, supervisor: Supervisor) -> float:
        """Wait for readiness, then for the end of the time, Ctrl-C, or a role that is through."""
        began = mono_ns()
        enders = [asyncio.create_task(self._stop.wait()), asyncio.create_task(supervisor.finished.wait())]
        getting_ready = asyncio.create_task(supervisor.ready())
        try:
            await asyncio.wait({getting_ready, *enders}, return_when=asyncio.FIRST_COMPLETED)
            if getting_ready.done():
                getting_ready.result()
            await asyncio.wait(enders, timeout=self.options.seconds, return_when=asyncio.FIRST_COMPLETED)
            return (mono_ns() - began) / NS
        finally:
            for task in (getting_ready, *enders):
                task.cancel()
            await asyncio.gather(getting_ready, *enders, return_exceptions=True)

    def _signals(self) -> _Signals:
        return _Signals(self._interrupted)

    def _interrupted(self) -> None:
        if self._stop.is_set():
            if self._supervisor:
                self._supervisor.kill()
            os._exit(130)  # the broker and every child end when their standard input closes
        self._stop.set()
        self._say("stopping: carrying every row home (Ctrl-C again ends at once)")


class _Signals:
    """Hand Ctrl-C and SIGTERM to one function while a run lasts."""

    def __init__(self, handler: Callable[[], None]) -> None:
        self._handler = handler
        self._old: dict[int, Any] = {}

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._old[number] = signal.getsignal(number)
            # signal.signal works on every platform; the loop is woken by asyncio's wakeup descriptor
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._handler))

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)
