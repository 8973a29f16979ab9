"""The platform's process: drain, stores, history load, analytics, portal."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from core.batch import Batch
from core.catalog import Catalog
from core.clock import FOREVER, wall_ns
from core.command import Command, CommandResult, Event, Severity
from core.finding import Finding, Prognosis, WorkOrder
from core.ports import Note
from core.spec import Domain, Name
from gateway.drain import Drain, DrainConfig
from portal.live import LiveState
from portal.run import RunInfo
from testbed.analyst import Analyst
from testbed.control import Control, run_role
from testbed.credentials import credentials
from testbed.link import RequestLink
from testbed.runfolder import Manifest, RunFolder
from testbed.scenario import Scenario, read
from testbed.shelves import Shelves
from testbed.storage import with_store

ROLE = "platform"
DRAIN_S = 30.0
log = logging.getLogger(__name__)


class Platform:
    """Everything behind the buffer. Opened with ``async with``."""

    def __init__(self, folder: RunFolder, scenario: Scenario, manifest: Manifest, control: Control) -> None:
        self.folder, self.scenario, self.manifest, self.control = folder, scenario, manifest, control
        self.catalog = Catalog()
        self.shelves = Shelves(with_store(scenario.gateway, folder), folder, self.catalog)
        self.proof = credentials(folder.secrets, ROLE)
        self.link = RequestLink(manifest.mqtt, proof=self.proof)
        name = Name(manifest.name["ko"], manifest.name["en"])
        history = round(scenario.config.history.days * 86_400e9)
        info = RunInfo(name, manifest.seed, manifest.clock, scenario.key, manifest.start - history)
        self.live = LiveState(self.catalog, info)
        self.analyst = Analyst(scenario, folder, self.catalog, self.link, self._tell, self._say)
        self.drain = Drain(
            DrainConfig(),
            folder.buffer,
            self.catalog,
            self.shelves.stores,
            self.shelves.stages,
            self.shelves.archives,
            self._listen,
        )
        self.doors: Counter[str] = Counter()
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Platform:
        self.shelves.open()
        self._stack.callback(self.shelves.close)
        await asyncio.to_thread(self._recall)
        self._start(self.drain.run(), "drain")
        self._start(self.link.run(), "requests")
        self._start(self.analyst.run(self.shelves), "analyst")
        self._start(self._report(), "report")
        if self.manifest.portal:
            await self._open_portal()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def serve(self) -> None:
        """Follow orders until told to stop; a task that dies takes the process with it."""
        while True:
            order = asyncio.create_task(self.control.next(), name="order")
            await asyncio.wait({order, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    order.cancel()
                    task.result()
            if not order.done():
                continue
            if order.result() == "stop":
                return
            await self._finish()

    async def _finish(self) -> None:
        self.live.set_phase("draining")
        await self.drain.finish(DRAIN_S)
        await self.analyst.finish(self.shelves)
        figures = {**self.status(), **await asyncio.to_thread(self.shelves.audit)}
        self.live.set_phase("ended")
        self.folder.write_status(ROLE, figures)
        self.control.say("drained", **figures)

    def status(self) -> dict[str, Any]:
        """Return figures for the status file, the page and the report."""
        drained = self.drain.snapshot()
        by_domain, by_protocol = self._devices()
        return {
            **drained,
            "latency_ms": drained["latency_ms"],
            "devices": by_domain,
            "protocols": by_protocol,
            "security": dict(self.doors),
            **self.analyst.status(),
        }

    def _devices(self) -> tuple[dict[str, int], dict[str, int]]:
        domains = dict.fromkeys(get_args(Domain), 0)
        protocols = dict.fromkeys(("mqtt", "sparkplug", "opcua", "modbus"), 0)
        for device in self.catalog.devices.values():
            domains[device.domain] += 1
            protocols[device.protocols[0]] = protocols.get(device.protocols[0], 0) + 1
        return domains, protocols

    def _listen(self, batches: Sequence[Batch], notes: Sequence[Note]) -> None:
        """Take in what the drain has read: in the event loop, in order."""
        self.live.ingest(batches)
        self.live.tell(notes)
        self.analyst.feed(batches, notes)

    def _tell(self, notes: Sequence[Note]) -> None:
        """Show and keep what the analysis says."""
        self.live.tell(notes)
        self.shelves.keep(notes)

    def _say(self, text: str) -> None:
        self.control.say("told", text=text)

    def _recall(self) -> None:
        """Take up what a killed predecessor has counted and kept; nothing at a first start. Blocking."""
        before: dict[str, Any] = self.folder.statuses().get(ROLE, {})
        reader = self.shelves.reader() if before else None
        if reader is None:
            return
        self.drain.first_row_wall = before.get("first_row_wall") or 0
        self.drain.metrics.counts["stored_values"] = before.get("stored_values", 0)
        self.analyst.first_finding_wall = before.get("first_finding_wall") or 0
        for kind in (Event, Finding, Prognosis, WorkOrder, Command, CommandResult):
            notes = reader.notes(kind, self.manifest.start, FOREVER)
            self.live.tell(notes)
            self.analyst.recall(notes)

    def _told_at_door(self, name: str, text: str) -> None:
        self.doors[name] += 1
        severity: Severity = "info" if name == "page-login" else "alarm"
        self._tell([Event("page", name, text, self.manifest.clock.now() or wall_ns(), severity)])

    async def _open_portal(self) -> None:
        from portal.app import create_app
        from portal.config import PortalConfig
        from portal.server import serve
        from testbed.doorkeeper import page_guard

        place = urlsplit(self.manifest.portal)
        config = PortalConfig(host=place.hostname or "", port=place.port or 0, hosts=self.manifest.portal_hosts)
        door, tls = page_guard(self.proof, self._told_at_door)
        app = create_app(self.live, self.shelves.reader(), self.link.send, config, door)
        served = await serve(app, config.host, config.port, tls)
        self._stack.push_async_callback(served.stop)
        self._say(f"page and API at {served.url}")

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            figures = self.status()
            self.folder.write_status(ROLE, figures)
            for role, status in self.folder.statuses().items():
                self.live.status(role, status)
            self.control.say("status", **figures)

    def _start(self, work: Any, name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))


async def run(folder: RunFolder, control: Control, places: Mapping[str, object] | None = None) -> None:
    """Run until told to stop. ``places`` says what this process finds elsewhere than the manifest says."""
    manifest = folder.manifest().model_copy(update=dict(places or {}))
    scenario = read(Path(manifest.scenario), Path(manifest.data) if manifest.data else None)
    async with Platform(folder, scenario, manifest, control) as platform:
        control.say("ready")
        await platform.serve()


if __name__ == "__main__":
    run_role(lambda control: run(RunFolder(Path(sys.argv[1])), control))
