"""The run report so far, in the shape that the command line prints at the end."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

from core.clock import MS, NS
from core.command import FINAL
from core.spec import Domain
from portal.hops import RECEIVED, STORED
from portal.live import LiveState


def so_far(live: LiveState) -> dict[str, Any]:
    """Return the report; what no role reports is null."""
    with live.lock:
        loop, clock, totals = live.loop, live.run.clock, live.totals()
        devices = list(live.catalog.devices.values())
        rows = loop.rows()
        rows.pop("under_way")
        sim_s = max(0, live.now() - clock.start) / NS
        return {
            "scenario": live.run.scenario or live.run.name.en,
            "start": clock.start // MS,
            "seed": live.run.seed,
            "speed": clock.speed or "max",
            "sim_s": round(sim_s, 3),
            "overruns": loop.value("simulator", "overruns"),
            "devices": _count((d.domain for d in devices), get_args(Domain)),
            "protocols": _count((p for d in devices for p in d.protocols), ("mqtt", "sparkplug", "opcua", "modbus")),
            "rows": rows,
            "values_per_s": _values_per_s(live),
            "latency_ms": loop.latency(),
            "commands": {"sent": totals["commands"], **{s: totals[s] for s in sorted(FINAL)}},
            "findings": totals["findings"],
            "prognoses": totals["prognoses"],
            "work_orders": totals["work_orders"],
            "models": loop.raw.get("platform", {}).get("models", []),
        }


def _count(found: Any, names: tuple[str, ...]) -> dict[str, int]:
    counted = Counter(found)
    return {name: counted[name] for name in names}


def _values_per_s(live: LiveState) -> float | None:
    """Return values a wall second: rows a second times the mean width of the rows seen."""
    told = live.loop.value("platform", "values_per_s") or live.loop.value("gateway", "values_per_s")
    rate = live.loop.rate("platform", *STORED) or live.loop.rate("gateway", *RECEIVED)
    if told is not None or rate is None or not live.rows:
        return told
    return round(rate * live.values / live.rows, 1)
