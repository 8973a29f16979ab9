"""Chamber commands: list plans, run one, judge a recording again, write its report."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(help="Test a device against a plan.", no_args_is_help=True)
PLANS = Path("configs/chamber")
