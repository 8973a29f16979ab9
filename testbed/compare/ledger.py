"""The books of a run: every cost is one line, quantity times price, that follows from a logged event or counter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from testbed.compare.config import CostConfig, OrderConfig, Prices

#: item -> (group of costs, unit)
ITEMS: Mapping[str, tuple[str, str]] = {
    "downtime": ("downtime", "h"),
    "downtime_at_rest": ("downtime", "h"),
    "planned_downtime": ("downtime", "h"),
    "planned_downtime_at_rest": ("downtime", "h"),
    "repair_parts": ("maintenance", "1"),
    "repair_labour": ("maintenance", "h"),
    "callout": ("maintenance", "1"),
    "planned_parts": ("maintenance", "1"),
    "planned_labour": ("maintenance", "h"),
    "tool": ("maintenance", "1"),
    "scrap": ("scrap", "1"),
    "late": ("late", "1"),
    "energy": ("energy", "kW.h"),
}
LEDGER = pa.schema(
    [
        ("t", pa.int64()),
        ("device", pa.string()),
        ("kind", pa.string()),
        ("item", pa.string()),
        ("quantity", pa.float64()),
        ("price", pa.float64()),
        ("krw", pa.float64()),
    ]
)
#: failures and maintenances in time: ``busy_s`` lies in the machine's planned busy time, ``worked_s`` in working time
SPANS = pa.schema(
    [
        ("device", pa.string()),
        ("kind", pa.string()),
        ("state", pa.string()),
        ("t0", pa.int64()),
        ("t1", pa.int64()),
        ("busy_s", pa.float64()),
        ("worked_s", pa.float64()),
    ]
)


@dataclass(slots=True)
class Ledger:
    """Lines of cost as they come up."""

    costs: CostConfig
    _lines: list[tuple[int, str, str, str, float, float]] = field(default_factory=list)

    def add(self, t: int, device: str, kind: str, item: str, quantity: float, price: float) -> None:
        """Note a cost; nothing costs nothing."""
        if quantity:
            self._lines.append((t, device, kind, item, quantity, price))

    def failure(self, t: int, device: str, kind: str, worked_h: float, rest_h: float) -> None:
        """Note a failure at ``t`` that kept the machine down in and outside working time."""
        p = self.costs.of(kind)
        self.add(t, device, kind, "downtime", worked_h, p.downtime_h)
        self.add(t, device, kind, "downtime_at_rest", rest_h, p.rest_h)
        self.add(t, device, kind, "repair_parts", 1.0, p.repair_parts)
        self.add(t, device, kind, "repair_labour", p.repair_h, self.costs.labour_h)
        self.add(t, device, kind, "callout", 1.0, p.callout)

    def maintenance(self, t: int, device: str, kind: str, worked_h: float, rest_h: float) -> None:
        """Note a planned maintenance."""
        p = self.costs.of(kind)
        self.add(t, device, kind, "planned_downtime", worked_h, p.downtime_h)
        self.add(t, device, kind, "planned_downtime_at_rest", rest_h, p.rest_h)
        self.add(t, device, kind, "planned_parts", 1.0, p.planned_parts)
        self.add(t, device, kind, "planned_labour", p.planned_h, self.costs.labour_h)

    def table(self) -> pa.Table:
        """Return all lines in order of time."""
        lines = sorted(self._lines, key=lambda line: line[0])
        columns = [list(c) for c in zip(*lines, strict=True)] or [[] for _ in range(6)]
        krw = np.asarray(columns[4], dtype=np.float64) * np.asarray(columns[5], dtype=np.float64)
        return pa.table(dict(zip(LEDGER.names, [*columns, krw], strict=True)), schema=LEDGER)


def prices(costs: CostConfig, kinds: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the price of every item for each kind, as the ledger uses them."""
    out: dict[str, dict[str, float]] = {}
    for kind in kinds:
        p: Prices = costs.of(kind)
        out[kind] = {
            "downtime": p.downtime_h,
            "downtime_at_rest": p.rest_h,
            "planned_downtime": p.downtime_h,
            "planned_downtime_at_rest": p.rest_h,
            "repair_parts": p.repair_parts,
            "repair_labour": costs.labour_h,
            "callout": p.callout,
            "planned_parts": p.planned_parts,
            "planned_labour": costs.labour_h,
            "tool": p.planned_parts,
            "scrap": p.scrap,
            "late": costs.late,
            "energy": costs.energy_kwh,
        }
    return out


def late_trucks(good: Sequence[float], orders: OrderConfig) -> list[int]:
    """Return how many trucks leave late on each working day, of the units made on each.

    What is owed goes first, then the day's trucks; what is over stays in the warehouse up to its room.
    """
    stock, owed, out = 0.0, 0.0, []
    for made in good:
        there = stock + made
        due = orders.demand + owed
        short = max(0.0, due - there)
        late = min(short, orders.demand)
        out.append(int(np.ceil(late / orders.truck - 1e-9)))
        stock, owed = min(max(0.0, there - due), orders.room), short
    return out
