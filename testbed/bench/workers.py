"""Processes of the wire benches: ``python -m testbed.bench.workers ROLE JSON``.

Each says ``{"is": "ready"}``, waits for a line, does its work, and says ``{"is": "done", ...}`` with its figures.
Closed standard input ends it. ``began`` and ``ended`` are monotonic ns, which all processes of a machine share: a span
runs from the first byte written to the last message taken, so that no receiver chooses when its clock starts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.catalog import Catalog
from core.clock import NS, RunClock, mono_ns, wall_ns
from core.errors import RunError
from testbed.bench import load
from wire.flood import Flood
from wire.plain import Counter, answer, leave, listen

_POLL_S = 0.01


def say(what: str, **figures: object) -> None:
    """Print one line of JSON."""
    sys.stdout.write(json.dumps({"is": what, **figures}) + "\n")
    sys.stdout.flush()


def go() -> None:
    """Wait for the word; end when the parent is gone."""
    if not sys.stdin.readline():
        raise SystemExit(0)


def flood(job: Mapping[str, Any]) -> None:
    """Publish births, then rows as fast as the broker takes them, or evenly for so many seconds."""
    specs = load.devices(job["devices"])
    source = Flood(job["url"], "bench-flood", job.get("window", 2_000))
    source.open()
    source.send(load.births(specs))
    source.drain()
    seconds = job.get("seconds")
    ready = [] if seconds else _packets(specs, job)
    say("ready", messages=len(ready))
    go()
    began = mono_ns()
    sent = _evenly(source, specs, seconds) if seconds else len(ready)
    source.send(ready)
    source.drain()
    say("done", messages=sent, began=began)
    go()
    source.close()


def _packets(specs: list[Any], job: Mapping[str, Any]) -> list[bytes]:
    if job.get("rows", 1) > 1:
        return list(load.many_rows(specs, job["messages"], job["rows"]))
    return list(load.single_rows(specs, range(job["messages"] // len(specs)), 0))


def _evenly(source: Flood, specs: list[Any], seconds: float) -> int:
    """Publish one row a second for each device, a share of the devices every 50 ms."""
    slots = 20
    share = -(-len(specs) // slots)
    began, sent = mono_ns(), 0
    for n in range(round(seconds * slots)):
        wait = began + n * NS // slots - mono_ns()
        if wait > 0:
            time.sleep(wait / NS)
        at = n % slots
        mine = specs[at * share : (at + 1) * share]
        source.send(load.single_rows(mine, [n // slots], sent))
        sent += len(mine)
    return sent


def count(job: Mapping[str, Any]) -> None:
    """Count what a bare subscriber receives."""
    counter = Counter(job["messages"])
    client = listen(job["url"], "bench-count", "iiot/v1/+/+/+/data/#", counter)
    say("ready")
    counter.done.wait(job["timeout"])
    say("done", received=counter.count, ended=counter.last or mono_ns())
    leave(client)


def echo(job: Mapping[str, Any]) -> None:
    """Answer every ping with a pong."""
    client = listen(job["url"], "bench-echo", "bench/ping", answer("bench/pong"))
    say("ready")
    go()
    leave(client)


async def gateway(job: Mapping[str, Any]) -> None:
    """Run a gateway with one MQTT source until so many rows have come."""
    from gateway.kinds import GatewayConfig
    from gateway.service import Gateway
    from gateway.sources.mqtt import MqttSource, MqttSourceConfig
    from testbed.roles.gateway import SWITCH_S

    now = wall_ns()
    catalog = Catalog()
    source = MqttSource(MqttSourceConfig(url=job["url"]), catalog)
    work = Gateway(GatewayConfig(), Path(job["folder"]), catalog, {"mqtt": source}, RunClock(now, now, 1.0))
    serving = asyncio.create_task(work.run())
    counts = work.metrics.counts
    deadline = mono_ns() + round(job["timeout"] * NS)
    while work.states["mqtt"].state != "connected":
        await _nap(deadline)
    say("listening")
    while len(catalog.devices) < job["devices"]:
        await _nap(deadline)
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_S)  # as the gateway role does
    say("ready")
    deadline = mono_ns() + round(job["timeout"] * NS)
    cpu = time.process_time()
    while counts["received"] < job["wanted"] and mono_ns() < deadline:  # noqa: ASYNC110 - nobody signals counts
        await asyncio.sleep(_POLL_S)
    ended, cpu = mono_ns(), time.process_time() - cpu
    # what is in flight is committed and acknowledged before the figures are told
    await work.pipeline.append([]).done
    figures = {**work.metrics.latency_ms(), **work.validator.totals(), "rejected": counts["rejected"]}
    say("done", ended=ended, cpu_s=cpu, **figures)
    await asyncio.to_thread(go)
    work.stop()
    await serving


async def _nap(deadline: int) -> None:
    """Wait a moment; raises RunError past the deadline."""
    if mono_ns() > deadline:
        raise RunError("the bench's gateway did not get to know the devices in time")
    await asyncio.sleep(_POLL_S)


async def drain(job: Mapping[str, Any]) -> None:
    """Carry the buffer into DuckDB until so many rows are stored."""
    from gateway.drain import Drain, DrainConfig
    from gateway.stores.duck import DuckConfig, DuckStore

    folder, catalog = Path(job["folder"]), Catalog()
    store = DuckStore(DuckConfig(), folder / "bench.duckdb", catalog)
    store.open()
    work = Drain(DrainConfig(), folder / "buffer", catalog, {"main": store})
    running = asyncio.create_task(work.run())
    say("ready")
    deadline, stored = mono_ns() + round(job["timeout"] * NS), 0
    while stored < job["wanted"] and mono_ns() < deadline:
        await asyncio.sleep(2 * _POLL_S)
        stored = sum(work.stored().values())
    say("done", stored=stored, ended=mono_ns(), **work.metrics.latency_ms())
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()


def train(job: Mapping[str, Any]) -> None:
    """Fit one model after the other until the parent closes our input, with the priority of a run's history."""
    import numpy as np

    from analytics.detectors.isolation import IsolationConfig
    from testbed.children import BACKGROUND, step_back

    step_back(0, BACKGROUND["history"])
    ended = threading.Event()

    def listen_for_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=listen_for_end, daemon=True).start()
    x = np.random.default_rng(3).normal(size=(20_000, 20))
    say("ready")
    fits = 0
    while not ended.is_set():
        IsolationConfig().build(fits).fit(x)
        fits += 1
    say("done", fits=fits)


ROLES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "flood": flood,
    "count": count,
    "echo": echo,
    "gateway": gateway,
    "drain": drain,
    "train": train,
}


def main(role: str, job: Mapping[str, Any]) -> None:
    """Run one role."""
    work = ROLES[role](job)
    if work is not None:
        asyncio.run(work)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
