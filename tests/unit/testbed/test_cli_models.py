"""`testbed models`: wrong requests get one clear line, a run's models are listed and shown."""

import json

import pytest
from typer.testing import CliRunner

from core.errors import TestbedError
from testbed.cli_models import app

CARD = {
    "name": "rotating", "asset_kind": "pump", "failures": 7, "trained_rows": 100, "data_end": 1_760_000_000 * 10**9,
    "metrics": {"roc_auc": 0.9, "brier": 0.02, "rul_mae": 7200.0}, "features": [{"name": "a.level"}],
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    place = tmp_path / "models" / "rotating"
    place.mkdir(parents=True)
    (place / "card.json").write_text(json.dumps(CARD))
    return tmp_path


def call(*words):
    return CliRunner().invoke(app, [str(w) for w in words])


def test_a_run_without_models_says_so(tmp_path):
    error = call("list", "--run", tmp_path).exception
    assert isinstance(error, TestbedError)
    assert "holds no model" in str(error)
    assert "\n" not in str(error)


def test_models_are_listed_and_shown(run):
    (row,) = json.loads(call("list", "--run", run, "--json").stdout)
    assert (row["model"], row["role"], row["failures"], row["rul_mae_h"]) == ("rotating", "champion", 7, 2.0)
    assert json.loads(call("show", "rotating", "--run", run, "--json").stdout)["promotions"] == []
    assert "rotating" in call("list", "--run", run).stdout
    assert "a.level" in call("show", "rotating", "--run", run).stdout


def test_unknown_models_and_missing_challengers_get_one_line(run):
    error = call("show", "pumps", "--run", run).exception
    assert "there are: rotating" in str(error)
    error = call("promote", "rotating", "--run", run).exception
    assert isinstance(error, TestbedError)
    assert "has no challenger" in str(error)
