"""The analysis beside the drain: history in, models up, windows scored, findings and commands out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.batch import Batch
from core.catalog import Catalog
from core.clock import wall_ns
from core.command import FINAL, Command, CommandResult, Event
from core.errors import TestbedError
from core.finding import Finding, Prognosis, WorkOrder
from core.ports import Note
from testbed.costing import machine_costs
from testbed.examination import Examination
from testbed.learning import warm_up
from testbed.link import RequestLink
from testbed.runfolder import RunFolder
from testbed.scenario import Scenario
from testbed.shelves import Shelves
from testbed.words import in_words

if TYPE_CHECKING:
    from analytics.serve import Served, Serving

Tell = Callable[[Sequence[Note]], None]
Say = Callable[[str], None]
log = logging.getLogger(__name__)
_WAITING_ROWS = 500_000


class Analyst:
    """Counts what happens and, once the models are there, says what it means.

    Parameters
    ----------
    scenario, folder, catalog
        Of the run.
    link
        Carries requests to the gateway.
    tell
        Takes notes of the analysis, to be shown and kept.
    say
        Takes the story, a line at a time.
    """

    def __init__(
        self, scenario: Scenario, folder: RunFolder, catalog: Catalog, link: RequestLink, tell: Tell, say: Say
    ) -> None:
        self._scenario, self._folder, self._catalog = scenario, folder, catalog
        self._link, self._tell, self._say = link, tell, say
        self.counts: Counter[str] = Counter()
        self.commands: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.first_finding_wall = 0
        self._models: list[dict[str, Any]] = []
        self._serving: Serving | None = None
        exam = scenario.config.examination
        self._exam = Examination(exam, scenario.config.seed) if exam else None
        self._evaluation: dict[str, Any] = {}
        self._waiting: list[tuple[Sequence[Batch], Sequence[Note]]] = []
        self._waiting_rows = 0

    async def run(self, shelves: Shelves) -> None:
        """Load the history when it is rendered, take up the models when they are trained, then serve."""
        if self._exam is not None:
            self._exam.start()
        if self._scenario.config.history.days:
            await _there(self._folder.history / "rendered.json")
            await asyncio.to_thread(warm_up)
            await _there(self._folder.history / "trained.json")
            await self._take_up()
            # insight first: two processors do not train and load at once
            rows = await asyncio.to_thread(shelves.load_history)
            self._say(f"history in the store: {rows:,} rows")
        elif self._scenario.config.analytics.policies:
            await self._take_up()  # without a past there are no models, but policies that look at the present alone
        await asyncio.Event().wait()

    def feed(self, batches: Sequence[Batch], notes: Sequence[Note]) -> None:
        """Take in live rows and notes, in the event loop."""
        for note in notes:
            self._count(note)
            line = in_words(note, self._catalog)
            if line:
                self._say(line)
        if self._serving is not None:
            self._handle(self._serving.feed(batches, notes))
        elif self._waiting_rows < _WAITING_ROWS:  # beyond it the models begin with a gap, as after a pause
            self._waiting.append((batches, notes))
            self._waiting_rows += sum(map(len, batches))

    def recall(self, notes: Sequence[Note]) -> None:
        """Count notes that were told before a restart."""
        for note in notes:
            if isinstance(note, (Finding, Prognosis, WorkOrder)):
                self.counts[type(note).__name__] += 1
            else:
                self._count(note)

    async def finish(self, shelves: Shelves) -> None:
        """Say the last word after the last row."""
        reader = shelves.reader()
        if self._exam is None or reader is None:
            return
        try:
            prognoses, self._evaluation = await self._exam.finish(reader, self._catalog)
        except TestbedError as error:
            self._evaluation = {"text": f"no examination: {error}"}
            self._say(self._evaluation["text"])
            return
        self.counts["Prognosis"] += len(prognoses)
        self._tell(prognoses)
        self._say(self._evaluation["text"])

    def status(self) -> dict[str, Any]:
        """Return figures for the report."""
        serving = {f"serving_{k}": v for k, v in self._serving.status().items()} if self._serving else {}
        return {
            "findings": self.counts["Finding"],
            "prognoses": self.counts["Prognosis"],
            "work_orders": self.counts["WorkOrder"],
            "commands": {s: self.commands[s] for s in ("sent", "done", "refused", "failed", "expired")},
            "failures": dict(self.failures),
            "models": self._models,
            "monitors": self._serving.monitors() if self._serving else {},
            "first_finding_wall": self.first_finding_wall or None,
            "evaluation": self._evaluation,
            **serving,
        }

    async def _take_up(self) -> None:
        from analytics.serve import Serving
        from testbed.learning import take_up

        config = self._scenario.config.analytics
        models = await asyncio.to_thread(take_up, self._folder, config)
        serving = Serving(models, config, self._catalog, machine_costs(self._scenario))
        self._handle(serving.open())
        # all that came meanwhile in one go: policies decide on the present, not on every moment that is past
        waiting, self._waiting = self._waiting, []
        batches = [batch for some, _ in waiting for batch in some]
        self._handle(serving.feed(batches, [note for _, some in waiting for note in some]))
        self._serving, self._models = serving, models.report()

    def _handle(self, served: Served) -> None:
        """Show, keep and carry out what the analysis came to."""
        if not served:
            return
        for note in served.notes:
            self.counts[type(note).__name__] += 1
            # a command is told when it comes back through the gateway's audit
            line = "" if isinstance(note, Command) else in_words(note, self._catalog)
            if line:
                self._say(line)
        if served.findings and not self.first_finding_wall:
            self.first_finding_wall = wall_ns()
        # commands come back through the gateway's audit, once they are authorised
        self._tell([note for note in served.notes if not isinstance(note, Command)])
        for command in served.commands:
            if not self._link.offer(command):
                log.error("command %s dropped: too many requests wait for the broker", command.id)

    def _count(self, note: Note) -> None:
        if isinstance(note, Command):
            self.commands["sent"] += 1
        elif isinstance(note, CommandResult) and note.status in FINAL:
            self.commands[note.status] += 1
        elif isinstance(note, Event) and note.name == "failure":
            device = self._catalog.devices.get(note.device)
            self.failures[device.kind if device else "unknown"] += 1


async def _there(path: Path) -> dict[str, Any]:
    """Wait for a mark of another process and return what it says."""
    while not path.exists():  # noqa: ASYNC110, ASYNC240  # another process makes it; a look takes microseconds
        await asyncio.sleep(0.05)
    return dict(json.loads(await asyncio.to_thread(path.read_text, encoding="utf-8")))
