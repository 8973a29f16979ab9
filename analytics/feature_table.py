"""Every feature there is, as a table of names, units and formulas."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.features import ASSET_FEATURES, SLOT_FEATURES
from analytics.physics import PHYSICS
from analytics.signals import SIGNAL_FEATURES


@dataclass(frozen=True, slots=True)
class Row:
    """One declared feature; ``unit`` "=" stands for the unit of the channel it is taken of."""

    of: str
    name: str
    unit: str
    formula: str


def declared() -> list[Row]:
    """Return the features of windows, slots and assets, in the order in which they are computed."""
    rows = [Row("waveform burst", f.name, f.unit, f.formula) for f in SIGNAL_FEATURES]
    rows += [Row("computed slot", name, law.unit, law.formula) for name, law in PHYSICS.items()]
    rows += [Row("slot", f.name, f.unit, f.formula) for f in SLOT_FEATURES]
    return rows + [Row("asset", f.name, f.unit, f.formula) for f in ASSET_FEATURES]
