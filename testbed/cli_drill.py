"""``testbed drill``: pull every plug, and account for every row."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.clock import NS, parse_duration

SCENARIO = Path("configs/scenarios/drill.yaml")


def drill(
    scenario: Annotated[Path, typer.Argument(help="Scenario file.")] = SCENARIO,
    for_: Annotated[str, typer.Option("--for", help="How long, e.g. 10m.")] = "10m",
    kills: Annotated[int, typer.Option(min=0, max=1000, help="How many processes are killed.")] = 20,
    chance: Annotated[int, typer.Option("--seed", help="Order and moments of the kills.")] = 1,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or rumqttd")] = "auto",
    data_dir: Annotated[
        Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Where runs are kept.")
    ] = Path(".testbed"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON, last.")] = False,
) -> None:
    """Kill broker, gateway, platform (with its store) and OPC UA server, and account for every row."""
    import asyncio

    from testbed.drill.run import Drill
    from testbed.scenario import read
    from testbed.up import Options

    console = Console(stderr=as_json, highlight=False)

    def told(role: str, message: dict[str, Any]) -> None:
        if message.get("text"):
            console.print(f"[dim]{role:>9}[/dim] {escape(str(message['text']))}", soft_wrap=True)

    options = Options(data_dir=data_dir, seconds=parse_duration(for_) / NS, broker=broker)
    found = asyncio.run(Drill(read(scenario), options, told, kills, chance).judged())
    show(found, console)
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    raise typer.Exit(0 if found["passed"] else 1)


def show(found: dict[str, Any], console: Console) -> None:
    """Print what a drill found."""
    table = Table(box=None, header_style="dim")
    for name in ("kill", "at", "process back", "recovered"):
        table.add_column(name, justify="left" if name == "kill" else "right")
    for kill in found["kills"]:
        table.add_row(kill["target"], f"{kill['at']:.0f} s", _seconds(kill["back_s"]), _seconds(kill["recovery_s"]))
    console.print(table)
    rows = Table(box=None, header_style="dim")
    columns = ("streams", "emitted", "stored", "lost", "reported", "unreported", "overreported", "duplicated")
    rows.add_column("rows")
    for name in columns:
        rows.add_column(name, justify="right")
    for group, account in found["accounts"].items():
        rows.add_row(group, *(f"{account[name]:,}" for name in columns))
    console.print(rows)
    for fault in found["faults"]:
        console.print(f"[red]{escape(fault)}[/red]")
    word = "[bold green]passed[/bold green]" if found["passed"] else "[bold red]failed[/bold red]"
    values = found["run"]["values_per_s"]
    console.print(f"{word}: {len(found['kills'])} kills, {values:,.0f} values/s stored, "
                  f"worst recovery {found['worst_recovery_s']:.1f} s")  # fmt: skip


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} s"
