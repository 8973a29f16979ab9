"""Commands about files: config, guideline, reset, export, history."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.clock import NS, parse_duration
from core.config import Config
from core.errors import ConfigError, TestbedError

config = typer.Typer(help="Scenario files: check, schema, plan.", no_args_is_help=True)
guideline = typer.Typer(help="The minimum platform guideline v1.", no_args_is_help=True)
DataOption = Annotated[Optional[Path], typer.Option("--data", envvar="IIOT_DATA", help="Folder of real data sets.")]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Where runs are kept.")]
DATA_DIR = Path(".testbed")


@config.command("check")
def config_check(files: list[Path], data: DataOption = None) -> None:
    """Check scenario files and everything they name; one line a file."""
    from testbed.scenario import read

    console, bad = Console(highlight=False), 0
    for file in files:
        try:
            read(file, data).check()
            console.print(f"[green]ok[/green] {escape(str(file))}", soft_wrap=True)
        except TestbedError as error:
            bad += 1
            console.print(f"[red]bad[/red] {escape(str(error))}", soft_wrap=True)
    raise typer.Exit(2 if bad else 0)


@config.command("schema")
def config_schema(
    of: Annotated[Optional[str], typer.Argument(help="scenario, domain or deploy; none: all three.")] = None,
) -> None:
    """Print the JSON Schema of scenario, domain or deploy files, for editors that check YAML."""
    from simulator.domain import DomainConfig
    from testbed.scenario import DeployConfig, ScenarioConfig

    models: dict[str, type[Config]] = {"scenario": ScenarioConfig, "domain": DomainConfig, "deploy": DeployConfig}
    if of is not None and of not in models:
        raise ConfigError(of, "no such file kind", f"one of {', '.join(models)}")
    schema = {name: model.model_json_schema() for name, model in models.items() if of in (None, name)}
    sys.stdout.write(json.dumps(schema[of] if of else schema, indent=1, ensure_ascii=False) + "\n")


@config.command("plan")
def config_plan(file: Path, data: DataOption = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show devices, channels, rates and bytes a day before anything starts."""
    from testbed.plan import plan
    from testbed.scenario import read

    result = plan(read(file, data))
    if as_json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    table = Table(title=str(file))
    for column in ("", "devices", "channels", "rows/s", "values/s", "MB/day on the wire"):
        table.add_column(column, justify="left" if not column else "right")
    for group in ("domains", "protocols"):
        for name, total in result[group].items():
            cells = (
                total["devices"],
                total["channels"],
                round(total["rows_per_s"], 1),
                round(total["values_per_s"], 1),
                round(total["wire_bytes_per_day"] / 1e6, 1),
            )
            table.add_row(name, *(f"{cell:,}" for cell in cells))
        table.add_section()
    Console().print(table)
    past = f"history: {result['history_values']:,} values, about {result['history_bytes'] / 1e6:,.0f} MB as Parquet"
    Console().print(
        f"at this speed about {result['wire_bytes_per_day'] / 1e9:.2f} GB/day on the wire, "
        f"{result['stored_bytes_per_day'] / 1e9:.2f} GB/day stored (DuckDB)"
        + f"; {past}"
        * bool(result["history_values"]),
        soft_wrap=True,
    )


