"""The command ``testbed compare``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from testbed.compare.comparison import Progress


def compare(
    scenario: Annotated[Path, typer.Argument(help="Scenario file with a section `compare`.")],
    policies: Annotated[str, typer.Option(help="Names with commas.")] = "run_to_failure,periodic,condition,predictive",
    seeds: Annotated[int, typer.Option(help="Worlds that every policy runs in.")] = 30,
    days: Annotated[int, typer.Option(help="Simulated days of each.")] = 180,
    profile: Annotated[bool, typer.Option("--profile", help="Show ms a simulated day by part.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    out: Annotated[
        Optional[Path], typer.Option("--out", help="New or empty folder for report, pictures, books.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes on this machine; 0: one a core.", min=0)] = 0,
    dask: Annotated[Optional[str], typer.Option(help="Address of a Dask scheduler instead.")] = None,
    data: Annotated[
        Optional[Path], typer.Option("--data", envvar="IIOT_DATA", help="Folder of real data sets.")
    ] = None,
) -> None:
    """Run the same worlds under several maintenance policies and say what each is worth."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    from core.clock import NS, mono_ns
    from testbed.compare import folder, pool
    from testbed.compare.comparison import Comparison, check
    from testbed.compare.show import show
    from testbed.scenario import read

    names = [name.strip() for name in policies.split(",") if name.strip()]
    spec = read(scenario, data)
    config = check(spec, names, seeds, days)
    if out is not None:
        folder.prepare(out)
    console, began = Console(stderr=True), mono_ns()
    count = jobs or os.cpu_count() or 1
    workers: pool.Workers = pool.Dask(dask) if dask else pool.Processes(count) if count > 1 else pool.Here()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console) as bars, workers:
        outcome = Comparison(spec, names, seeds, days).run(workers, _progress(bars))
    report = outcome.report | {"wall_s": round((mono_ns() - began) / NS, 1)}
    if out is not None:
        folder.write(out, report, outcome.results, config)
    if as_json:
        sys.stdout.write(folder.plain_json(report))
        return
    show(report, Console(), profile)
    sys.stdout.write(f"{report['wall_s']:.0f} s" + (f"; report, pictures and books in {out}\n" if out else "\n"))


def _progress(bars: Bars) -> Progress:
    from rich.progress import TaskID

    from testbed.compare.comparison import Progress

    now: list[TaskID] = []

    def begin(what: str, steps: int) -> None:
        now.append(bars.add_task(what, total=steps))

    return Progress(begin, lambda: bars.advance(now[-1]), lambda text: bars.console.print(text))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)
