"""``testbed fuzz`` on the command line."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(fuzz)


def fuzz(
    count: Annotated[int, typer.Option(min=1_000, help="Payloads.")] = 5_000,
    seed: Annotated[int, typer.Option(help="The same seed sends the same.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Feed a gateway with mutated payloads and configurations; it must not fall, leak or forget to count."""
    from testbed.fuzz import Fuzz

    with tempfile.TemporaryDirectory(prefix="testbed-fuzz-") as folder:
        outcome = asyncio.run(Fuzz(count, seed, Path(folder)).run())
    faults = outcome.faults()
    if as_json:
        sys.stdout.write(json.dumps({**asdict(outcome), "growth": outcome.growth, "faults": faults}) + "\n")
    else:
        console = Console(highlight=False)
        console.print(f"{sum(outcome.sent.values()):,} payloads in {outcome.seconds:.0f} s: {dict(outcome.sent)}")
        console.print(f"turned away {outcome.rejected:,}, rows taken in {outcome.received:,}; by reason:")
        for reason, times in outcome.refused.most_common():
            console.print(f"  {times:>8,}  {reason}")
        console.print(f"memory {outcome.rss_mb} MB, tasks {outcome.tasks}, threads {outcome.threads}")
        for fault in faults:
            console.print(f"[red]FAULT[/red] {fault}")
    raise typer.Exit(1 if faults else 0)
