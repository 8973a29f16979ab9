"""Single roles from the command line, for one process a machine or container.

``testbed simulate`` makes the run folder; the other roles wait for its manifest in the same ``--data-dir``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Optional

import typer

from core.clock import NS, mono_ns, parse_duration
from core.errors import TestbedError
from testbed.control import Control, SignalControl
from testbed.runfolder import RunFolder

DataDir = Annotated[Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Folder of this run.")]
For = Annotated[Optional[str], typer.Option("--for", help="Wall time, e.g. 60s.")]
RUN = Path(".testbed/role-run")
Role = Callable[[RunFolder, Control], Awaitable[None]]


def register(app: typer.Typer) -> None:
    """Add the role commands."""
    for command in (simulate, gateway, analyze, portal):
        app.command()(command)


def simulate(
    scenario: Path,
    broker: Annotated[str, typer.Option(envvar="TESTBED_BROKER", help="mqtt://host:port")] = "mqtt://127.0.0.1:1883",
    opcua: Annotated[str, typer.Option(envvar="TESTBED_OPCUA")] = "opc.tcp://127.0.0.1:4840/testbed",
    data: Annotated[Optional[Path], typer.Option("--data", envvar="IIOT_DATA")] = None,
    data_dir: DataDir = RUN,
    for_: For = None,
) -> None:
    """Run the simulator against a broker that is already there; makes the run folder."""
    from testbed.roles import simulator
    from testbed.scenario import read
    from testbed.up import Options, manifest_of

    run = RunFolder(data_dir)
    run.make()
    options = Options(data_dir=data_dir, data=data)
    manifest = manifest_of(read(scenario, data), options, broker).model_copy(update={"opcua": opcua})
    run.write_manifest(manifest)
    _run(simulator.run, run, for_)


def gateway(data_dir: DataDir = RUN, for_: For = None) -> None:
    """Run the gateway of a run folder."""
    from testbed.roles import gateway as role

    _run(role.run, _wait(data_dir), for_)


def analyze(data_dir: DataDir = RUN, for_: For = None) -> None:
    """Run drain, stores, history load and analytics of a run folder, with the page."""
    from testbed.roles import platform

    _run(platform.run, _wait(data_dir), for_)


def portal(
    data_dir: Annotated[Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR")] = Path(".testbed"),
    port: int = 8080,
    for_: For = None,
) -> None:
    """Serve the page and API over the stored data of the latest run (or of one run's folder)."""
    from testbed.roles import viewer
    from testbed.runfolder import latest

    run = RunFolder(data_dir) if (data_dir / "run.json").exists() else latest(data_dir)
    _run(lambda folder, control: viewer.run(folder, control, port), run, for_)


def _run(role: Role, run: RunFolder, for_: str | None) -> None:
    async def main() -> None:
        control = SignalControl(parse_duration(for_) / NS if for_ else None)
        control.open()
        await role(run, control)

    asyncio.run(main())


def _wait(folder: Path, seconds: float = 60.0) -> RunFolder:
    """Wait for the manifest that ``testbed simulate`` writes."""
    import time

    run, deadline = RunFolder(folder), mono_ns() + seconds * NS
    while not run.manifest_file.exists():
        if mono_ns() > deadline:
            raise TestbedError(f"{run.manifest_file}: no manifest after {seconds:.0f} s; start testbed simulate first")
        time.sleep(0.2)
    return run
