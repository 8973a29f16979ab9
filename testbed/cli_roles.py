"""Single roles from the command line, for one process a machine or container.

``testbed simulate`` makes the run folder; the other roles wait for its manifest in the same ``--data-dir``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from core.clock import NS, mono_ns, parse_duration
from core.errors import ConfigError, TestbedError
from testbed.control import Control, Order, SignalControl
from testbed.runfolder import Manifest, RunFolder

if TYPE_CHECKING:
    from testbed.scenario import Scenario

DataDir = Annotated[Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Folder of this run.")]
For = Annotated[Optional[str], typer.Option("--for", help="Wall time, e.g. 60s.")]
DataSets = Annotated[Optional[Path], typer.Option("--data", envvar="IIOT_DATA", help="Folder of real data sets.")]
Broker = Annotated[
    Optional[str],
    typer.Option(envvar="TESTBED_BROKER", help="Broker as seen from here; none: the one that simulate was given."),
]
Opcua = Annotated[
    Optional[str],
    typer.Option(envvar="TESTBED_OPCUA", help="OPC UA server as seen from here; none: as simulate was given it."),
]
Modbus = Annotated[
    Optional[str],
    typer.Option(envvar="TESTBED_MODBUS", help="Modbus server as seen from here; none: as simulate was given it."),
]
PageHost = Annotated[str, typer.Option("--host", envvar="TESTBED_PORTAL_HOST", help="Address to serve the page on.")]
PageNames = Annotated[
    Optional[list[str]],
    typer.Option(
        "--name", envvar="TESTBED_PORTAL_NAMES", help="Host name under which the page may send commands (repeatable)."
    ),
]
PagePort = Annotated[int, typer.Option(help="Port of the page; another one when taken.")]
Secure = Annotated[
    bool, typer.Option("--secure", envvar="TESTBED_SECURE", help="Login and TLS on the page; needed off loopback.")
]
Store = Annotated[
    Optional[str],
    typer.Option(
        envvar="TESTBED_STORE", help="duck, or influx (INFLUXDB_URL, _TOKEN, _ORG, _BUCKET); none: as configured"
    ),
]
RUN = Path(".testbed/role-run")
Role = Callable[[RunFolder, Control], Awaitable[None]]


def register(app: typer.Typer) -> None:
    """Add the role commands."""
    for command in (simulate, gateway, analyze, portal):
        app.command()(command)


def simulate(
    scenario: Annotated[Path, typer.Argument(help="Scenario file.")],
    broker: Annotated[str, typer.Option(envvar="TESTBED_BROKER", help="mqtt://host:port")] = "mqtt://127.0.0.1:1883",
    opcua: Annotated[
        str, typer.Option(envvar="TESTBED_OPCUA", help="Where to serve OPC UA: opc.tcp://host:port/testbed")
    ] = "opc.tcp://127.0.0.1:4840/testbed",
    sparkplug_host: Annotated[
        str,
        typer.Option(envvar="TESTBED_SPARKPLUG_HOST", help="Primary host that Sparkplug devices wait for; empty: none"),
    ] = "testbed",
    modbus: Annotated[
        str, typer.Option(envvar="TESTBED_MODBUS", help="Where to serve Modbus TCP: tcp://host:port")
    ] = "tcp://127.0.0.1:5020",
    data: DataSets = None,
    data_dir: DataDir = RUN,
    for_: For = None,
) -> None:
    """Run the simulator against a broker that is already there; makes the run folder, or goes on with its run."""
    from testbed.roles import simulator
    from testbed.scenario import read
    from testbed.up import Options, manifest_of
    from wire.opcua.identity import make_identities

    run, spec = RunFolder(data_dir), read(scenario, data)
    run.make()
    make_identities(run.opcua, opcua, ("simulator", "gateway"))
    resume = run.manifest_file.exists()
    if resume:
        manifest = _same(run, spec)
    else:
        manifest = manifest_of(spec, Options(data_dir=data_dir, data=data, portal=False), broker)
    placed = manifest.model_copy(
        update={"mqtt": broker, "opcua": opcua, "modbus": modbus, "sparkplug_host": sparkplug_host}
    )
    if not resume or placed != manifest:
        run.write_manifest(placed)
    _run(lambda folder, control: simulator.run(folder, control, resume), run, for_)


def gateway(
    data_dir: DataDir = RUN, broker: Broker = None, opcua: Opcua = None, modbus: Modbus = None, for_: For = None
) -> None:
    """Run the gateway of a run folder."""
    from testbed.roles import gateway as role

    places = _given(mqtt=broker, opcua=opcua, modbus=modbus)
    # what is not acknowledged stays with the broker, and what is lies in the buffer: there is nothing to wait for
    _run(lambda folder, control: role.run(folder, control, places), _wait(data_dir), for_, ("stop",))


def analyze(
    data_dir: DataDir = RUN,
    broker: Broker = None,
    host: PageHost = "127.0.0.1",
    port: PagePort = 8080,
    names: PageNames = None,
    no_portal: Annotated[bool, typer.Option("--no-portal", help="Serve no page.")] = False,
    store: Store = None,
    for_: For = None,
    secure: Secure = False,
) -> None:
    """Run drain, stores, history, analytics and page of a run folder."""
    from testbed.past import Past
    from testbed.roles import platform
    from testbed.storage import choose_store
    from testbed.up import page_url

    if not no_portal:
        _guarded(host, secure)
    run = _wait(data_dir)
    choose_store(run, store)
    page = "" if no_portal else page_url(host, port, secure)
    if page and secure:
        _guard(data_dir, run, names)
    places = {**_given(mqtt=broker), "portal": page, "portal_hosts": tuple(names or ())}

    async def role(folder: RunFolder, control: Control) -> None:
        async with Past(folder, _scenario(folder), control):
            await platform.run(folder, control, places)

    _run(role, run, for_)


def portal(
    data_dir: Annotated[
        Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Where runs are kept, or the folder of one.")
    ] = Path(".testbed"),
    host: PageHost = "127.0.0.1",
    port: PagePort = 8080,
    for_: For = None,
    secure: Secure = False,
) -> None:
    """Serve the page and API over the stored data of the latest run (or of one run's folder)."""
    from testbed.roles import viewer
    from testbed.runfolder import latest

    _guarded(host, secure)
    run = RunFolder(data_dir) if (data_dir / "run.json").exists() else latest(data_dir)
    if secure:
        _guard(data_dir, run, ())
    _run(lambda folder, control: viewer.run(folder, control, port, host, secure), run, for_, ("stop",))


def _guarded(host: str, secure: bool) -> None:
    from testbed.secure import refuse_open_door

    if not secure:
        refuse_open_door(host, "--host")


def _guard(data_dir: Path, run: RunFolder, names: list[str] | tuple[str, ...] | None) -> None:
    from testbed.secure import guard_page
    from testbed.vault import Vault

    told = guard_page(Vault(data_dir), run, names or ())
    if told:
        typer.echo(told)


def _run(role: Role, run: RunFolder, for_: str | None, ending: tuple[Order, ...] = ("drain", "stop")) -> None:
    async def main() -> None:
        control = SignalControl(parse_duration(for_) / NS if for_ else None, ending)
        control.open()
        await role(run, control)

    asyncio.run(main())


def _same(run: RunFolder, scenario: Scenario) -> Manifest:
    """Return the manifest of the run that is there already; raises ConfigError where it is another one's."""
    manifest = run.manifest()
    if manifest.digest != scenario.digest:
        hint = "choose another --data-dir, or delete that folder"
        raise ConfigError(str(run.root), f"holds a run of {manifest.scenario} with other settings", hint)
    return manifest


def _scenario(run: RunFolder) -> Scenario:
    from testbed.scenario import read

    manifest = run.manifest()
    return read(Path(manifest.scenario), Path(manifest.data) if manifest.data else None)


def _given(**places: str | None) -> dict[str, object]:
    """Return what differs from the manifest."""
    return {name: place for name, place in places.items() if place}


def _wait(folder: Path, seconds: float = 60.0) -> RunFolder:
    """Wait for the manifest that ``testbed simulate`` writes."""
    import time

    run, deadline = RunFolder(folder), mono_ns() + seconds * NS
    while not run.manifest_file.exists():
        if mono_ns() > deadline:
            raise TestbedError(f"{run.manifest_file}: no manifest after {seconds:.0f} s; start testbed simulate first")
        time.sleep(0.2)
    return run
