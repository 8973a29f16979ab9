"""``testbed audit``: the trail of a run, from its page while it runs, else from its store."""

from __future__ import annotations

from typing import Any

from core.clock import FOREVER
from core.command import Command, CommandResult, Event
from core.errors import TestbedError
from portal import audit
from testbed.runfolder import RunFolder


def trail(run: RunFolder, device: str = "", limit: int = 200) -> list[dict[str, Any]]:
    """Return the trail of a run that has ended, newest first; raises TestbedError while it runs."""
    from testbed.export import open_store

    if run.in_use():
        raise TestbedError(f"{run.root} is running: its trail is at {run.manifest().portal}/api/v1/audit")
    _, store = open_store(run)
    try:
        reader = store.reader()
        commands, results, events = (reader.notes(kind, 0, FOREVER, device) for kind in (Command, CommandResult, Event))
    finally:
        store.close()
    return audit.trail(
        [n for n in commands if isinstance(n, Command)],
        [n for n in results if isinstance(n, CommandResult)],
        [n for n in events if isinstance(n, Event)],
    )[:limit]
