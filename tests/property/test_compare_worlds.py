"""What a comparison rests on: the same lives under every policy, and a world that does not feel being looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulator.counters import counters
from simulator.truth import TruthLog
from testbed.compare import run as module
from testbed.compare.run import _Run, run
from testbed.compare.task import Plan, Task
from testbed.scenario import Scenario
from tests.compare_plant import plant

OFTEN = Plan("periodic", {"filler": 2 * 86_400.0, "capper": 3 * 86_400.0, "pump": 2 * 86_400.0})


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    return plant(tmp_path_factory.mktemp("plant"))


@pytest.mark.parametrize("seed", [1, 2])
def test_the_kth_life_draws_the_same_under_every_policy(scenario: Scenario, seed: int) -> None:
    """Paths of equal number are equal bit for bit, though they begin at other times."""
    worlds = []
    for plan in (Plan(), OFTEN):
        one = _Run(Task(scenario, seed, 14, plan))
        one.run()
        worlds.append(one.world)
    compared = 0
    for path in worlds[0].assets:
        for name in worlds[0].assets[path].components:
            mine, theirs = (_lives(w, path, name) for w in worlds)
            for number in mine.keys() & theirs.keys():
                assert mine[number].tobytes() == theirs[number].tobytes(), (path, name, number)
                compared += 1
    assert compared > 12


def _lives(world: Any, path: str, name: str) -> dict[int, np.ndarray]:
    """Return the wear path of each life that a component has had."""
    component = world.assets[path].components[name]
    model, generator = component._model, component._generator
    drawn = {}
    for number in range(component.life.number + 1):
        again = model.path(generator(number))
        drawn[number] = np.concatenate([again.levels, [again.step_s, again.life_s, again.used_s]])
    now = component.life.path
    assert (
        drawn[component.life.number].tobytes()
        == np.concatenate([now.levels, [now.step_s, now.life_s, now.used_s]]).tobytes()
    )
    return drawn


def test_looking_changes_nothing(scenario: Scenario) -> None:
    """Books are the same with and without rendering."""
    blind, seen = (run(Task(scenario, 5, 10, Plan(), record)) for record in ("", "windows"))
    assert blind.ledger.equals(seen.ledger)
    assert blind.spans.equals(seen.spans)
    assert blind.figures == pytest.approx(seen.figures, rel=0, abs=0, nan_ok=True)


def test_no_feature_can_read_truth(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a truth that is never written, windows are the same bit for bit, and so are the books."""
    honest = run(Task(scenario, 6, 10, Plan(), "windows"))

    class Poisoned(TruthLog):
        def life(self, device: str, component: Any, t: int, end: str) -> None:
            super().life(device, component, self._start + 7, "maintenance")

        def health(self, *_: Any) -> None:
            raise AssertionError("a comparison must not even write health")

    monkeypatch.setattr("simulator.world.TruthLog", Poisoned)
    poisoned = run(Task(scenario, 6, 10, Plan(), "windows"))
    assert honest.record is not None
    assert poisoned.record is not None
    assert not honest.lives.equals(poisoned.lives), "the poison must have taken"
    assert honest.ledger.equals(poisoned.ledger)
    assert honest.record.windows.keys() == poisoned.record.windows.keys()
    for name, windows in honest.record.windows.items():
        other = poisoned.record.windows[name]
        for stat, values in windows.values.items():
            assert values.tobytes() == other.values[stat].tobytes(), (name, stat)


def test_packs_and_parts_balance(scenario: Scenario) -> None:
    one = _Run(Task(scenario, 7, 12, OFTEN))
    result = one.run()
    made = {path.rsplit("/", 1)[1]: counters(asset) for path, asset in one.world.assets.items()}
    for path, count in made.items():
        assert count.made == count.good + count.scrap, path
    assert made["capper-01"].made <= made["filler-01"].good
    waiting = len(one.world.assets["small/line/capper-01"].inputs[0]) * 4800
    assert made["filler-01"].good - made["capper-01"].made <= waiting + 2 * 4800
    item = np.array(result.ledger.column("item").to_pylist())
    quantity = result.ledger.column("quantity").to_numpy()
    assert quantity[item == "planned_parts"].sum() == result.figures["maintenances"] > 0
    assert result.orders["ordered"] >= result.orders.get("done", 0) > 0
    assert module.run(Task(scenario, 7, 12, OFTEN)).ledger.equals(result.ledger), "a run is a function of its task"


def test_machines_of_the_calendar_stand_still_outside_it(scenario: Scenario) -> None:
    one = _Run(Task(scenario, 8, 8, Plan()))
    one.run()
    filler = one.world.assets["small/line/filler-01"]
    limit = 8 * 16 * 3600 * 6000 / 3600  # packs in eight days of two shifts at full pace; one of them is a Sunday
    assert 0.3 * limit < counters(filler).made <= limit * 7 / 8
