"""``testbed features``: what the models look at, and what of it is worth measuring."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Optional

import typer

from core.errors import ConfigError
from testbed.cli_evaluate import AsJson, Lang, show_features

app = typer.Typer(help="What the models look at: units, formulas, and what is worth measuring.", no_args_is_help=True)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Print every feature with its unit and formula."""
    from rich.console import Console
    from rich.table import Table

    from analytics.feature_table import declared

    rows = declared()
    if as_json:
        sys.stdout.write(json.dumps([asdict(row) for row in rows], ensure_ascii=False) + "\n")
        return
    table = Table(box=None)
    for column in ("of", "feature", "unit", "formula"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.of, row.name, row.unit, row.formula)
    console = Console(highlight=False, markup=False)
    console.print(table)
    console.print("= stands for the unit of the channel that the feature is taken of")


@app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a run, or a history folder (testbed history --out).")],
    model: Annotated[
        Optional[str], typer.Option(help="Name of a trained model of the run; none: its only one.")
    ] = None,
    seed: int = 0,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Rank what is worth measuring to foresee failures, on assets held out."""
    from analytics import history_report, registry

    history = folder / "history" if (folder / "history").is_dir() else folder
    cards = sorted((folder / "models").glob("*/card.json"))
    names = [card.parent.name for card in cards]
    if model is not None and model not in names:
        raise ConfigError(str(folder), f"holds no model {model!r}", f"there are: {', '.join(names) or 'none'}")
    if len(names) > 1 and model is None:
        raise ConfigError(str(folder), "holds several models", f"choose one: --model {' | '.join(names)}")
    chosen = model or (names[0] if names else None)
    trained = registry.load(folder / "models" / chosen) if chosen else None
    show_features(history_report.of_history(history, seed, trained), lang, as_json)
