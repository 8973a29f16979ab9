"""The loop in figures: one entry a hop, from the status that each role reports.

What is not reported stays None and the page shows a dash, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from portal.rates import RateMeter

HOPS = ("sensor", "network", "gateway", "store", "analysis", "feedback")
ROLE_OF = {"sensor": "simulator", "gateway": "gateway", "store": "platform", "analysis": "platform"}
PLAIN = frozenset({"rows", "latency", "latency_ms", "counts"})
SUMMED = frozenset({"emitted", "received", "stored"})
WIDEST = 40
EMITTED = ("emitted_rows", "emitted", "rows")
RECEIVED = ("received", "received_rows")
STORED = ("stored", "stored_rows")
Flat = dict[str, float]


def flatten(values: Mapping[str, Any]) -> Flat:
    """Return the finite numbers of a status.

    Numbers one level down get their group's name (``buffer.bytes`` -> ``buffer_bytes``), those of ``PLAIN``
    groups keep their own; a number of the same name at the top wins. Wider or deeper groups are left out, but
    counts by stream (``SUMMED``) are added up.
    """
    out: Flat = {str(name): value for name, value in values.items() if _is_number(value)}
    for group, inner in values.items():
        if not isinstance(inner, Mapping):
            continue
        if group in SUMMED:
            out.setdefault(group, sum(n for n in inner.values() if _is_number(n)))
        elif len(inner) <= WIDEST:
            for name, value in inner.items():
                if _is_number(value):
                    out.setdefault(str(name) if group in PLAIN else f"{group}_{name}", value)
    return out


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


class Loop:
    """Statuses of the roles and what follows from them."""

    def __init__(self) -> None:
        self.status: dict[str, Flat] = {}
        self.raw: dict[str, dict[str, Any]] = {}
        self.heard: dict[str, int] = {}
        self._meters: dict[str, RateMeter] = {}

    def tell(self, role: str, values: Mapping[str, Any], mono: int) -> None:
        """Take in what a role reports at a monotonic time in ns."""
        flat = flatten(values)
        self.status[role], self.raw[role], self.heard[role] = flat, dict(values), mono
        self._meters.setdefault(role, RateMeter()).add(mono, flat)

    def value(self, role: str, *names: str) -> float | None:
        """Return the first of the named figures that a role reports."""
        flat = self.status.get(role, {})
        return next((flat[name] for name in names if name in flat), None)

    def rate(self, role: str, *counters: str) -> float | None:
        """Return growth a second of the first of the named counters, as reported (``<counter>_rate``) or as counted."""
        told = self.value(role, *(f"{c.removesuffix('_rows')}_rate" for c in counters))
        meter = self._meters.get(role)
        if told is not None or meter is None:
            return told
        return next((rate for rate in map(meter.rate, counters) if rate is not None), None)

    def first(self, name: str) -> float | None:
        """Return a figure of the gateway, else of whoever reports it."""
        told = self.value("gateway", name)
        return told if told is not None else next((flat[name] for flat in self.status.values() if name in flat), None)

    def rows(self) -> dict[str, float | None]:
        """Return the account of rows.

        ``under_way`` is emitted and not yet stored, not yet a loss; ``duplicated`` rows are stored twice,
        ``redelivered`` rows arrived twice and are kept once.
        """
        return {
            "emitted": self.value("simulator", *EMITTED),
            "received": self.value("gateway", *RECEIVED),
            "stored": self.value("platform", *STORED),
            "under_way": self._under_way(),
            "lost": self.first("lost"),
            "duplicated": self.value("platform", "duplicated"),
            "redelivered": self.value("gateway", "duplicated"),
            "reordered": self.first("reordered"),
            "rejected": self.first("rejected"),
        }

    def _under_way(self) -> float | None:
        sent, kept = self.raw.get("simulator", {}).get("emitted"), self.raw.get("platform", {}).get("stored")
        if isinstance(sent, Mapping) and isinstance(kept, Mapping):
            return float(sum(max(0, count - kept.get(path, 0)) for path, count in sent.items()))
        emitted, stored = self.value("simulator", *EMITTED), self.value("platform", *STORED)
        return None if emitted is None or stored is None else max(0.0, emitted - stored)

    def latency(self) -> dict[str, float | None]:
        """Return the latencies of the run report in ms."""
        names = [f"{n}_p{p}" for n in ("ingest", "stored", "edge_loop", "policy_loop") for p in (50, 99)]
        return {n: next((s[n] for s in self.status.values() if n in s), None) for n in names}

    def hops(self, mono: int, known: Mapping[str, float]) -> list[dict[str, Any]]:
        """Return one entry a hop: rate, latencies, count and whether its role speaks.

        ``known`` holds what the portal counts itself: devices, findings, prognoses, commands, done.
        """
        lat, gate = self.latency(), self.rate("gateway", *RECEIVED)
        figures: dict[str, tuple[float | None, str, float | None]] = {
            "sensor": (self.rate("simulator", *EMITTED), "", known["devices"]),
            "network": (gate, "ingest", self.value("simulator", "links", "connections")),
            "gateway": (gate, "", self.first("rejected")),
            "store": (self.rate("platform", *STORED), "stored", self.value("platform", *STORED)),
            "analysis": (self.rate("platform", "windows"), "", known["findings"]),
            "feedback": (self.rate("gateway", "commands_sent", "commands"), "edge_loop", known["commands"]),
        }
        return [
            {
                "hop": hop,
                "rate": rate,
                "p50": lat.get(f"{span}_p50"),
                "p99": lat.get(f"{span}_p99"),
                "count": count,
                "state": self.state(ROLE_OF.get(hop, "gateway"), mono),
            }
            for hop, (rate, span, count) in figures.items()
        ]

    def state(self, role: str, mono: int) -> str:
        """Return ``missing``, ``late`` (silent for 5 s), ``stopped`` or ``ok``."""
        if role not in self.heard:
            return "missing"
        if self.raw[role].get("is") == "stopped":
            return "stopped"
        return "late" if mono - self.heard[role] > 5_000_000_000 else "ok"
