"""``testbed drill``: a run whose parts are killed, and whose rows are counted afterwards."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from typing import Any

from core.clock import NS, mono_ns
from testbed.bench.machine import machine
from testbed.drill.account import account, failed, plain
from testbed.drill.plan import Kill, plan
from testbed.drill.streams import watched
from testbed.drill.targets import Targets
from testbed.drill.watch import Outcome, Watch
from testbed.runfolder import RunFolder
from testbed.scenario import Scenario
from testbed.supervisor import Supervisor
from testbed.up import Options, Told, Up

#: s that a recovery may take
LIMIT_S = 30.0


class Drill(Up):
    """A run with kills. ``options.seconds`` is how long it lasts once everything is ready."""

    def __init__(self, scenario: Scenario, options: Options, told: Told, kills: int, chance: int) -> None:
        seconds = options.seconds or 0.0
        super().__init__(scenario, replace(options, portal=False, keep_hash=False), told)
        self.max_restarts = kills + 5
        self.kills: list[Kill] = plan(kills, seconds, chance)
        self.outcomes: list[Outcome] = []
        self.chance = chance

    async def judged(self) -> dict[str, Any]:
        """Run to the end; return the drill's report, which is also in ``drill.json`` of the run's folder."""
        report = await self.run()
        run = self.run_folder
        assert run is not None
        assert self._supervisor is not None
        streams = watched(self.scenario, report["seed"])
        emitted = self._supervisor.statuses["simulator"].get("emitted", {})
        assert isinstance(emitted, dict)
        accounts = account(run, emitted, streams)
        faults = [*failed(accounts), *self._late()]
        found = {
            "drill": self.scenario.key,
            "chance": self.chance,
            **machine(),
            "passed": not faults,
            "faults": faults,
            "kills": [_rounded(outcome) for outcome in self.outcomes],
            "worst_recovery_s": max((_rounded(o)["recovery_s"] or LIMIT_S * 2 for o in self.outcomes), default=0.0),
            "accounts": plain(accounts),
            "run": report,
        }
        (run.root / "drill.json").write_text(json.dumps(found, indent=1, ensure_ascii=False), encoding="utf-8")
        return found

    async def _live(self, supervisor: Supervisor) -> float:
        assert self.run_folder is not None
        killing = asyncio.create_task(self._kill(supervisor, self.run_folder), name="kill")
        killing.add_done_callback(lambda task: self._over(task, supervisor))
        try:
            return await super()._live(supervisor)
        finally:
            killing.cancel()
            await asyncio.gather(killing, return_exceptions=True)

    async def _kill(self, supervisor: Supervisor, run: RunFolder) -> None:
        await supervisor.ready()
        began = mono_ns()
        targets = Targets(run, supervisor)
        watch = Watch(supervisor.statuses, watched(self.scenario, run.manifest().seed), LIMIT_S)
        for number, kill in enumerate(self.kills, 1):
            await asyncio.sleep(max(0.0, kill.at - (mono_ns() - began) / NS))
            outcome = await watch.after(kill, began, targets)
            self.outcomes.append(outcome)
            took = f"{outcome.recovery_s:.1f} s" if outcome.recovery_s is not None else "not"
            self._say(f"kill {number} of {len(self.kills)}: {kill.target}, recovered: {took}")

    def _over(self, task: asyncio.Task[None], supervisor: Supervisor) -> None:
        """End the run where the killing itself went wrong."""
        if not task.cancelled() and task.exception() is not None:
            supervisor.fail(str(task.exception()))

    def _late(self) -> list[str]:
        out = []
        if len(self.outcomes) < len(self.kills):
            out.append(f"only {len(self.outcomes)} of {len(self.kills)} kills fitted into the time")
        for n, outcome in enumerate(self.outcomes, 1):
            if outcome.recovery_s is None or outcome.recovery_s > LIMIT_S:
                took = "did not recover" if outcome.recovery_s is None else f"took {outcome.recovery_s:.1f} s"
                out.append(f"kill {n} ({outcome.target}) {took}; at most {LIMIT_S:g} s")
        return out


def _rounded(outcome: Outcome) -> dict[str, Any]:
    return {k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(outcome).items()}
