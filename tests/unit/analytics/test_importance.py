"""Feature reports: what decides ranks first, what does not is told apart, in both languages."""

import json
import re

import numpy as np
import pytest

from analytics.history_report import of_history, variables_of
from analytics.importance import grouped, rank
from core.errors import ModelError
from core.spec import Name

METRIC, JUDGED = Name("정확도", "accuracy"), Name("평가 자료", "held-out rows")


def report(trials=5, error=False):
    """Return the report of a rule that looks at a (twice as much as b), and never at c; d is a derived twin pair."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(trials):
        x = rng.standard_normal((400, 4))
        y = 2 * x[:, 0] + x[:, 1]

        def score(z, y=y):
            return -float(np.mean((2 * z[:, 0] + z[:, 1] - y) ** 2))

        made.append(grouped(x, {"a": np.array([0, 3]), "b": np.array([1]), "c": np.array([2])}, score))
    words = {"a": (Name("가", "alpha"), "mm/s"), "b": (Name("나", "beta"), "1"), "c": (Name("다", "gamma"), "1")}
    return rank(made, words, METRIC, JUDGED, error=error)


def test_what_decides_comes_first_and_what_does_not_is_not_recommended():
    told = report()
    assert [i.variable for i in told.items] == ["a", "b", "c"]
    assert [i.variable for i in told.worth] == ["a", "b"]
    a, b, c = told.items
    assert a.fall == pytest.approx(8.0, rel=0.15)  # shuffling doubles the variance of 2a: 2 * 4
    assert b.fall == pytest.approx(2.0, rel=0.15)
    assert a.low < a.fall < a.high
    assert c.fall == 0.0


def test_one_held_out_part_takes_its_interval_from_the_shuffles():
    a = report(trials=1).items[0]
    assert 0 < a.high - a.low < a.fall


def test_the_words_are_for_people_in_both_languages():
    told = report(error=True)
    english, korean = told.text(), told.text("ko")
    line = english.splitlines()[1]
    assert re.match(r" 1\. alpha \(mm/s\): accuracy -?0 -> [78]\.\d* without it", line), line
    assert "of no proven use here: gamma" in english
    assert "1. 가 (mm/s)" in korean
    assert "다" in korean.splitlines()[-2]
    assert json.loads(json.dumps(told.as_json()))["worth_tracking"] == ["a", "b"]


def test_a_history_tells_which_quantity_foresees_failures(history, trained):
    told = of_history(history, 7, trained.models["machines"], at_most=1500)
    assert told.items[0].variable in ("vibration-velocity", "age")
    assert "vibration-velocity" in {i.variable for i in told.worth}
    assert "electric-current" not in {i.variable for i in told.items[:2]}
    assert "assets held out" in told.text()
    names = {i.variable for i in told.items}
    assert {"vibration-velocity", "temperature", "age", "duty"} <= names
    assert not any(n.endswith("_drift") for n in names)


def test_columns_of_a_variable_are_shuffled_together(trained):
    columns = variables_of(trained.models["machines"].infos)
    assert len(columns["vibration-velocity"]) == 4
    assert len(columns["age"]) == 2


def test_a_folder_without_history_is_refused(tmp_path):
    with pytest.raises(ModelError, match="holds no history"):
        of_history(tmp_path)
