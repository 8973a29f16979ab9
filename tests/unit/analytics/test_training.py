import json
import zipfile

import numpy as np
import pytest
from fleet import Fleet, layouts

from analytics import registry
from analytics.config import AnalyticsConfig, GroupConfig
from analytics.history import FolderHistory, StoreHistory
from analytics.replayed import failing_kinds, replay
from analytics.train import train_from_history
from core.batch import Batch
from core.errors import ModelError
from core.tables import to_table


def test_the_card_says_where_a_model_comes_from(trained, fleet, cut):
    card = trained.models["machines"].card
    assert trained.refusals == []
    assert card["asset_kind"] == "fan, pump"
    assert card["failures"] == sum(e.name == "failure" and e.t < cut for e in fleet.events)
    assert card["data_end"] == cut
    assert card["trained_rows"] > 500
    assert all({"name", "unit", "formula"} <= f.keys() for f in card["features"])
    assert card["metrics"]["roc_auc"] > 0.95
    assert card["metrics"]["rul_mae"] < 0.6 * card["metrics"]["rul_mae_of_mean"]
    assert 0.8 <= card["metrics"]["coverage"] <= 0.99
    json.dumps(trained.report())


def test_the_same_seed_gives_the_same_model(history, config, trained):
    again = train_from_history(history, config, 7).models["machines"]
    first = trained.models["machines"]
    assert again.card["metrics"] == first.card["metrics"]
    assert [d.threshold for d in again.detectors] == [d.threshold for d in first.detectors]


def test_too_few_failures_are_refused_in_one_clear_line(tmp_path):
    folder = Fleet(kinds=("pump",), per_kind=3, hours=100, seed=1).write(tmp_path / "h")
    with pytest.raises(ModelError, match=r"needs at least 20 observed failures, the history has \d+: lengthen"):
        train_from_history(folder, AnalyticsConfig(), 1, strict=True)
    models = train_from_history(folder, AnalyticsConfig(), 1)
    assert len(models.refusals) == 1
    assert models.models["machines"].prognoser is None
    assert [d.name for d in models.models["machines"].detectors] == ["drift", "zones"]


@pytest.mark.parametrize("shift", [0, 10, 30])
def test_a_grid_finer_than_the_history_still_learns(tmp_path, shift):
    """Rows once a minute on a grid of 10 s: only one window in six has a value, wherever it lies."""
    made = Fleet(kinds=("pump",), per_kind=2, hours=60, life_h=10, seed=2)
    made.batches = [Batch(b.layout, b.stream, b.sid, b.seq, b.t + shift * 10**9, b.x, b.q) for b in made.batches]
    group = GroupConfig(kinds=("pump",), prognosis=None)
    config = AnalyticsConfig(grid="10s", groups=(group,))
    samples = replay(FolderHistory(made.write(tmp_path / "h")), config, group, ["pump"]).samples
    assert len(samples.t) > 2 * 60 * 2
    assert samples.weight.sum() == pytest.approx(2 * 60 * 3600, rel=0.3)


def test_a_history_without_any_failure_is_refused(tmp_path):
    folder = Fleet(kinds=("pump",), per_kind=1, hours=5, life_h=500).write(tmp_path / "h")
    (folder / "events.jsonl").write_text('{"device": "d", "name": "maintained", "t": 5}\n{"id": "x", "device": "d"}\n')
    assert train_from_history(folder, AnalyticsConfig(), 1).refusals == [
        "machines: no asset failed in the history: lengthen history.days or speed up wear"
    ]


def test_no_folder_and_no_rows_are_refused(tmp_path, fleet):
    with pytest.raises(ModelError, match=r"catalog\.json is missing"):
        train_from_history(tmp_path, AnalyticsConfig(), 1)
    fleet.catalog.save(tmp_path / "catalog.json")
    config = AnalyticsConfig(groups=(GroupConfig(kinds=("pump",)),))
    with pytest.raises(ModelError, match="no rows of the assets"):
        train_from_history(tmp_path, config, 1, strict=True)


