"""A deviation points to the mode whose quantities deviate."""

import numpy as np

from analytics.attribution import hits, shares, words
from analytics.slots import Slot

SLOTS = [
    Slot("vibration-velocity", "vibration-velocity", "mm/s"),
    Slot("vibration-velocity#2", "vibration-velocity", "mm/s"),
    Slot("temperature", "temperature", "Cel"),
    Slot("pressure", "pressure", "bar"),
]


def test_the_leading_mode_is_named_whichever_way_it_deviates():
    found = shares(np.array([8.0, 9.0, 3.0, 0.5]), SLOTS)
    assert next(iter(found)) == "bearing"
    assert abs(sum(found.values()) - 1.0) < 1e-12
    assert "bearing" in words(found)
    assert next(iter(shares(np.array([0.5, 0.5, 1.0, -6.0]), SLOTS))) == "hydraulics"


def test_nothing_known_nothing_named():
    assert shares(np.full(4, np.nan), SLOTS) == {}
    assert shares(np.zeros(4), SLOTS) == {}
    assert words({}) == ""
    assert words({"heat": 0.4, "drive": 0.35, "bearing": 0.25}) == ""


def test_attribution_is_scored_beside_naming_the_commonest():
    cases = [{"bearing": 0.9, "heat": 0.1}, {"heat": 0.8}, {"heat": 0.6}, {}]
    found = hits(cases, ["bearing", "heat", "bearing", "bearing"])
    assert found == {"cases": 4, "accuracy": 0.5, "commonest": 0.75}
