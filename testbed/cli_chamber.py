"""Chamber commands: list plans, run one, judge a recording again, write its report."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer
from rich.console import Console
from rich.table import Table

from core.clock import wall_ns

if TYPE_CHECKING:
    from chamber.verdict import Judgement

app = typer.Typer(help="Test a device against a plan.", no_args_is_help=True)
PLANS = Path("configs/chamber")
_COLOUR = {"PASS": "green", "FAIL": "red", "NOT-TESTED": "yellow"}
AsJson = Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")]


@app.command("list")
def list_(plans: Annotated[Path, typer.Option(help="Folder of plans.")] = PLANS) -> None:
    """List the test plans."""
    from chamber.service import list_plans

    table = Table(box=None)
    for column in ("plan", "what it tests", "devices"):
        table.add_column(column)
    for found in list_plans(plans):
        table.add_row(found.path.stem, f"{found.plan.name.en}\n{found.plan.name.ko}", ", ".join(found.devices))
    Console().print(table)


@app.command()
def run(
    plan: Annotated[str, typer.Argument(help="Name or file of a plan.")],
    device: Annotated[str, typer.Option(help="A simulated device of the plan, or external.")] = "good",
    out: Annotated[Optional[Path], typer.Option("--out", help="Empty folder for the recording.")] = None,
    speed: Annotated[str, typer.Option(help="Run seconds a wall second, or max; external devices need 1.")] = "",
    broker: Annotated[Optional[str], typer.Option(help="mqtt://host:port; none: one of our own.")] = None,
    births: Annotated[float, typer.Option(help="Seconds to wait for the units.")] = 60.0,
    plans: Annotated[Path, typer.Option(help="Folder of plans.")] = PLANS,
    as_json: AsJson = False,
) -> None:
    """Run a plan and judge the device; the exit code is 0 for PASS, 1 for FAIL, 3 for NOT-TESTED."""
    from rich.progress import Progress

    from chamber.rig import EXTERNAL, RigOptions
    from chamber.service import find_plan, run_plan
    from testbed.options import parse_speed

    file = find_plan(plan, plans)
    chosen = parse_speed(speed) if speed else (1.0 if device == EXTERNAL else 0.0)
    options = RigOptions(device=device, speed=chosen or 0.0, births_s=births)
    folder = out or Path("chamber-runs") / f"{_stamp()}-{file.stem}-{device}"
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{file.stem} with {device}", total=1.0)
        judgement = asyncio.run(
            run_plan(file, folder, options, broker, lambda done: bar.update(task, completed=done)),
        )
    _show(judgement, folder, as_json)


@app.command()
def check(recording: Path, as_json: AsJson = False) -> None:
    """Judge a recording again; refuses one that was changed."""
    from chamber.service import check as judge_again

    _show(judge_again(recording), recording, as_json)


@app.command()
def report(recording: Path) -> None:
    """Render the HTML report of a recording anew and print its path."""
    from chamber.service import report as render

    sys.stdout.write(f"{render(recording)}\n")


def _stamp() -> str:
    return datetime.fromtimestamp(wall_ns() / 1e9, UTC).strftime("%Y%m%d-%H%M%S")


def _show(judgement: Judgement, folder: Path, as_json: bool) -> None:
    from chamber.verdict import to_json

    if as_json:
        sys.stdout.write(json.dumps(to_json(judgement), ensure_ascii=False) + "\n")
    else:
        table = Table(box=None)
        for column in ("", "requirement", "measured", "limit", "evidence"):
            table.add_column(column, justify="right" if column == "measured" else "left")
        for result in judgement.results:
            measured = "–" if result.measured is None else f"{result.measured:.2f} {result.unit}"
            colour = _COLOUR[result.outcome]
            table.add_row(
                f"[{colour}]{result.outcome}[/]",
                result.requirement,
                measured,
                result.limit,
                result.evidence.split("\n")[0],
            )
        console = Console()
        console.print(table)
        console.print(f"[bold {_COLOUR[judgement.outcome]}]{judgement.outcome}[/]  {folder}/report.html")
    raise typer.Exit({"PASS": 0, "FAIL": 1}.get(judgement.outcome, 3))