def test_all_bad_values_are_refused(tmp_path):
    made = Fleet(kinds=("pump",), per_kind=2, hours=30, life_h=5, seed=1)
    made.batches = [Batch(b.layout, b.stream, b.sid, b.seq, b.t, b.x, np.zeros_like(b.q)) for b in made.batches]
    with pytest.raises(ModelError, match="nothing to learn from"):
        train_from_history(made.write(tmp_path / "h"), AnalyticsConfig(), 1, strict=True)


def test_lives_are_learned_from_states_where_no_events_are_told(history, config, fleet, cut):
    class Mute(FolderHistory):
        def events(self):
            return []

    mute = Mute(history)
    kinds = failing_kinds(mute)
    assert kinds == ["fan", "pump"]
    told = replay(FolderHistory(history), config, config.groups[0], kinds)
    seen = replay(mute, config, config.groups[0], kinds)
    assert [life.end for life in seen.lives] == [life.end for life in told.lives]
    assert max(abs(a.t1 - b.t1) for a, b in zip(seen.lives, told.lives, strict=True)) <= 60e9


def test_a_store_gives_the_same_model_as_the_folder(history, config, trained, fleet, cut):
    class Reader:
        def rows(self, layout, start, end, devices=()):
            import pyarrow as pa

            return pa.concat_tables(
                [to_table(b.take((b.t >= start) & (b.t < end))) for b in fleet.batches if b.layout.name == layout]
            )

        def notes(self, kind, start, end, device=""):
            return [e for e in fleet.events if isinstance(e, kind) and start <= e.t < end]

    models = train_from_history(StoreHistory(Reader(), fleet.catalog, 0, cut), config, 7)
    assert models.models["machines"].card["metrics"] == trained.models["machines"].card["metrics"]


def test_a_saved_model_is_the_same_model(trained, tmp_path):
    model = trained.models["machines"]
    registry.save(model, tmp_path / "m")
    again = registry.load(tmp_path / "m")
    x = np.random.default_rng(0).normal(size=(40, len(model.infos)))
    a, b = model.prognoser.predict(x), again.prognoser.predict(x)
    np.testing.assert_array_equal(a.rul_s, b.rul_s)
    np.testing.assert_array_equal(a.p_failure, b.p_failure)
    for mine, theirs, columns in zip(model.detectors, again.detectors, model.columns(), strict=True):
        np.testing.assert_array_equal(mine.score(x[:, columns]), theirs.score(x[:, columns]))
    np.testing.assert_array_equal(model.fleet.norm(["pump"]).spread, again.fleet.norm(["pump"]).spread)
    assert again.card == json.loads(json.dumps(model.card))
    assert (again.slots, again.grid_ns, again.filters) == (model.slots, model.grid_ns, model.filters)


def test_foreign_models_are_refused_in_one_line(trained, tmp_path):
    import skops.io
    from sklearn.gaussian_process.kernels import RBF

    with pytest.raises(ModelError, match="holds no model"):
        registry.load(tmp_path)
    folder = tmp_path / "m"
    registry.save(trained.models["machines"], folder)
    card = json.loads((folder / "card.json").read_text())

    (folder / "card.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(ModelError, match="format 99"):
        registry.load(folder)
    old = {**card, "versions": {**card["versions"], "scikit-learn": "0.1.0"}}
    (folder / "card.json").write_text(json.dumps(old))
    with pytest.raises(ModelError, match=r"trained with scikit-learn 0\.1\.0"):
        registry.load(folder)
    (folder / "card.json").write_text(json.dumps(card))

    skops.io.dump({"x": Foreign(), "k": RBF()}, folder / "model.skops")
    with pytest.raises(ModelError, match="foreign types"):
        registry.load(folder)
    (folder / "model.skops").write_bytes(b"no zip")
    with pytest.raises(ModelError, match="no model file of ours"):
        registry.load(folder)
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("other.txt", "hello")
    with pytest.raises(ModelError, match="no model file of ours"):
        registry.load(folder)


class Foreign:
    """A type that a stranger's file might hold."""


def test_no_column_of_the_plan_can_read_truth(history, config):
    plan = replay(FolderHistory(history), config, config.groups[0], ["pump"]).plan
    process, health = layouts("pump")
    known = {c.name for c in (*process.channels, *health.channels)}
    assert {c for name in plan.layouts for c in plan.channels(name)} <= known
    assert "energy" not in plan.channels("pump.process")  # a counter would tell the age of the world
