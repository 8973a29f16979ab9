"""What a model saw, in plain words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from analytics.detectors.zones import zone
from analytics.filters import States
from analytics.slots import Slot
from analytics.windows import Floats

_PLAIN = {"Cel": "°C", "1": "", "/min": "/min", "m3/h": "m³/h", "m/s2": "m/s²"}


def plain(slot: Slot) -> str:
    """Return a slot's name as a person says it."""
    name, _, nth = slot.name.partition("#")
    return name.replace("-", " ").replace(".", " ") + (f" {nth}" if nth else "")


def quantity(value: float, slot: Slot) -> str:
    """Return a value with its unit."""
    return f"{value:.3g} {_PLAIN.get(slot.unit, slot.unit)}".rstrip()


def leading(drift: Floats) -> int:
    """Return the slot that deviates most, -1 where none is known; ``drift: float64[s]`` in sigma."""
    return int(np.nanargmax(np.abs(drift))) if bool(np.isfinite(drift).any()) else -1


def deviation(states: States, row: int, slots: list[Slot], drift: Floats) -> tuple[str, dict[str, float]]:
    """Return what stands out of an asset in words and as evidence."""
    j = leading(drift)
    if j < 0:
        return "", {}
    level, base = float(states.level[row, j]), float(states.base[row, j])
    text = f"{plain(slots[j])} is {quantity(level, slots[j])}, it was {quantity(base, slots[j])} when new"
    return text, {f"{slots[j].name}.level": level, f"{slots[j].name}.base": base, "drift_sigma": float(drift[j])}


def finding_text(detector: str, score: float, what: str) -> str:
    """Return the text of a raised finding."""
    if detector == "zones":
        return f"vibration has reached zone {zone(score)} of ISO 20816-3" + (f": {what}" if what else "")
    if detector == "fleet":
        return f"differs from its peers by {score:.1f} sigma" + (f": {what}" if what else "")
    return f"behaves unlike itself: {what}" if what else "behaves unlike the healthy fleet"


def severity_high(detector: str, score: float, threshold: float) -> bool:
    """Tell whether a finding is an alarm rather than a warning."""
    return score >= 3.0 if detector == "zones" else score >= 2.0 * threshold


def newest(values: Mapping[str, float]) -> dict[str, float]:
    """Return evidence rounded for people."""
    return {name: round(value, 4) for name, value in values.items() if np.isfinite(value)}
