"""The run report: what every role counted, added up into one page of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testbed.runfolder import Manifest

Status = Mapping[str, Any]
LATENCIES = ("ingest", "stored", "edge_loop", "policy_loop")


def build(manifest: Manifest, statuses: Mapping[str, Status], wall_s: float, restarts: int = 0) -> dict[str, Any]:
    """Return the run report.

    Parameters
    ----------
    manifest
        The run's manifest.
    statuses
        Last status of each role (``simulator``, ``gateway``, ``platform``).
    wall_s
        Wall seconds of the live run.
    restarts
        Times a killed role was started again.
    """
    simulator, gateway, platform = (statuses.get(role, {}) for role in ("simulator", "gateway", "platform"))
    rows = _rows(simulator, gateway, platform, paced=manifest.speed > 0)
    latencies = {**_latencies(simulator), **_latencies(gateway), **_latencies(platform)}
    return {
        "scenario": manifest.scenario,
        "start": manifest.start,
        "seed": manifest.seed,
        "speed": manifest.speed or "max",
        "wall_s": round(wall_s, 2),
        "sim_s": simulator.get("sim_s", 0.0),
        "overruns": simulator.get("overruns", 0),
        "links": simulator.get("links", {}),
        "devices": platform.get("devices", {}),
        "protocols": platform.get("protocols", {}),
        "rows": rows,
        "values_per_s": round(platform.get("stored_values", 0) / wall_s, 1) if wall_s else 0.0,
        "latency_ms": {f"{n}_{p}": latencies.get(f"{n}_{p}") for n in LATENCIES for p in ("p50", "p99")},
        "commands": platform.get("commands", {}),
        "findings": platform.get("findings", 0),
        "prognoses": platform.get("prognoses", 0),
        "work_orders": platform.get("work_orders", 0),
        "failures": platform.get("failures", {}),
        "models": platform.get("models", []),
        "first_row_s": _since(manifest, platform.get("first_row_wall")),
        "first_finding_s": _since(manifest, platform.get("first_finding_wall")),
        "restarts": restarts,
        "hashes": {"rows": simulator.get("row_hash", ""), "events": simulator.get("event_hash", "")},
        "evaluation": platform.get("evaluation", {}),
    }


def _rows(simulator: Status, gateway: Status, platform: Status, paced: bool) -> dict[str, int]:
    emitted: Mapping[str, int] = {**simulator.get("emitted", {}), **_sampled(simulator, gateway, paced)}
    stored: Mapping[str, int] = platform.get("stored", {})
    ours = {path: stored.get(path, 0) for path in emitted}
    if "emitted" not in simulator:  # it died or could not drain: its last word must do
        return _rough(simulator, gateway, platform)
    lost = {path: max(0, count - ours[path]) for path, count in emitted.items()}
    by_link: Mapping[str, int] = simulator.get("lost_by_link", {})
    return {
        "emitted": sum(emitted.values()),
        "received": gateway.get("received", 0),
        "stored": sum(ours.values()),
        "lost": sum(lost.values()),
        # of these: lost by a simulated link whose device keeps nothing to send again
        "lost_by_link": sum(min(count, by_link.get(path, 0)) for path, count in lost.items()),
        "duplicated": platform.get("duplicated", 0),
        "reordered": gateway.get("reordered", 0),
        "repaired": gateway.get("repaired", 0),
        "rejected": gateway.get("rejected", 0),
        "redelivered": gateway.get("duplicated", 0),
        "third_party": sum(count for path, count in stored.items() if path not in emitted),
    }


def _sampled(simulator: Status, gateway: Status, paced: bool) -> dict[str, int]:
    """Return rows due of streams that are polled; a stream that never answered owes every row that was there.

    As fast as possible (not ``paced``) no clock says when a poll is due, so only what was polled was ever a row.
    """
    polled: Mapping[str, int] = gateway.get("polled", {})
    return {path: polled.get(path, rows * paced) for path, rows in simulator.get("sampled", {}).items()}


def _rough(simulator: Status, gateway: Status, platform: Status) -> dict[str, int]:
    """Return the rows of a run whose simulator did not say which rows it has emitted."""
    emitted, stored = int(simulator.get("emitted_rows", 0)), sum(platform.get("stored", {}).values())
    counts = {name: gateway.get(name, 0) for name in ("received", "reordered", "repaired", "rejected")}
    return {
        **counts,
        "emitted": emitted,
        "stored": stored,
        "lost": max(0, emitted - stored),
        "lost_by_link": 0,
        "duplicated": platform.get("duplicated", 0),
        "redelivered": gateway.get("duplicated", 0),
        "third_party": 0,
    }


def _latencies(status: Status) -> dict[str, float]:
    found: Mapping[str, float] = status.get("latency_ms", {})
    return {name: value for name, value in found.items() if value is not None}


def _since(manifest: Manifest, wall: int | None) -> float | None:
    return round((wall - manifest.launched) / 1e9, 2) if wall else None
