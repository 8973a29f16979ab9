"""The history's process: the world before the start, at full speed into Parquet; then the models learn from it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from core.clock import NS, mono_ns
from testbed.control import Control, run_role
from testbed.learning import describe, train
from testbed.runfolder import RunFolder
from testbed.scenario import Scenario, read

ROLE = "history"


async def run(folder: RunFolder, control: Control) -> None:
    """Render, write, train; ends by itself, or at once when it is told to stop."""
    work = asyncio.create_task(_work(folder, control), name="history")
    order = asyncio.create_task(control.next(), name="order")
    await asyncio.wait({work, order}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        control.say("stopped")
        os._exit(0)  # the threads that render and train cannot be interrupted; half a history bears no mark
    order.cancel()
    work.result()


async def _work(folder: RunFolder, control: Control) -> None:
    manifest = folder.manifest()
    scenario = read(Path(manifest.scenario), Path(manifest.data) if manifest.data else None)
    control.say("ready")
    began = mono_ns()
    if scenario.config.history.days and not (folder.history / "rendered.json").exists():
        await asyncio.to_thread(_render, folder, scenario, manifest.start, manifest.seed)
        _mark(folder, "rendered", began)
    if scenario.config.history.days and scenario.config.analytics.groups:
        models = await asyncio.to_thread(train, folder, scenario.config.analytics, manifest.seed)
        control.say("told", text=describe(models, (mono_ns() - began) / NS))
    _mark(folder, "trained", began)


def _render(folder: RunFolder, scenario: Scenario, start: int, seed: int) -> None:
    from simulator.history import history_sampling, history_world, write_history

    sampling = history_sampling(scenario.config.history.every, scenario.config.history.fast_every)
    world = history_world(scenario.world(), start, seed, sampling)
    write_history(world, folder.history, folder.truth / "history")


def _mark(folder: RunFolder, step: str, began: int) -> None:
    """Leave a mark that the platform waits for."""
    seconds = round((mono_ns() - began) / NS, 2)
    folder.history.mkdir(exist_ok=True)
    scratch = folder.history / f".{step}.part"
    scratch.write_text(json.dumps({"seconds": seconds}), encoding="utf-8")
    scratch.replace(folder.history / f"{step}.json")


if __name__ == "__main__":
    run_role(lambda control: run(RunFolder(Path(sys.argv[1])), control))
