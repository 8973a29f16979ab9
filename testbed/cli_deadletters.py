"""``testbed deadletters``: what could not be taken in, and sending it again."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core.errors import ConfigError

if TYPE_CHECKING:
    from testbed.deadletters import Filed
    from testbed.runfolder import RunFolder

app = typer.Typer(help="What the gateway could not take in: list, show, replay.", no_args_is_help=True)
RunOption = Annotated[Optional[Path], typer.Option("--run", help="Folder of a run; none: the newest.")]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="TESTBED_DATA_DIR", help="Where runs are kept.")]
Reason = Annotated[str, typer.Option(help="Only letters with this reason, e.g. unknown-channel.")]
DATA_DIR = Path(".testbed")


@app.command("list")
def list_letters(
    run: RunOption = None,
    data_dir: DataDir = DATA_DIR,
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """List letters, newest first."""
    from testbed.deadletters import filed

    found = filed(_run(run, data_dir), limit, reason)
    if as_json:
        sys.stdout.write(json.dumps([_plain(f) for f in found], ensure_ascii=False) + "\n")
        return
    table = Table(box=None, header_style="dim")
    for name in ("id", "time (UTC)", "source", "topic", "reason", "bytes", "replay"):
        table.add_column(name, justify="right" if name in ("id", "bytes") else "left", overflow="fold")
    for f in found:
        letter = f.letter
        state = "sent again" if f.sent_again else "no: " + f.hindrance if f.hindrance else "can be"
        cells = (
            str(letter.id),
            _time(letter.at),
            letter.source,
            letter.topic,
            letter.reason,
            f"{letter.size:,}",
            state,
        )
        table.add_row(*map(escape, cells))
    Console().print(table if found else "no dead letters")


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="ID", help="Number of the letter, as list shows it.")],
    run: RunOption = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Print one letter with its payload (the first 4 kB)."""
    from testbed.deadletters import filed

    found = [f for f in filed(_run(run, data_dir)) if f.letter.id == number]
    if not found:
        raise ConfigError(str(number), "no such letter", "testbed deadletters list shows them")
    for f in found:
        for key, value in _plain(f).items():
            sys.stdout.write(f"{key}: {value}\n")


@app.command()
def replay(
    numbers: Annotated[Optional[list[int]], typer.Argument(metavar="[ID]...", help="Which; none: with --all.")] = None,
    run: RunOption = None,
    data_dir: DataDir = DATA_DIR,
    reason: Reason = "",
    everything: Annotated[bool, typer.Option("--all", help="Every letter that can be sent.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also letters that were sent again before.")] = False,
) -> None:
    """Send letters again on their topics, into a run that goes on; rows that are there already are not doubled."""
    import asyncio

    from testbed.deadletters import filed, send_again

    if not numbers and not everything and not reason:
        raise ConfigError("deadletters replay", "which letters?", "give their numbers, --reason or --all")
    folder, console = _run(run, data_dir), Console(highlight=False)
    chosen = [f for f in filed(folder, reason=reason) if not numbers or f.letter.id in numbers]
    missing = set(numbers or ()) - {f.letter.id for f in chosen}
    if missing:
        raise ConfigError(", ".join(map(str, sorted(missing))), "no such letter", "testbed deadletters list shows them")
    for f in chosen:
        if f.hindrance:
            console.print(f"[yellow]{f.letter.id}[/yellow] is not sent: {escape(f.hindrance)}")
    ready = [f for f in chosen if not f.hindrance and (again or not f.sent_again)]
    done = sum(1 for f in chosen if f.sent_again) if not again else 0
    sent = asyncio.run(send_again(folder, ready)) if ready else 0
    console.print(f"{sent} letters sent again" + (f", {done} were before (--again sends them too)" if done else ""))


def _run(run: Path | None, data_dir: Path) -> RunFolder:
    from testbed.runfolder import RunFolder, latest

    if run is None:
        return latest(data_dir)
    folder = RunFolder(run)
    folder.manifest()  # raises what is wrong with it
    return folder


def _plain(f: Filed) -> dict[str, Any]:
    letter = f.letter
    return {
        "id": letter.id,
        "time": _time(letter.at),
        "source": letter.source,
        "topic": letter.topic,
        "reason": letter.reason,
        "bytes": letter.size,
        "sha256": letter.sha256,
        "sent_again": _time(f.sent_again) if f.sent_again else "",
        "hindrance": f.hindrance,
        "payload": letter.head.decode("utf-8", errors="backslashreplace"),
    }


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
