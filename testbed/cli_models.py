"""``testbed models``: what a run's models learnt from, how they do, and which of two may go on."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from core.clock import NS, wall_ns
from core.errors import ConfigError
from testbed.cli_evaluate import AsJson

if TYPE_CHECKING:
    from testbed.runfolder import RunFolder

app = typer.Typer(help="Models of a run: look at them, train a challenger, promote it.", no_args_is_help=True)
Run = Annotated[Optional[Path], typer.Option("--run", help="Folder of a run; none: the newest.")]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Where runs are kept.")]
DATA_DIR = Path(".testbed")
_COLUMNS = ("model", "role", "kinds", "failures", "windows", "data until", "ROC AUC", "Brier", "RUL error h")


@app.command("list")
def list_(run: Run = None, data_dir: DataDir = DATA_DIR, as_json: AsJson = False) -> None:
    """List the models of a run, champions and challengers."""
    from analytics import lifecycle, registry

    rows = []
    for place in _places(_run(run, data_dir)):
        for role, folder in (("champion", place), ("challenger", place / lifecycle.CHALLENGER)):
            if (folder / "card.json").exists():
                rows.append({"model": place.name, "role": role, **_figures(registry.read_card(folder))})
    if as_json:
        sys.stdout.write(json.dumps(rows, ensure_ascii=False) + "\n")
        return
    table = Table(*_COLUMNS, box=None)
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(highlight=False).print(table)


@app.command("show")
def show(model: str, run: Run = None, data_dir: DataDir = DATA_DIR, as_json: AsJson = False) -> None:
    """Show a model's card: data, features, metrics, drift seen live, promotions."""
    from analytics import lifecycle, registry

    folder = _run(run, data_dir)
    place = _place(folder, model)
    card = {k: v for k, v in registry.read_card(place).items() if k not in ("build", "reference")}
    platform: dict[str, Any] = folder.statuses().get("platform", {})
    card["monitor"] = platform.get("monitors", {}).get(model, {})
    card["promotions"] = lifecycle.audit(place)
    if as_json:
        sys.stdout.write(json.dumps(card, ensure_ascii=False) + "\n")
        return
    table = Table(box=None, show_header=False)
    for name, value in card.items():
        if name in ("data_start", "data_end"):
            value = _moment(value)
        elif name == "features":
            value = ", ".join(f["name"] for f in value)
        table.add_row(name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    Console(highlight=False, markup=False).print(table)


@app.command("retrain")
def retrain(
    model: str,
    history: Annotated[
        Optional[Path], typer.Option("--from", help="History folder (testbed history --out); none: the run's store.")
    ] = None,
    share: Annotated[float, typer.Option(min=0.2, max=0.95, help="Part of the span to learn from.")] = 0.7,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="The history is of another world: the champion has seen none of it.")
    ] = False,
    seed: int = 1,
    run: Run = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Train a challenger on the older part of a history and let it meet the champion on the newer part."""
    from analytics import lifecycle, registry
    from testbed.retraining import challenge

    folder = _run(run, data_dir)
    place = _place(folder, model)
    challenger, fought = challenge(folder, registry.load(place), history, share, seed, unseen)
    lifecycle.offer(challenger, fought, place)
    Console(highlight=False, soft_wrap=True).print(fought.text())


@app.command("promote")
def promote(
    model: str,
    force: Annotated[bool, typer.Option("--force", help="Even if it has not won.")] = False,
    run: Run = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Put the challenger in the champion's place, if it has won; writes an audit line, keeps the old one."""
    import getpass

    from analytics import lifecycle

    folder = _run(run, data_dir)
    line = lifecycle.promote(_place(folder, model), getpass.getuser(), wall_ns(), force)
    Console(highlight=False).print(f"{model}: promoted by {line['who']}; a run takes it up when it starts anew")


def _run(run: Path | None, data_dir: Path) -> RunFolder:
    from testbed.runfolder import RunFolder, latest

    return RunFolder(run) if run else latest(data_dir)


def _places(folder: RunFolder) -> list[Path]:
    found = sorted(card.parent for card in folder.models.glob("*/card.json"))
    if not found:
        raise ConfigError(str(folder.models), "holds no model", "a run needs history.days for models to learn from")
    return found


def _place(folder: RunFolder, model: str) -> Path:
    places = {place.name: place for place in _places(folder)}
    if model not in places:
        raise ConfigError(str(folder.models), f"holds no model {model!r}", f"there are: {', '.join(places)}")
    return places[model]


def _figures(card: dict[str, Any]) -> dict[str, Any]:
    metrics = card.get("metrics", {})
    return {
        "kinds": card.get("asset_kind", ""),
        "failures": card.get("failures", 0),
        "windows": card.get("trained_rows", 0),
        "data_end": _moment(card.get("data_end", 0)),
        "roc_auc": metrics.get("roc_auc", ""),
        "brier": metrics.get("brier", ""),
        "rul_mae_h": metrics["rul_mae"] / 3600 if "rul_mae" in metrics else "",
    }


def _moment(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS, UTC).isoformat(timespec="minutes") if ns else ""
