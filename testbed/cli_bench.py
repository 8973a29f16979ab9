"""``testbed bench``: figures, with the machine's name."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
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
