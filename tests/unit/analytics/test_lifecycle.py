"""Champion and challenger: only what is better beyond chance is promoted, and a line says so."""

import json
import shutil

import numpy as np
import pytest

from analytics import registry
from analytics.config import AnalyticsConfig
from analytics.history import FolderHistory
from analytics.lifecycle import AUDIT, OLD, Duel, SpanHistory, audit, duel, fought, offer, promote
from analytics.train import train_from_history
from core.errors import ModelError


@pytest.fixture(scope="module")
def half(history, config):
    """A model that learnt from the first part of the history, and where that ends."""
    folder = FolderHistory(history)
    ends = sorted(e.t for e in folder.events())
    cut = ends[0] + (ends[-1] - ends[0]) * 7 // 10
    few = AnalyticsConfig.model_validate({"groups": [few_group(config)], "filters": config.filters})
    return train_from_history(SpanHistory(folder, cut), few, 1, strict=True).models["machines"], cut


def few_group(config):
    trees = {"iterations": 20, "folds": 2}
    return config.groups[0].model_copy(
        update={"prognosis": type(config.groups[0].prognosis)(horizon="10h", min_failures=5, trees=trees)}
    )


def test_a_span_ends_where_it_says(history, half):
    folder, cut = FolderHistory(history), half[1]
    layout = folder.catalog.layouts["pump.health"]
    rows = SpanHistory(folder, cut).rows(layout, ["vibration"])
    assert rows.t.max() < cut
    assert max(e.t for e in SpanHistory(folder, cut).events()) < cut
    assert half[0].card["data_end"] <= cut + 60 * 10**9


def test_a_model_does_not_beat_itself(history, config, half):
    model, cut = half
    found = duel(FolderHistory(history), config, config.groups[0], model, model, cut)
    assert found.gain == 0.0
    assert not found.won
    assert found.failures > 0
    assert found.champion < found.of_mean


def test_a_sound_model_beats_one_whose_chances_are_turned_round(history, config, half):
    model, cut = half
    other = train_wrong(history, config, cut)
    found = duel(FolderHistory(history), config, config.groups[0], other, model, cut)
    assert found.won, found.text()
    assert not duel(FolderHistory(history), config, config.groups[0], model, other, cut).won


def train_wrong(history, config, cut):
    """Return a model whose chances are turned round."""
    model = train_from_history(SpanHistory(FolderHistory(history), cut), AnalyticsConfig.model_validate(
        {"groups": [few_group(config)], "filters": config.filters}), 1, strict=True).models["machines"]  # fmt: skip
    model.prognoser._failure._slope *= -1.0
    return model


def a_duel(won):
    low = 0.001 if won else -0.01
    return Duel(100, 5, 7, 0, 0.05, 0.04, 0.1, 0.01, low, 0.02)


def test_promotion_needs_a_win_or_a_person_who_insists(half, tmp_path):
    place = tmp_path / "machines"
    registry.save(half[0], place)
    with pytest.raises(ModelError, match="no challenger"):
        promote(place, "kim", 5)
    before = json.loads((place / "card.json").read_text())
    half[0].card["seed"] = 4711
    offer(half[0], a_duel(False), place)
    with pytest.raises(ModelError, match="does not beat"):
        promote(place, "kim", 5)
    line = promote(place, "kim", 5, force=True)
    assert line["forced"]
    assert registry.load(place).card["seed"] == 4711
    assert json.loads((place / OLD / "card.json").read_text())["seed"] == before["seed"]
    offer(half[0], a_duel(True), place)
    assert fought(place).won
    promote(place, "lee", 6)
    assert [(a["who"], a["forced"]) for a in audit(place)] == [("kim", True), ("lee", False)]
    assert not (place / "challenger").exists()


def test_a_broken_challenger_replaces_nothing(half, tmp_path):
    place = tmp_path / "machines"
    registry.save(half[0], place)
    offer(half[0], a_duel(True), place)
    (place / "challenger" / "model.skops").write_bytes(b"no")
    with pytest.raises(ModelError, match="no model file of ours"):
        promote(place, "kim", 5)
    assert np.isfinite(registry.load(place).prognoser.horizon_s)
    assert not (place / AUDIT).exists()
    shutil.rmtree(place)
