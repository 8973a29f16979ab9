"""Keeps the books of one run: states and counters in, ledger, spans and figures out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analytics.kpi import Tally, tally, total
from core.clock import NS
from core.command import Event
from core.spec import DeviceSpec
from simulator.asset import Asset
from simulator.counters import Counters, counters
from simulator.grid import Ints
from simulator.process.making import Maker
from simulator.states import STATES, State
from testbed.compare.calendar import Calendar
from testbed.compare.config import CompareConfig
from testbed.compare.ledger import SPANS, Ledger, late_trucks

_MEMORY = 0.3  # weight of the latest shift
_GROUPS = ("maintenance", "downtime", "scrap", "late", "energy")


class Books:
    """Of a world with its machines.

    Parameters
    ----------
    config
        Prices, calendar, orders.
    assets
        Machines by path, in the order of the world's devices.
    start
        UTC ns of the run's begin.
    maintained
        Kinds that policies look after.
    """

    def __init__(
        self, config: CompareConfig, assets: Mapping[str, Asset], start: int, maintained: Iterable[str]
    ) -> None:
        self.config = config
        self.calendar = Calendar(config.calendar)
        self.ledger = Ledger(config.costs)
        self._assets = assets
        self._start = start
        self._maintained = set(maintained)
        self._changes: list[tuple[Ints, Ints, Ints]] = []
        self._since = {path: Counters() for path in assets}
        self._good: dict[str, list[float]] = {p: [] for p, a in assets.items() if a.spec.kind == config.orders.kind}
        self._shifts = 0
        self._seen = dict(self._since)
        self._shifts_a_day = config.calendar.days / 7.0 * config.calendar.shifts
        self.loss = {p: 0.0 for p, a in assets.items() if config.costs.of(a.spec.kind).scrap}

    def states(self, changes: tuple[Ints, Ints, Ints]) -> None:
        """Take in changes of state: (UTC ns, place of the machine, state)."""
        self._changes.append(changes)

    def shift(self, events: Iterable[Event]) -> None:
        """Take in the events of the shift that is over, and read the counters."""
        for event in events:
            if event.name in ("repaired", "maintained") and event.device in self.loss:
                self.loss[event.device] = 0.0  # new parts: their loss is measured afresh
            if event.name == "tool-changed":
                kind = self._assets[event.device].spec.kind
                self.ledger.add(event.t, event.device, kind, "tool", 1.0, self.config.costs.of(kind).planned_parts)
        self._lose()
        self._shifts += 1
        if self._shifts % self.calendar.a_day == 0:
            self._day()

    def _lose(self) -> None:
        """Keep what scrap costs a day (KRW): a running mean over the shifts that made something."""
        for path in self.loss:
            asset = self._assets[path]
            now = counters(asset)
            made, self._seen[path] = now - self._seen[path], now
            if made.made > 0:
                krw = made.scrap * self.config.costs.of(asset.spec.kind).scrap * self._shifts_a_day
                self.loss[path] += _MEMORY * (krw - self.loss[path]) if self.loss[path] else krw

    def _day(self) -> None:
        t = self._start + self._shifts * self.calendar.shift
        worked = any(self.calendar.works(self._shifts - 1 - k) for k in range(self.calendar.a_day))
        for path, asset in self._assets.items():
            now = counters(asset)
            made, kind = now - self._since[path], asset.spec.kind
            self._since[path] = now
            self.ledger.add(t, path, kind, "energy", made.energy, self.config.costs.energy_kwh)
            self.ledger.add(t, path, kind, "scrap", made.scrap, self.config.costs.of(kind).scrap)
            if path in self._good and worked:
                self._good[path].append(made.good)

    def close(self) -> tuple[dict[str, float], pa.Table, pa.Table]:
        """Return figures, ledger and spans."""
        if self._shifts % self.calendar.a_day:
            self._day()
        spans: list[pa.Table] = []
        tallies: dict[str, Tally] = {}
        t, device, state = (np.concatenate(column) for column in zip(*self._changes, strict=True))
        for place, (path, asset) in enumerate(self._assets.items()):
            mine = device == place
            begin = np.concatenate([[0], t[mine] - self._start]).astype(np.int64)
            codes = np.concatenate([[int(State.IDLE)], state[mine]]).astype(np.int64)
            tallies[path] = self._unit(asset, codes, begin, spans)
        self._late()
        ledger = self.ledger.table()
        return self._figures(tallies, ledger), ledger, pa.concat_tables(spans)

    def _unit(self, asset: Asset, codes: Ints, begin: Ints, spans: list[pa.Table]) -> Tally:
        """Note the costs of one machine's stops; return its tally."""
        spec, end = asset.spec, self._shifts * self.calendar.shift
        until = np.append(begin[1:], end).astype(np.int64)
        worked = self.calendar.worked(begin, until, self._shifts)
        spent = (until - begin) / NS
        busy = worked if spec.kind in self.config.calendar.kinds else spent
        for i in np.flatnonzero(_is_down(codes)).tolist():
            note = self.ledger.failure if codes[i] == State.FAILED else self.ledger.maintenance
            at_rest = busy[i] - worked[i]  # a machine that has no work then loses none
            note(self._start + int(begin[i]), spec.path, spec.kind, worked[i] / 3600.0, at_rest / 3600.0)
        down = _is_down(codes)
        names = [STATES[c] for c in codes[down].tolist()]
        spans.append(
            _spans(spec, names, begin[down] + self._start, until[down] + self._start, busy[down], worked[down])
        )
        made = self._since[spec.path]
        counts = {"made": made.made, "good": made.good, "scrap": made.scrap, "ideal": made.made * _pace(asset)}
        return tally(codes, begin, end, STATES, busy, float(busy.sum()), **counts)

    def _late(self) -> None:
        days = [
            d
            for d in range(-(-self._shifts // self.calendar.a_day))
            if any(self.calendar.works(d * self.calendar.a_day + k) for k in range(self.calendar.a_day))
        ]
        for path, good in self._good.items():
            for day, late in zip(days, late_trucks(good, self.config.orders), strict=False):
                t = self._start + (day + 1) * self.calendar.a_day * self.calendar.shift
                self.ledger.add(t, path, self._assets[path].spec.kind, "late", float(late), self.config.costs.late)

    def _figures(self, tallies: Mapping[str, Tally], ledger: pa.Table) -> dict[str, float]:
        plant = total(tallies.values())
        making = total(t for p, t in tallies.items() if isinstance(self._assets[p], Maker))
        worn = total(t for p, t in tallies.items() if self._assets[p].spec.kind in self._maintained)
        out = {
            "availability": 100.0 * plant.technical_availability,
            "oee": 100.0 * making.oee,
            "mtbf_h": plant.mtbf / 3600.0,
            "mttr_h": plant.mttr / 3600.0,
            "failures": float(plant.failures),
            "wear_failures": float(worn.failures),
            "unplanned_h": plant.unplanned / 3600.0,
            "unplanned_wear_h": worn.unplanned / 3600.0,
            "planned_h": plant.planned / 3600.0,
            "scrap": making.scrap,
            "good": making.good,
        }
        return out | costs_of(ledger)


def costs_of(ledger: pa.Table) -> dict[str, float]:
    """Return the figures that are sums over the ledger."""
    from testbed.compare.ledger import ITEMS

    item = np.asarray(ledger.column("item").to_pylist(), dtype=object)
    quantity = ledger.column("quantity").to_numpy()
    krw = ledger.column("krw").to_numpy()
    group = np.array([ITEMS[i][0] for i in item], dtype=object)
    out = {f"cost_{g}": float(krw[group == g].sum()) for g in _GROUPS}
    return out | {
        "cost_total": sum(out.values()),
        "late": float(quantity[item == "late"].sum()),
        "energy_kwh": float(quantity[item == "energy"].sum()),
        "maintenances": float(quantity[item == "planned_parts"].sum()),
    }


def _is_down(codes: Ints) -> NDArray[np.bool_]:
    return np.isin(codes, (int(State.FAILED), int(State.MAINTENANCE)))


def _pace(asset: Asset) -> float:
    """Return the planned time (s) a unit takes, 0 where nothing is made."""
    speed = getattr(asset.config, "speed", 0.0)
    if speed:
        return 3600.0 / float(speed)
    return getattr(asset.config, "cycle", 0) / NS if isinstance(asset, Maker) else 0.0


def _spans(
    spec: DeviceSpec, names: list[str], t0: Ints, t1: Ints, busy: NDArray[np.float64], worked: NDArray[np.float64]
) -> pa.Table:
    n = len(names)
    columns = [[spec.path] * n, [spec.kind] * n, names, t0, t1, busy, worked]
    return pa.table(dict(zip(SPANS.names, columns, strict=True)), schema=SPANS)