@guideline.command("schema")
def guideline_schema() -> None:
    """Print the JSON Schema of guideline v1."""
    from wire.guideline import schema

    sys.stdout.write(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n")


@guideline.command("check")
def guideline_check(
    topic: str,
    payload: Annotated[Optional[Path], typer.Argument(help="File with the payload; none: standard input.")] = None,
) -> None:
    """Check one message against guideline v1: what is wrong, a line each."""
    from wire.guideline import check

    data = payload.read_bytes() if payload else sys.stdin.buffer.read()
    faults = check(topic, data)
    for fault in faults:
        sys.stdout.write(f"{fault}\n")
    if not faults:
        sys.stdout.write("conforms to guideline v1\n")
    raise typer.Exit(2 if faults else 0)


def register(app: typer.Typer) -> None:
    """Add the commands that stand at the top level."""
    app.command()(reset)
    app.command()(export)
    app.command()(history)
    app.command()(catalogue)
    app.command()(gallery)


def reset(
    data_dir: DataDir = DATA_DIR, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False
) -> None:
    """Delete all runs below the data folder that have ended."""
    from testbed.runfolder import runs

    kept = [run for run in runs(data_dir) if run.in_use()]
    found = [run for run in runs(data_dir) if run not in kept]
    for run in kept:
        sys.stdout.write(f"{run.root} is running: kept\n")
    if not found:
        sys.stdout.write(f"nothing to reset at {data_dir}\n")
        return
    if not yes:
        typer.confirm(f"delete {len(found)} runs at {data_dir / 'runs'}?", abort=True)
    for run in found:
        shutil.rmtree(run.root)
    if not kept:
        shutil.rmtree(data_dir / "runs")
    sys.stdout.write(f"{len(found)} runs deleted\n")


def export(
    out: Annotated[Path, typer.Argument(help="Folder to write Parquet (or CSV) files into.")],
    data_dir: DataDir = DATA_DIR,
    csv: Annotated[bool, typer.Option("--csv", help="CSV instead of Parquet.")] = False,
) -> None:
    """Write what the latest run stored, one file a layout."""
    from testbed.export import export_run
    from testbed.runfolder import latest

    run = latest(data_dir)
    _folder(out)
    for path, rows in export_run(run, out, csv):
        sys.stdout.write(f"{path}: {rows:,} rows\n")


def history(
    scenario: Annotated[Path, typer.Argument(help="Scenario file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write into; a new one or an empty one.")],
    days: Annotated[float, typer.Option(help="Simulated days.", min=0.01, max=3650)] = 30.0,
    every: Annotated[str, typer.Option(help="Sampling interval.")] = "60s",
    data: DataOption = None,
) -> None:
    """Simulate at full speed into Parquet (telemetry, events; truth in a folder of its own)."""
    from rich.progress import Progress

    from simulator.history import history_sampling, write_history
    from simulator.world import World
    from testbed.scenario import read

    spec = read(scenario, data)
    settings = spec.world().model_copy(update={"history": round(days * 86_400) * NS})
    sampling = history_sampling(parse_duration(every), spec.config.history.fast_every)
    world = World(settings, spec.config.start_ns(), spec.config.seed, sampling)
    _folder(out)
    if any(out.iterdir()):
        raise ConfigError(str(out), "is not empty", "choose another --out, or delete it first")
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("history", total=1.0)
        told = write_history(world, out, out / "truth", lambda done: bar.update(task, completed=done))
    sys.stdout.write(f"{out}: {told.rows:,} rows in {told.layouts} layouts, {told.events:,} events, {days:g} days\n")


def catalogue(
    out: Annotated[Path, typer.Option("--out", help="Folder (or file in it) to write both languages into.")] = Path(
        "docs"
    ),
) -> None:
    """Write the catalogue of all equipment, channels, units, commands and faults: catalogue.md and catalogue.ko.md."""
    from testbed.catalogue import write

    folder = out.parent if out.suffix == ".md" else out
    _folder(folder)
    for file in write(folder):
        sys.stdout.write(f"{file}\n")


def gallery(
    out: Annotated[Path, typer.Option("--out", help="Folder to write statistics.md and plots/ into.")] = Path("docs"),
    seed: Annotated[int, typer.Option("--seed", help="Seed of the year.")] = 7,
) -> None:
    """Write the statistics of a simulated year with a plot: statistics.md, plots/year.png."""
    from testbed.statistics import write

    _folder(out)
    for file in write(out, seed):
        sys.stdout.write(f"{file}\n")


def _folder(folder: Path) -> None:
    """Make a folder where there is none; raises ConfigError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(str(folder), f"cannot be written: {error.strerror}", "choose another folder") from error
