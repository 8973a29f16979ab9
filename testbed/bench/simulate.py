"""`testbed bench simulate`: how fast the world is rendered, and how much memory and processor it takes live."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.batch import Batch, merge
from core.clock import FOREVER, MS, NS, mono_ns
from simulator.history import QUANTUM, history_sampling
from simulator.naive import NaiveSensor, run_naive
from simulator.recursion import use_lfilter
from simulator.world import World
from testbed.bench.machine import rss_mb
from testbed.scenario import Scenario

DAY = 86_400 * NS
Tell = Callable[[str], None]


def rendering(scenario: Scenario, days: float, tell: Tell) -> dict[str, float]:
    """Render a scenario's history into hashes: values a second in this one process, beside the plain way."""
    use_lfilter()
    tell(f"rendering {days:g} days of {scenario.key}")
    world = _past(scenario, days)
    count, took = 0, 0.0
    hashed = hashlib.blake2b(digest_size=16)
    gc.collect()
    began = mono_ns()
    t = world.epoch
    while t < 0:
        t1 = min(t + QUANTUM, 0)
        world.advance(t1)
        for batch in world.render(t, t1):
            count += batch.values
            _consume(batch, hashed)
        world.notes()
        t = t1
    took = (mono_ns() - began) / NS
    tell("one SimPy process for each channel, the plain way")
    made, naive = _plain(world, scenario.config.history.every / NS, min(600_000, max(50_000, count // 10)))
    tell("counting events")
    return {
        "devices": len(world.devices),
        "channels": sum(len(s.layout.channels) for d in world.devices for s in d.streams),
        "days": days,
        "values": count,
        "seconds": round(took, 3),
        "values_per_s": round(count / took),
        "plain_values_per_s": round(made / naive),
        "ratio": round((count / took) / (made / naive), 1),
        "faster_than_life": round(days * 86_400 / took),
        "events_per_day": _events(scenario),
        "rss_mb": round(rss_mb()),
    }


def loading(scenario: Scenario, days: float, tell: Tell) -> dict[str, float]:
    """Render a scenario's history into DuckDB, a transaction for each quantum of 6 h."""
    from core.catalog import Catalog
    from core.tables import to_table
    from gateway.stores.duck import DuckConfig, DuckStore

    tell(f"{days:g} days of {scenario.key} into DuckDB")
    with tempfile.TemporaryDirectory(prefix="testbed-bench-") as folder:
        world = _past(scenario, days)
        store = DuckStore(DuckConfig(), Path(folder) / "bench.duckdb", Catalog())
        store.open()
        began = mono_ns()
        store.catalogue(world.devices)
        store.make_tables(list(world.catalog.layouts.values()))
        con, values, t, rendered = store.cursor(), 0, world.epoch, 0
        while t < 0:
            t1, at = min(t + QUANTUM, 0), mono_ns()
            world.advance(t1)
            batches = merge(world.render(t, t1))
            rendered += mono_ns() - at
            con.begin()
            for batch in batches:
                store.insert_table(con, batch.layout, to_table(batch))
                values += batch.values
            con.commit()
            t = t1
        con.close()
        store.close()
        took = (mono_ns() - began) / NS
        size = (Path(folder) / "bench.duckdb").stat().st_size
    return {
        "values": values,
        "seconds": round(took, 2),
        "of_it_rendering_s": round(rendered / NS, 2),
        "values_per_s": round(values / took),
        "bytes_per_value": round(size / max(values, 1), 2),
    }


def live(scenario: Scenario, seconds: float, tell: Tell) -> dict[str, float]:
    """Drive a scenario at speed 1 without publishers: share of a core, late quanta, memory."""
    from simulator.pacer import Pace, Pacer

    tell(f"building {scenario.key}")
    began = mono_ns()
    world = World(scenario.world(), scenario.config.start_ns(), scenario.config.seed)
    world.fast_forward(0)
    built = (mono_ns() - began) / NS
    gc.collect()
    gc.freeze()  # as the simulator role does
    quantum = scenario.config.quantum or Pace().quantum
    pacer = Pacer(world, {}, Pace(speed=1.0, quantum=quantum, until=round(seconds * NS)))
    tell(f"{seconds:g} s live, a quantum each {quantum / MS:g} ms")
    began, cpu = mono_ns(), _cpu_s()
    asyncio.run(pacer.run())
    wall, cpu = (mono_ns() - began) / NS, _cpu_s() - cpu
    counts = pacer.counts
    return {
        "devices": len(world.devices),
        "channels": sum(len(s.layout.channels) for d in world.devices for s in d.streams),
        "built_s": round(built, 2),
        "seconds": round(wall, 2),
        "values": counts.values,
        "values_per_s": round(counts.values / wall),
        "cpu_share": round(cpu / wall, 4),
        "quanta": counts.quanta,
        "quanta_late": counts.overruns,
        "worst_ms": round(counts.worst / MS, 1),
        "rss_mb": round(rss_mb()),
    }


def _past(scenario: Scenario, days: float) -> World:
    settings = scenario.world().model_copy(update={"history": round(days * DAY)})
    sampling = history_sampling(scenario.config.history.every, scenario.config.history.fast_every)
    return World(settings, min(scenario.config.start_ns(), FOREVER), scenario.config.seed, sampling)


def _consume(batch: Batch, into: Any) -> None:
    for column in (batch.stream, batch.t, batch.x, batch.q):
        into.update(np.ascontiguousarray(column).data)


def _plain(world: World, period: float, values: int) -> tuple[int, float]:
    """Return (values, s) of the plain way with the same channels, for about so many values."""
    sensors = [
        NaiveSensor(channel.sensor, channel.spec.low or 0.0, channel.spec.high or 100.0, random.Random(n))
        for fleet in world.fleets.values()
        for config in fleet.configs
        for stream in config.streams()
        for n, channel in enumerate(stream.channels)
    ]
    gc.collect()
    began = mono_ns()
    made = run_naive(sensors, period, period * max(1, values // len(sensors)))
    return made, (mono_ns() - began) / NS


def _events(scenario: Scenario) -> int:
    """Return the SimPy events of one simulated day: the second, when everything has begun."""
    world = _past(scenario, 2.0)
    world.advance(world.epoch + DAY)
    count, step = 0, world.env.step

    def counted() -> None:
        nonlocal count
        count += 1
        step()

    world.env.step = counted  # type: ignore[method-assign]
    world.advance(world.epoch + 2 * DAY - 1)
    return count


def _cpu_s() -> float:
    import time

    return time.process_time()
