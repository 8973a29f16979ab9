"""`testbed bench mqtt`: messages into one gateway process and DuckDB, beside a bare subscriber that only counts."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.clock import NS
from testbed.bench.crew import Crew, crew
from testbed.bench.load import CHANNELS
from wire.broker import Broker
from wire.broker_config import BrokerConfig

Tell = Callable[[str], None]
TIMEOUT_S = 60.0


async def measure(messages: int, blocks: int, seconds: float, fleet: int, tell: Tell) -> dict[str, dict[str, float]]:
    """Return figures of the three loads.

    Parameters
    ----------
    messages
        One-row messages of five values, as fast as they go.
    blocks
        Messages of 1,000 rows.
    seconds, fleet
        How long so many devices send a row a second.
    """
    with tempfile.TemporaryDirectory(prefix="testbed-bench-") as folder:
        found: dict[str, dict[str, float]] = {}
        for part in ("one", "many", "steady"):
            os.mkdir(os.path.join(folder, part))
        tell(f"{messages:,} messages of one row")
        found["one_row"] = await _beside(Path(folder) / "one", {"messages": messages, "devices": 200, "rows": 1}, tell)
        tell(f"{blocks:,} messages of 1,000 rows")
        found["many_rows"] = await _beside(
            Path(folder) / "many", {"messages": blocks, "devices": 10, "rows": 1000, "window": 50}, tell
        )
        tell(f"{fleet:,} devices send a row a second for {seconds:g} s")
        found["steady"] = await _steady(Path(folder) / "steady", fleet, seconds)
        return found


async def _beside(folder: Path, job: dict[str, Any], tell: Tell) -> dict[str, float]:
    """Send the same load to the floor and to the gateway, one after the other."""
    floor = await _with_broker(folder / "floor", lambda crew, url: _floor(crew, {**job, "url": url}))
    tell(f"  a bare subscriber: {job['messages'] / floor['seconds']:,.0f} messages/s")
    ours = await _with_broker(folder / "ours", lambda crew, url: _gateway(crew, {**job, "url": url}, folder))
    rows, wanted = job["rows"], job["messages"] * job["rows"]
    rate, bare = job["messages"] / ours["seconds"], job["messages"] / floor["seconds"]
    return {
        "messages_per_s": round(rate),
        "values_per_s": round(rate * rows * len(CHANNELS)),
        "stored_values_per_s": round(wanted * len(CHANNELS) / ours["stored_s"]),
        "floor_messages_per_s": round(bare),
        "ratio_to_floor": round(rate / bare, 3),
        "gateway_cpu_us_per_message": round(ours["cpu_s"] / job["messages"] * 1e6, 1),
        "lost": wanted - ours["stored"],
        "duplicated": ours["duplicated"],
        "rejected": ours["rejected"],
    }


async def _with_broker(folder: Path, work: Callable[[Crew, str], dict[str, float]]) -> dict[str, float]:
    async with Broker(BrokerConfig(), folder) as broker:
        with crew() as members:
            return await asyncio.to_thread(work, members, broker.url)


def _floor(members: Crew, job: dict[str, Any]) -> dict[str, float]:
    counting = members.add("count", **job, timeout=TIMEOUT_S)
    counting.hear("ready")
    source = members.add("flood", **job)
    source.hear("ready")
    source.go()
    began = source.hear("done")["began"]
    return {"seconds": (counting.hear("done")["ended"] - began) / NS}


def _gateway(members: Crew, job: dict[str, Any], folder: Path) -> dict[str, float]:
    wanted = int(job.get("wanted", job["messages"] * job["rows"]))
    job = {**job, "wanted": wanted, "folder": str(folder), "timeout": TIMEOUT_S + job.get("seconds", 0)}
    taking = members.add("gateway", **job)
    taking.hear("listening")
    source = members.add("flood", **job)
    source.hear("ready")
    taking.hear("ready")
    storing = members.add("drain", **job)
    storing.hear("ready")
    source.go()
    sent = source.hear("done")
    taken, stored = taking.hear("done"), storing.hear("done")
    return {
        **taken,
        "seconds": (taken["ended"] - sent["began"]) / NS,
        "stored_s": (stored["ended"] - sent["began"]) / NS,
        "stored_p99": stored["stored_p99"],
        "stored": stored["stored"],
        "sent": sent["messages"],
    }


async def _steady(folder: Path, fleet: int, seconds: float) -> dict[str, float]:
    job = {"messages": 0, "rows": 1, "devices": fleet, "seconds": seconds, "wanted": round(seconds) * fleet}
    ours = await _with_broker(folder / "broker", lambda crew, url: _gateway(crew, {**job, "url": url}, folder))
    return {
        "devices": fleet,
        "seconds": seconds,
        "values_per_s": round(ours["received"] * len(CHANNELS) / seconds),
        "ingest_p50_ms": ours["ingest_p50"],
        "ingest_p99_ms": ours["ingest_p99"],
        "stored_p99_ms": ours["stored_p99"],
        "gateway_cpu_share": round(ours["cpu_s"] / seconds, 3),
        "sent": ours["sent"],
        "lost": ours["sent"] - ours["stored"],
        "duplicated": ours["duplicated"],
    }
