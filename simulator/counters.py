"""What a machine has made and used so far, from the state columns of its kind: one place that knows their names."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.asset import Asset


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the beginning of the world: kW.h, and units made, good and scrapped."""

    energy: float = 0.0
    made: float = 0.0
    good: float = 0.0
    scrap: float = 0.0

    def __sub__(self, other: Counters) -> Counters:
        return Counters(
            self.energy - other.energy, self.made - other.made, self.good - other.good, self.scrap - other.scrap
        )


def counters(asset: Asset) -> Counters:
    """Return a machine's totals at the present instant; packs are counted whole."""
    has = asset.columns
    energy = asset.get("energy") if "energy" in has else 0.0
    if "reject_share" in has:
        made = asset.get("made")
        scrap = float(int(asset.get("reject_base") + asset.get("reject_share") * made + 1e-6))
        return Counters(energy, float(int(made + 1e-6)), float(int(made + 1e-6)) - scrap, scrap)
    if "parts" in has and "scrap" in has:
        good, scrap = asset.get("parts"), asset.get("scrap")
        return Counters(energy, good + scrap, good, scrap)
    return Counters(energy)
