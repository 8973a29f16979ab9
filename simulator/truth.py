"""The sealed truth of a run: lives, health and faults, written as Parquet with the schemas of ``core.truth``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from core import truth
from simulator.grid import Floats, Ints

if TYPE_CHECKING:
    from simulator.wear.component import Component

OPEN = np.iinfo(np.int64).max
#: a fault as noted; give it back to `TruthLog.end`
Label = dict[str, Any]


class TruthLog:
    """Collects hidden state. Times in are simulated ns, times written UTC ns.

    Parameters
    ----------
    start
        UTC ns of simulated time 0.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._lives: list[dict[str, Any]] = []
        self._faults: list[dict[str, Any]] = []
        self._health: list[pa.Table] = []

    def life(self, device: str, component: Component, t: int, end: str) -> None:
        """Note the end of a component's life: ``failure``, ``maintenance`` or ``open``."""
        self._lives.append(
            {
                "device": device,
                "component": component.name,
                "life": component.life.number,
                "t0": self._start + component.life.since,
                "t1": self._start + t,
                "end": end,
                "mode": component.mode,
            }
        )

    def began(self, device: str, fault: str, target: str, t: int, detail: str) -> None:
        """Note the beginning of a fault on a target (component or channel)."""
        self.fault(device, fault, target or fault, t, None, detail)

    def fault(self, device: str, fault: str, target: str, t0: int, t1: int | None, detail: str) -> Label:
        """Note a fault with its span; ``t1`` None: still open."""
        label = {
            "device": device,
            "fault": fault,
            "target": target,
            "t0": self._start + t0,
            "t1": OPEN if t1 is None else self._start + t1,
            "detail": detail,
        }
        self._faults.append(label)
        return label

    def end(self, label: Label, t: int) -> None:
        """Note the end of a fault."""
        label["t1"] = self._start + t

    def ended(self, device: str, target: str, t: int) -> None:
        """Note the end of the open faults on a target."""
        for row in self._faults:
            if row["t1"] == OPEN and row["device"] == device and row["target"] == target:
                row["t1"] = self._start + t

    def health(self, device: list[str], component: str, life: Ints, t: Ints, wear: Floats) -> None:
        """Note wear of one component of many devices, one row each."""
        columns = {
            "device": device,
            "component": [component] * len(device),
            "life": life,
            "t": self._start + t,
            "health": 1.0 - wear,
            "wear": wear,
        }
        self._health.append(pa.table(columns, schema=truth.HEALTH))

    def tables(self) -> dict[str, pa.Table]:
        """Return the truth so far, by the names of ``core.truth.FILES``."""
        return {
            "lives": pa.Table.from_pylist(self._lives, schema=truth.LIVES),
            "faults": pa.Table.from_pylist(self._faults, schema=truth.FAULTS),
            "health": pa.concat_tables([truth.HEALTH.empty_table(), *self._health]),
        }

    def write(self, folder: Path) -> None:
        """Write the truth so far; files are replaced whole."""
        from pyarrow import parquet

        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self.tables().items():
            scratch = folder / f"{name}.parquet.part"
            parquet.write_table(table, scratch)
            scratch.replace(folder / f"{name}.parquet")
