"""The analysis beside the drain: history in, models up, windows scored, findings and commands out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.batch import Batch
from core.catalog import Catalog
from core.command import FINAL, Command, CommandResult, Event
from core.ports import Note
from testbed.link import RequestLink
from testbed.runfolder import Manifest, RunFolder
from testbed.scenario import Scenario
from testbed.shelves import Shelves

Tell = Callable[[Sequence[Note]], None]
log = logging.getLogger(__name__)


class Analyst:
    """Counts what happens and, once the models are there, says what it means."""

    def __init__(
        self,
        scenario: Scenario,
        folder: RunFolder,
        manifest: Manifest,
        catalog: Catalog,
        link: RequestLink,
        tell: Tell,
    ) -> None:
        self._scenario, self._folder, self._manifest = scenario, folder, manifest
        self._catalog, self._link, self._tell = catalog, link, tell
        self.counts: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.first_finding_wall = 0

    async def run(self, shelves: Shelves) -> None:
        """Load the history when it is rendered and the models when they are trained."""
        if self._scenario.config.history.days:
            await _there(self._folder.history / "rendered.json")
            await asyncio.to_thread(shelves.load_history)
        await asyncio.Event().wait()

    def feed(self, batches: Sequence[Batch], notes: Sequence[Note]) -> None:
        """Take in live rows and notes."""
        for note in notes:
            self._count(note)

    async def finish(self) -> None:
        """Say the last word after the last row."""

    def status(self) -> dict[str, Any]:
        """Return figures for the report."""
        return {
            "findings": self.counts["Finding"],
            "prognoses": self.counts["Prognosis"],
            "work_orders": self.counts["WorkOrder"],
            "commands": {s: self.commands[s] for s in ("sent", "done", "refused", "failed", "expired")},
            "failures": dict(self.failures),
            "models": [],
            "first_finding_wall": self.first_finding_wall or None,
        }

    def _count(self, note: Note) -> None:
        if isinstance(note, Command):
            self.commands["sent"] += 1
        elif isinstance(note, CommandResult) and note.status in FINAL:
            self.commands[note.status] += 1
        elif isinstance(note, Event) and note.name == "failure":
            device = self._catalog.devices.get(note.device)
            self.failures[device.kind if device else "unknown"] += 1


async def _there(path: Path) -> dict[str, Any]:
    while not path.exists():
        await asyncio.sleep(0.05)
    return dict(json.loads(path.read_text(encoding="utf-8")))
