"""The history role beside a platform that runs by itself: under ``testbed up`` the supervisor starts it instead."""

from __future__ import annotations

import asyncio

from testbed.children import Child
from testbed.control import Control
from testbed.runfolder import RunFolder
from testbed.scenario import Scenario

ROLE = "history"


def has_past(scenario: Scenario) -> bool:
    """Tell whether a run of the scenario begins with a history."""
    return scenario.config.history.days > 0


class Past:
    """Renders the history and trains the models once a run, while the platform serves. Opened with ``async with``."""

    def __init__(self, run: RunFolder, scenario: Scenario, control: Control) -> None:
        self._run, self._scenario, self._control = run, scenario, control
        self._child = Child(ROLE, run.root, self._hear)
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Past:
        if has_past(self._scenario) and not (self._run.history / "trained.json").exists():
            await self._child.start()
            self._watcher = asyncio.create_task(self._watch(), name="watch history")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            await self._child.stop()

    async def _watch(self) -> None:
        if code := await self._child.ended():
            log = self._run.logs / f"{ROLE}.log"
            self._control.say("told", text=f"the history ended with code {code}: no models in this run; see {log}")

    def _hear(self, _: str, message: dict[str, object]) -> None:
        if message.get("is") in ("told", "error"):
            self._control.say("told", text=message.get("text", ""))
