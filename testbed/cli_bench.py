"""``testbed bench``: figures, with the machine's name."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from core.clock import NS, parse_duration

app = typer.Typer(help="Figures, with the machine's name.", no_args_is_help=True)
REFERENCE = Path("configs/scenarios/reference.yaml")
AsJson = Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")]


@app.callback()
def bench() -> None:
    """Figures, with the machine's name."""


@app.command()
def simulate(
    scenario: Annotated[Path, typer.Option(help="Scenario file.")] = REFERENCE,
    days: Annotated[float, typer.Option(min=0.1, max=3650, help="Simulated days.")] = 30.0,
    live: Annotated[Optional[str], typer.Option(help="Instead: render live at speed 1 for so long, e.g. 60s.")] = None,
    store: Annotated[bool, typer.Option(help="Also load the days into DuckDB.")] = True,
    as_json: AsJson = False,
) -> None:
    """Render the world: values a second beside a SimPy process for each sensor; or live: processor, delay, memory."""
    from testbed.bench import simulate as measure
    from testbed.bench.machine import machine
    from testbed.scenario import read

    console = Console(stderr=True, highlight=False)

    def tell(text: str) -> None:
        console.print(f"[dim]{text}[/dim]")

    spec = read(scenario)
    found: dict[str, Any] = {"bench": "simulate", **machine(), "scenario": str(scenario)}
    if live:
        found["live"] = measure.live(spec, parse_duration(live) / NS, tell)
    else:
        found["rendering"] = measure.rendering(spec, days, tell)
        if store:
            found["duckdb"] = measure.loading(spec, days, tell)
    show(found, as_json)


@app.command()
def score(
    assets: Annotated[int, typer.Option(min=10, max=200_000, help="Assets scored in one call.")] = 10_000,
    windows: Annotated[int, typer.Option(min=1, max=1000, help="Windows fed, one a minute of run time.")] = 10,
    floor: Annotated[float, typer.Option(min=0, help="Fail below so many assets a second.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Serve models to many assets: rows in, windows, filters, features, detectors, prognosis, policy out."""
    from testbed.bench import score as measure
    from testbed.bench.machine import machine

    found: dict[str, Any] = {"bench": "score", **machine(), "scoring": measure.scoring(assets, windows)}
    show(found, as_json)
    if found["scoring"]["assets_per_s"] < floor:
        raise typer.Exit(1)


@app.command()
def opcua(
    seconds: Annotated[float, typer.Option(min=1.0, max=600, help="How long each part sends.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """OPC UA between two processes: share delivered when paced, values a second at most, beside bare asyncua."""
    from testbed.bench import opcua as measure
    from testbed.bench.machine import machine

    console = Console(stderr=True, highlight=False)
    found = {"bench": "opcua", **machine()}
    found |= measure.run(seconds, lambda text: console.print(f"[dim]{text}[/dim]"))
    show(found, as_json)


@app.command()
def mqtt(
    messages: Annotated[int, typer.Option(min=1_000, help="Messages of one row.")] = 40_000,
    blocks: Annotated[int, typer.Option(min=10, help="Messages of 1,000 rows.")] = 600,
    for_: Annotated[str, typer.Option("--for", help="How long the fleet sends, e.g. 5m.")] = "10s",
    devices: Annotated[
        int, typer.Option(min=20, help="Devices of the fleet, a row of 5 values a second each.")
    ] = 5_000,
    as_json: AsJson = False,
) -> None:
    """Take messages in, QoS 1, validated and buffered, into DuckDB; beside a bare subscriber that only counts."""
    import asyncio

    from testbed.bench import mqtt as measure

    seconds = parse_duration(for_) / NS
    _run("mqtt", lambda tell: asyncio.run(measure.measure(messages, blocks, seconds, devices, tell)), as_json)


@app.command()
def store(
    rows: Annotated[int, typer.Option(min=20_000, help="Rows of five values.")] = 200_000,
    as_json: AsJson = False,
) -> None:
    """Write rows into DuckDB and InfluxDB; the latter beside posting ready-made lines by plain HTTP."""
    from testbed.bench import store as measure

    _run("store", lambda tell: measure.measure(rows, tell), as_json)


@app.command()
def loop(
    for_: Annotated[str, typer.Option("--for", help="How long, e.g. 60s.")] = "15s",
    readers: Annotated[int, typer.Option(min=0, max=50, help="Readers of the live page.")] = 5,
    training: Annotated[bool, typer.Option(help="Train a model meanwhile.")] = True,
    as_json: AsJson = False,
) -> None:
    """From a value's publication to the command in the inbox, in a busy run; beside a bare echo on its broker."""
    from testbed.bench import loop as measure

    _run("loop", lambda tell: measure.measure(parse_duration(for_) / NS, readers, training, tell), as_json)


def _run(name: str, work: Callable[[Callable[[str], None]], Mapping[str, Any]], as_json: bool) -> None:
    """Measure and show; the load of the machine is told as of before."""
    from testbed.bench.machine import machine

    console = Console(stderr=True, highlight=False)
    place = machine()
    show({"bench": name, **place, **work(lambda text: console.print(f"[dim]{text}[/dim]"))}, as_json)


def show(found: Mapping[str, Any], as_json: bool) -> None:
    """Print figures as JSON, or as a table with a section for each part."""
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
        return
    table = Table(box=None, show_header=False)
    for name, value in found.items():
        if not isinstance(value, Mapping):
            table.add_row(name, str(value))
    for name, part in found.items():
        if isinstance(part, Mapping):
            table.add_section()
            table.add_row(f"[bold]{name}[/bold]")
            for key, value in part.items():
                table.add_row(f"  {key}", f"{value:,}" if isinstance(value, (int, float)) else str(value))
    Console().print(table)
