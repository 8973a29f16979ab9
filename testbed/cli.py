"""The command line. Each command imports what it needs when it runs, so ``testbed --help`` is quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.clock import NS, parse_duration
from core.errors import RunError, StoreError, TestbedError, WireError
from testbed import (
    cli_bench,
    cli_chamber,
    cli_compare,
    cli_deadletters,
    cli_drill,
    cli_evaluate,
    cli_features,
    cli_fuzz,
    cli_modbus,
    cli_models,
    cli_roles,
    cli_security,
    cli_tools,
)

app = typer.Typer(
    help="IIoT reference testbed: a virtual city on real protocols, with the loop closed.", no_args_is_help=True
)
DATA_DIR = Path(".testbed")
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Where runs are kept.")]
DEFAULT = Path("configs/scenarios/seoul.yaml")


@app.command()
def up(
    scenario: Annotated[Path, typer.Argument(help="Scenario file.")] = DEFAULT,
    for_: Annotated[Optional[str], typer.Option("--for", help="Wall time of the live run, e.g. 60s.")] = None,
    speed: Annotated[Optional[str], typer.Option(help="Simulated seconds a wall second, or max.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run report as JSON, last.")] = False,
    no_portal: Annotated[bool, typer.Option("--no-portal", help="Serve no page.")] = False,
    host: cli_roles.PageHost = "127.0.0.1",
    port: cli_roles.PagePort = 8080,
    names: cli_roles.PageNames = None,
    store: cli_roles.Store = None,
    data: Annotated[
        Optional[Path], typer.Option("--data", envvar="IIOT_DATA", help="Folder of real data sets.")
    ] = None,
    data_dir: DataDir = DATA_DIR,
    broker: Annotated[str, typer.Option(help="auto, mosquitto, rumqttd, or mqtt://host:port")] = "auto",
    start: Annotated[Optional[str], typer.Option(help="Run time to start at: ISO 8601 or ns.")] = None,
    seed: Annotated[Optional[int], typer.Option(help="Instead of the scenario's seed.")] = None,
    quantum: Annotated[Optional[str], typer.Option(help="Rendering quantum, e.g. 50ms.")] = None,
    replay_commands: Annotated[Optional[Path], typer.Option(help="Command log of an earlier run.")] = None,
    secure: Annotated[
        bool, typer.Option("--secure", help="TLS, accounts and rights on the broker, login on the page.")
    ] = False,
) -> None:
    """Run everything on this machine."""
    import asyncio

    from testbed.options import parse_speed, parse_time
    from testbed.scenario import read
    from testbed.summary import show
    from testbed.up import Options, Up

    console = Console(stderr=as_json, highlight=False)
    options = Options(
        data_dir=data_dir,
        seconds=parse_duration(for_) / NS if for_ else None,
        speed=parse_speed(speed),
        start=parse_time(start),
        seed=seed,
        portal=not no_portal,
        host=host,
        hosts=tuple(names or ()),
        port=port,
        store=store,
        broker=broker,
        data=data,
        replay_commands=replay_commands,
        quantum_ns=parse_duration(quantum) if quantum else None,
        secure=secure,
    )

    def told(role: str, message: dict[str, Any]) -> None:
        if message["is"] != "ready":
            console.print(f"[dim]{role:>9}[/dim] {escape(str(message.get('text', '')))}")
        elif message.get("text"):
            console.print(f"[green]{role:>9}[/green] {escape(str(message['text']))}")

    run = Up(read(scenario, data), options, told)
    report = asyncio.run(run.run())
    show(report, console)
    if as_json:
        sys.stdout.write(json.dumps(report) + "\n")


@app.command()
def doctor(data_dir: DataDir = DATA_DIR, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Look at this machine and say what to do."""
    from testbed.doctor import examine

    findings = examine(data_dir)
    if as_json:
        sys.stdout.write(json.dumps([vars(f) for f in findings], ensure_ascii=False) + "\n")
    else:
        table = Table(box=None)
        for column in ("", "what", "found", "what to do"):
            table.add_column(column)
        colour = {"ok": "green", "note": "yellow", "fault": "red"}
        for f in findings:
            table.add_row(f"[{colour[f.level]}]{f.level}[/]", f.subject, f.text, f.advice)
        Console().print(table)
    raise typer.Exit(1 if any(f.level == "fault" for f in findings) else 0)


# in the order in which --help lists them: what people need first stands first
cli_tools.register(app)
cli_compare.register(app)
app.add_typer(cli_tools.config, name="config")
app.add_typer(cli_chamber.app, name="chamber")
app.add_typer(cli_modbus.modbus, name="modbus")
app.add_typer(cli_tools.guideline, name="guideline")
app.add_typer(cli_evaluate.app, name="evaluate")
app.add_typer(cli_features.app, name="features")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_security.certs, name="certs")
app.add_typer(cli_security.users, name="users")
app.command()(cli_security.audit)
app.command()(cli_security.equip)
app.add_typer(cli_bench.app, name="bench")
app.command()(cli_drill.drill)
app.add_typer(cli_deadletters.app, name="deadletters")
cli_roles.register(app)
cli_fuzz.register(app)


def main() -> None:
    """Run the command line; an error meant for people is one line and exit code 1 (machine) or 2 (request)."""
    try:
        app()
    except TestbedError as error:
        Console(stderr=True, highlight=False).print(f"[red]testbed:[/red] {escape(str(error))}", soft_wrap=True)
        raise SystemExit(1 if isinstance(error, (RunError, WireError, StoreError)) else 2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
