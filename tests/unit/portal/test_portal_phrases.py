"""The sentences that the page says again in its language are those that the roles and the equipment say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from analytics import attribution
from analytics.explain import finding_text, quantity
from analytics.slots import Slot

HERE = Path(__file__).resolve().parents[3] / "portal"
_LINE = re.compile(r'^  \[/(.+)/, "([\w.]+)"', flags=re.M)
PHRASES = _LINE.findall((HERE / "static" / "phrases.js").read_text(encoding="utf-8"))
SLOT = Slot("vibration-velocity", "vibration-velocity", "mm/s")
WAS = f"vibration velocity is {quantity(2.15, SLOT)}, it was {quantity(0.846, SLOT)} when new"
POINTS = f"{WAS}: {attribution.words({'bearing': 0.97})}"
CHANCE = "99% chance to fail within 24 h, about 6 h left (1 to 9 h)"
SAID = {
    finding_text("drift", 9.0, WAS): "phrase.unlike",
    finding_text("drift", 9.0, ""): "phrase.unlike_fleet",
    finding_text("zones", 3.0, ""): "phrase.zone",
    finding_text("zones", 3.0, WAS): "phrase.zone_because",
    WAS: "phrase.was",
    CHANCE: "phrase.chance",
    f"{CHANCE}; {WAS}": "phrase.chance",
    POINTS: "phrase.points",
    f"{CHANCE}; {POINTS}": "phrase.chance",
    "36% chance to fail within 24 h: gently until it is maintained": "phrase.gently",
    f"36% chance to fail within 24 h: gently until it is maintained; {POINTS}": "phrase.gently",
    "4% chance to fail: full output again": "phrase.full_again",
    "battery at 31 %, a charger is free": "phrase.charger_free",
    "goods at 5.2 °C, 7.9 °C within 60 min, limit 7 °C; 6 pallets at stake": "phrase.goods_warming",
    "goods at 8.1 °C, and not falling, limit 7 °C; 6 pallets at stake": "phrase.goods_warm",
    "PM2.5 81 µg/m³ (median of 25 stations)": "phrase.dust",
    "inflow 410 m³/h, usual 120 m³/h: a burst main": "phrase.burst",
    "the zone is shut off: dig up and mend the main": "phrase.dig",
    "the main is mended": "phrase.mended",
    "green extended by 6 s, 11.9 s left": "phrase.green",
    "maintained in 60 s, replaced bearing": "phrase.replaced_in",
    "maintained in 60 s": "phrase.maintained_in",
    "bearing failed after 663.2 h of wear": "phrase.worn",
}


@pytest.mark.parametrize("said", SAID, ids=lambda said: SAID[said])
def test_what_is_said_is_understood(said: str) -> None:
    found = [key for pattern, key in PHRASES if re.search(pattern.replace("(?<", "(?P<"), said)]
    assert found[:1] == [SAID[said]]


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_phrase_uses_every_group(language: str) -> None:
    texts = json.loads((HERE / "texts" / f"{language}.json").read_text(encoding="utf-8"))
    for pattern, key in PHRASES:
        groups = set(re.findall(r"\(\?<(\w+)>", pattern))
        assert set(re.findall(r"\{(\w+)\}", texts[key])) == groups, key
    assert len({key for _, key in PHRASES}) == len(PHRASES) > 10


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_failure_mode_has_a_word(language: str) -> None:
    texts = json.loads((HERE / "texts" / f"{language}.json").read_text(encoding="utf-8"))
    assert {f"mode.{mode}" for mode in attribution.MODES} <= texts.keys()
