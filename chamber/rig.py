"""The rig runs a plan for real: devices publish over a broker, a subscriber records, time is scaled.

With simulated devices everything is on the network but the physics. With ``external`` the units are somebody
else's: the chamber publishes reference and climate at the plan's pace, waits for the births of the units, and
records what they send. A unit without a real sensor reads the chamber's topics as its air.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa

from chamber.instruments import instruments
from chamber.listener import Listener
from chamber.plan import TestPlan
from chamber.players import Player
from chamber.recorder import Recorder
from chamber.recording import Recording, RecordingError, RunFacts
from core.clock import NS, mono_ns, wall_ns
from core.errors import ConfigError

EXTERNAL = "external"
#: told after every block: share done in [0, 1]
Progress = Callable[[float], None]
_BLOCK = 3600 * NS  # longest span of run time in one message
_LEAST_WALL_S = 0.1  # shortest wall time of one message
_LEAD = 16  # messages of each device that may be under way


@dataclass(frozen=True, slots=True)
class RigOptions:
    """How to run a plan.

    ``speed`` is run seconds a wall second, 0 as fast as possible; None is real time for an external device and
    as fast as possible for a simulated one. ``births_s`` is how long to wait for the units, ``settle_s`` for
    rows still under way at the end. ``start`` (run time, ns) replaces the plan's start.
    """

    device: str = "good"
    speed: float | None = None
    births_s: float = 60.0
    settle_s: float = 10.0
    start: int | None = None

    @property
    def external(self) -> bool:
        """Tell whether the units are somebody else's."""
        return self.device == EXTERNAL

    @property
    def pace(self) -> float:
        """Run seconds a wall second, 0 as fast as possible."""
        if self.speed is None:
            return 1.0 if self.external else 0.0
        return self.speed


async def run(plan: TestPlan, url: str, options: RigOptions, progress: Progress | None = None) -> Recording:
    """Run a plan over the broker at ``url`` and return its recording.

    Raises
    ------
    ConfigError
        If the plan has no simulated device of that name.
    RecordingError
        If a device is not born in time.
    NotConnected
        If the broker cannot be reached or goes away.
    """
    model = None if options.external else _model(plan, options.device)
    recorder = Recorder(plan)
    listener = Listener(recorder, url)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(listener.close)
        await listener.open()
        tasks = [await stack.enter_async_context(_running(listener.listen()))]
        if options.external:
            await _births(listener, tasks, options.births_s, plan.device_under_test.units)
        began, start = wall_ns(), _start(plan, options)
        players = [Player(instrument, url) for instrument in instruments(plan, start, model)]
        for player in players:
            stack.push_async_callback(player.close)
            await player.open()
            tasks.append(await stack.enter_async_context(_running(player.listen())))
        await _births(listener, tasks, options.births_s)
        recorder.begun = True
        await _drive(plan, _Stage(listener, players, tasks), options, progress)
        await _settle(listener, players, tasks, options)
    facts = RunFacts(start, began, wall_ns(), options.pace, options.device, versions())
    return recorder.recording(facts)


def versions() -> dict[str, str]:
    """Return what the outcome may depend on."""
    try:
        ours = metadata.version("iiot-testbed")
    except metadata.PackageNotFoundError:
        ours = "source"
    return {
        "iiot-testbed": ours,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
    }


def _start(plan: TestPlan, options: RigOptions) -> int:
    """Return the run time of the beginning: now for a real device in real time, else the plan's."""
    if options.start is not None:
        return options.start
    if options.external and options.pace == 1.0:
        return wall_ns() // plan.period * plan.period
    return plan.start_ns


def _model(plan: TestPlan, device: str) -> Any:
    if device not in plan.simulated:
        names = ", ".join([*plan.simulated, EXTERNAL])
        raise ConfigError(f"{plan.id}:simulated", f"no device {device!r} in this plan", f"it has: {names}")
    return plan.simulated[device]


async def _births(
    listener: Listener, tasks: list[asyncio.Task[None]], limit_s: float, devices: Sequence[str] = ()
) -> None:
    """Wait until devices (default: all of the plan) have introduced themselves."""
    await listener.ask_births()
    try:
        async with asyncio.timeout(limit_s):
            while listener.recorder.missing(devices):
                listener.changed.clear()
                await listener.changed.wait()
                _alive(tasks)
    except TimeoutError as error:
        missing = ", ".join(listener.recorder.missing(devices))
        raise RecordingError(f"no birth within {limit_s:g} s from {missing} (is the device connected?)") from error


@dataclass(frozen=True, slots=True)
class _Stage:
    """Who plays and who listens."""

    listener: Listener
    players: list[Player]
    tasks: list[asyncio.Task[None]]

    async def heard(self, lead: int) -> None:
        """Wait until the recorder is at most ``lead`` rows behind every player.

        Without this a test at full speed outruns brokers that keep only so much for a slow reader.
        """
        recorder = self.listener.recorder
        while any(recorder.count(p.instrument.spec.path) < p.sent - lead for p in self.players):
            self.listener.changed.clear()
            await self.listener.changed.wait()
            _alive(self.tasks)


async def _drive(plan: TestPlan, stage: _Stage, options: RigOptions, progress: Progress | None) -> None:
    """Let the chamber's devices publish the whole plan at the pace of ``options``."""
    speed, total = options.pace, -(-plan.duration // plan.period)
    span = min(_BLOCK, max(plan.period, round(_LEAST_WALL_S * speed * NS))) if speed else _BLOCK
    block = max(1, span // plan.period)
    anchor, patient = mono_ns(), True
    for until in range(block, total + block, block):
        done = min(until, total)
        for player in stage.players:
            await player.play(done)
        if patient:
            try:
                async with asyncio.timeout(options.settle_s):
                    await stage.heard(_LEAD * block)
            except TimeoutError:
                patient = False  # rows were lost; the recorder counts them
        if progress is not None:
            progress(done / total)
        _alive(stage.tasks)
        due = anchor + done * plan.period / speed if speed else 0.0
        await asyncio.sleep(max(0.0, (due - mono_ns()) / NS))


async def _settle(
    listener: Listener, players: list[Player], tasks: list[asyncio.Task[None]], options: RigOptions
) -> None:
    """Let the last rows arrive: until all devices have said goodbye and their last rows are here, or time is up."""
    for player in players:
        await player.finish()
    with suppress(TimeoutError):
        async with asyncio.timeout(options.settle_s):
            recorder = listener.recorder
            while not (listener.ended.issuperset(recorder.devices) and recorder.caught_up):
                listener.changed.clear()
                await listener.changed.wait()
                _alive(tasks)


def _alive(tasks: list[asyncio.Task[None]]) -> None:
    """Raise what ended a listening task: no test goes on deaf."""
    for task in tasks:
        if task.done():
            task.result()


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run a coroutine beside, and cancel it at the end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
