"""Plots of every equipment kind before and after a fault, for ``testbed gallery``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from core.clock import NS
from simulator.domain import DomainConfig
from simulator.equipment.base import EquipmentConfig
from simulator.faults import FaultConfig, WearFault
from simulator.fleet import Sampling
from simulator.grid import Floats
from simulator.kinds import Equipment
from simulator.world import World, WorldConfig

_START = 1_735_729_200 * NS  # 2025-01-01 20 h in Seoul: lamps are lit
_HOUR = 3600 * NS
_BEGINS, _END = 2 * _HOUR, 4 * _HOUR
_ALONE = ("generic", "replay")  # what they show is in their own files
_COLUMNS = 5


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The channel of a kind that a fault changes most: hours and values, float64[n]."""

    kind: str
    fault: str
    channel: str
    hours: Floats
    values: Floats


def kinds() -> dict[str, type[EquipmentConfig]]:
    """Return the kinds that are shown."""
    found = {kind.model_fields["kind"].default: kind for kind in get_args(get_args(Equipment)[0])}
    return {name: kind for name, kind in found.items() if name not in _ALONE}


def course(name: str, seed: int = 7) -> Course:
    """Return what one device of a kind shows over four hours; the kind's first fault strikes after two."""
    entry = {"kind": name, "area": "a", "id": "it", "position": {"lat": 37.55, "lon": 126.99}}
    domain = DomainConfig.model_validate({"domain": "factory", "site": "s", "equipment": [entry]})
    faults = domain.equipment[0].asset().faults
    chosen = next((f for f, kind in faults.items() if isinstance(kind, WearFault)), next(iter(faults)))
    # a part that wears lives on for two hours and a bit; it is about to fail at the end
    args = {"fails_in": "125m"} if isinstance(faults[chosen], WearFault) else {}
    struck = FaultConfig.model_validate({"at": "2h", "device": "it", "fault": chosen, "args": args})
    config = WorldConfig(domains=(domain,), faults=(struck,))
    world = World(config, _START, seed, Sampling(60 * NS, 600 * NS, NS))
    world.advance(_END)
    best, score = Course(name, chosen, "-", np.zeros(1), np.zeros(1)), -1.0
    for batch in world.render(0, _END):
        for n, channel in enumerate(batch.layout.channels):
            values, hours = batch.x[:, n], (batch.t - _START) / float(_HOUR)
            early, late = values[(hours > 0.5) & (hours < 2)], values[hours > 3.6]
            if channel.states is not None or channel.group == "consumption" or len(values) < 60 or not len(late):
                continue
            told = 1e3 if channel.group == "health" and args else 1.0  # wear is first of all seen there
            change = told * abs(float(np.nanmean(late) - np.nanmean(early))) / (float(np.nanstd(early)) + 1e-3)
            if change > score:
                best, score = Course(name, chosen, f"{channel.name}, {channel.unit}", hours, values), change
    return best


def draw(file: Path) -> None:
    """Draw all kinds on one sheet."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    shown = [course(name) for name in kinds()]
    rows = -(-len(shown) // _COLUMNS)
    figure, axes = pyplot.subplots(rows, _COLUMNS, figsize=(15, 2.1 * rows))
    for axis in axes.flat[len(shown) :]:
        axis.axis("off")
    for axis, one in zip(axes.flat, shown, strict=False):
        axis.plot(one.hours, one.values, linewidth=0.7)
        axis.axvline(_BEGINS / _HOUR, color="red", linewidth=0.7)
        axis.set_title(f"{one.kind}: {one.fault}", fontsize=8)
        axis.set_ylabel(one.channel, fontsize=6)
        axis.tick_params(labelsize=6)
    figure.tight_layout()
    figure.savefig(file, dpi=60)
    pyplot.close(figure)
