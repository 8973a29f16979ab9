"""The loop in figures: one entry a hop, from the status that each role reports.

Roles report flat or nested dictionaries (``{"received": 10}`` or ``{"rows": {"received": 10}}``); what is not
reported stays None and the page shows a dash, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.rates import RateMeter

HOPS = ("sensor", "network", "gateway", "store", "analysis", "feedback")
ROLE_OF = {"sensor": "simulator", "gateway": "gateway", "store": "platform", "analysis": "platform"}
Flat = dict[str, float]


def flatten(values: Mapping[str, Any]) -> Flat:
    """Return the finite numbers of a status, nested names without their group (``rows.received`` -> ``received``)."""
    out: Flat = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            for inner, number in flatten(value).items():
                out.setdefault(inner, number)
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
            out[str(key)] = value
    return out


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

    def rate(self, role: str, counter: str) -> float | None:
        """Return rows a second as reported, else as counted."""
        told = self.value(role, f"{counter}_rate", f"{counter.removesuffix('_rows')}_rate")
        if told is not None:
            return told
        meter = self._meters.get(role)
        return None if meter is None else meter.rate(counter)

    def total(self, name: str) -> float | None:
        """Return a figure that several roles may report, added up; None where nobody does."""
        told = [flat[name] for flat in self.status.values() if name in flat]
        return sum(told) if told else None

    def rows(self) -> dict[str, float | None]:
        """Return the account of rows; ``under_way`` is emitted minus stored, not yet a loss."""
        emitted = self.value("simulator", "emitted_rows", "emitted")
        stored = self.value("platform", "stored_rows", "stored")
        behind = None if emitted is None or stored is None else max(0.0, emitted - stored)
        return {
            "emitted": emitted,
            "received": self.value("gateway", "received_rows", "received"),
            "stored": stored,
            "under_way": behind,
            "lost": self.total("lost"),
            "duplicated": self.total("duplicated"),
            "reordered": self.total("reordered"),
            "rejected": self.total("rejected"),
        }

    def latency(self) -> dict[str, float | None]:
        """Return the latencies of the run report in ms."""
        names = [f"{n}_p{p}" for n in ("ingest", "stored", "edge_loop", "policy_loop") for p in (50, 99)]
        return {n: next((s[n] for s in self.status.values() if n in s), None) for n in names}

    def hops(self, mono: int, known: Mapping[str, float]) -> list[dict[str, Any]]:
        """Return one entry a hop: rate, latencies, count and whether its role speaks.

        ``known`` holds what the portal counts itself: devices, findings, prognoses, commands, done.
        """
        lat, gate = self.latency(), self.rate("gateway", "received")
        figures: dict[str, tuple[float | None, str, float | None]] = {
            "sensor": (self.rate("simulator", "emitted_rows"), "", known["devices"]),
            "network": (gate, "ingest", self.value("simulator", "links", "connections")),
            "gateway": (gate, "", self.total("rejected")),
            "store": (self.rate("platform", "stored"), "stored", self.value("platform", "stored_rows", "stored")),
            "analysis": (self.rate("platform", "windows"), "", known["findings"]),
            "feedback": (self.rate("gateway", "commands"), "edge_loop", known["commands"]),
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
