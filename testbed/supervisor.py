"""Runs the roles of one testbed on this machine: starts, watches, restarts, drains and ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from core.clock import NS, mono_ns
from core.errors import RunError
from testbed.children import Child
from testbed.runfolder import RunFolder

Told = Callable[[str, dict[str, object]], None]
#: roles whose state survives on disk, so that a killed one is started again
RESTARTABLE = ("gateway", "platform")
#: roles that end by themselves when their work is done
FINITE = ("history",)
MAX_RESTARTS = 20
#: longest wait for the gateway before the platform is started
STAGGER_S = 3.0
#: times in a row that a role may end before it was ever ready
MAX_STILLBORN = 3
#: s; the platform may still be training what an examination needs
DRAIN_S = {"simulator": 30.0, "gateway": 30.0, "platform": 300.0}


class Supervisor:
    """Children of one run.

    Parameters
    ----------
    run
        The run's folder with its manifest written.
    roles
        Which roles to start, in this order.
    told
        Called with (role, message) for what people should hear: ``told``, ``ready``, ``error``, ``restarted``.
    package
        Where the roles' modules are.
    max_restarts
        How often roles may be started again before the run is given up.
    """

    def __init__(
        self,
        run: RunFolder,
        roles: tuple[str, ...],
        told: Told,
        package: str = "testbed.roles",
        max_restarts: int = MAX_RESTARTS,
    ) -> None:
        self._max_restarts = max_restarts
        self._run = run
        self._told = told
        self.children = {role: Child(role, run.root, self._hear, package) for role in roles}
        self.statuses: dict[str, dict[str, object]] = {}
        self.restarts = 0
        self._watchers: list[asyncio.Task[None]] = []
        self._ending = False
        self.finished = asyncio.Event()
        self.failed = ""

    async def start(self) -> None:
        """Start every child and watch it."""
        for child in self.children.values():
            if child.role == "platform" and "gateway" in self.children:
                # one import after the other: the world, which takes longest, then has a processor for itself
                await self.children["gateway"].said("ready", STAGGER_S)
            await child.start()
            self._watchers.append(asyncio.create_task(self._watch(child), name=f"watch {child.role}"))
        self._write_pids()

    async def ready(self, seconds: float = 120.0) -> None:
        """Wait until every role has said that it is ready; raises RunError naming the one that has not."""
        deadline = mono_ns() + seconds * NS
        for child in self.children.values():
            while not await child.said("ready", 1.0):
                if self.failed:
                    raise RunError(self.failed)
                if mono_ns() > deadline:
                    raise RunError(f"{child.role} is not ready after {seconds:.0f} s; see logs/{child.role}.log")

    async def drain(self) -> None:
        """Stop production and carry every row to its end, room by room along the loop."""
        for role in ("simulator", "gateway", "platform"):
            child = self.children.get(role)
            if child is None or self.failed:
                continue
            # the gateway waits for what the simulator has sent: quiet alone may be a slow machine
            emitted = self.statuses.get("simulator", {}).get("emitted", {}) if role == "gateway" else {}
            if not await self._drained(child, emitted):
                self._told(role, {"is": "error", "text": f"{role} did not drain in {DRAIN_S[role]:.0f} s"})

    async def stop(self) -> None:
        """Order everyone to stop; whoever does not is killed."""
        self._ending = True
        await asyncio.gather(*(child.stop() for child in self.children.values()))
        await self._end_watchers()

    def kill(self) -> None:
        """End everything now (second Ctrl-C)."""
        self._ending = True
        for child in self.children.values():
            child.kill()

    def restarted(self, role: str, text: str) -> None:
        """Count and tell that something was started again; ends the run when it happens too often."""
        self.restarts += 1
        self._told(role, {"is": "restarted", "text": text})
        if self.restarts > self._max_restarts:
            self.fail(f"{role} was started again too often; see {self._run.logs}")

    async def _drained(self, child: Child, emitted: object) -> bool:
        """Order a role to drain and wait; again, where it was killed meanwhile and is started anew."""
        deadline = mono_ns() + round(DRAIN_S[child.role] * NS)
        while (left := (deadline - mono_ns()) / NS) > 0:
            if child.code is None:
                child.order("drain", emitted=emitted)
                if await child.said("drained", left):
                    return True
            elif self.failed or child.role not in RESTARTABLE:
                return False
            await asyncio.sleep(0.05)
        return False

    def fail(self, text: str) -> None:
        """End the run for a reason; the first one counts."""
        self.failed = self.failed or text
        self.finished.set()

    async def _end_watchers(self) -> None:
        for task in self._watchers:
            task.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)

    async def _watch(self, child: Child) -> None:
        stillborn = 0
        while True:
            code = await child.ended()
            if self._ending or (child.role in FINITE and code == 0):
                return
            refused = code == 2  # the role said why in its own words; starting it again would not help
            stillborn = 0 if child.has_said("ready") else stillborn + 1
            if (
                refused
                or stillborn >= MAX_STILLBORN
                or child.role not in RESTARTABLE
                or self.restarts >= self._max_restarts
            ):
                self.fail(f"{child.role} ended with code {code}; see {self._run.logs}/{child.role}.log")
                return
            young = mono_ns() - child.started_ns < 5 * NS
            await asyncio.sleep(1.0 if young else 0.1)
            if self._ending:
                return
            await child.start()
            self._write_pids()
            self.restarted(child.role, f"{child.role} ended with code {code}, started again")

    def _hear(self, role: str, message: dict[str, object]) -> None:
        what = message.get("is")
        if what in ("status", "drained"):
            self.statuses[role] = {**self.statuses.get(role, {}), **message}
        elif what == "finished":
            self.finished.set()
        elif what == "error":
            self.failed = f"{role}: {message.get('text')}"
        if what in ("told", "ready", "error", "finished"):
            self._told(role, message)

    def _write_pids(self) -> None:
        pids: dict[str, object] = {role: child.pid for role, child in self.children.items()}
        with suppress(OSError):
            self._run.write_status("supervisor", {"pids": pids, "restarts": self.restarts})
