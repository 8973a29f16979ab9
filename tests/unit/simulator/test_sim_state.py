from __future__ import annotations

import numpy as np
import pytest

from simulator.grid import Grid, cut, phase_of
from simulator.state import Ramp, Relax, StateTable, Step

S = 1_000_000_000


def grid(phases: list[int], period: int = S, burst: int = 1, every: int = 0) -> Grid:
    return Grid(period, burst, every or period, np.array(phases, dtype=np.int64))


def look(table: StateTable, name: str, g: Grid, t0: int, t1: int) -> np.ndarray:
    block = cut(g, g.before(t0), g.before(t1))
    assert block is not None
    position = np.full(len(g.phase), -1, dtype=np.intp)
    position[block.devices] = np.arange(len(block.devices))
    return table.look(name, block, position, block.devices)


def test_samples_lie_on_the_phase_and_are_counted_once() -> None:
    g = grid([0, 300], period=1000)
    assert g.before(0).tolist() == [0, 0]
    assert g.before(1).tolist() == [1, 0]
    assert g.before(300).tolist() == [1, 0]
    assert g.before(301).tolist() == [1, 1]
    assert g.before(-700).tolist() == [0, -1]
    assert g.time(np.array([[2, 2]]), np.arange(2)).tolist() == [[2000, 2300]]


def test_bursts_number_their_samples_through() -> None:
    g = grid([5], period=10, burst=4, every=100)
    t = g.time(np.arange(8)[:, None], np.array([0]))[:, 0]
    assert t.tolist() == [5, 15, 25, 35, 105, 115, 125, 135]
    for index, instant in enumerate(t.tolist()):
        assert g.before(instant).tolist() == [index]
        assert g.before(instant + 1).tolist() == [index + 1]


def test_phase_keeps_a_burst_inside_its_cycle() -> None:
    for key in range(500):
        assert 0 <= phase_of(key, 10, 4, 100) + 3 * 10 < 100


def test_changes_hold_from_their_instant_and_the_last_of_equal_instants_wins() -> None:
    table = StateTable(2, {"v": Step(1.0)}, 0)
    table.put(0, "v", 2 * S, 5.0)
    table.put(0, "v", 2 * S, 6.0)
    table.put(1, "v", 3 * S + 1, 7.0)
    assert look(table, "v", grid([0, 0]), 0, 5 * S).tolist() == [[1, 1], [1, 1], [6, 1], [6, 1], [6, 7]]


def test_committed_changes_are_the_next_base() -> None:
    table = StateTable(1, {"v": Step(1.0)}, 0)
    for t, value in ((S, 2.0), (2 * S, 3.0), (9 * S, 4.0)):
        table.put(0, "v", t, value)
    table.commit(3 * S)
    assert look(table, "v", grid([0]), 3 * S, 5 * S).tolist() == [[3], [3]]
    assert look(table, "v", grid([0]), 8 * S, 10 * S).tolist() == [[3], [4]]


def test_ramp_and_relax_follow_their_closed_forms() -> None:
    table = StateTable(1, {"level": Ramp(10.0, 2.0), "temp": Relax(20.0, 50.0)}, 0)
    table.put(0, "temp", 0, 20.0, 80.0)
    assert look(table, "level", grid([0]), 0, 4 * S)[:, 0].tolist() == [10, 12, 14, 16]
    assert look(table, "temp", grid([0]), 50 * S, 51 * S)[0, 0] == pytest.approx(80 - 60 * np.exp(-1))
    assert table.get(0, "level", 7 * S) == 24.0
    assert table.get(0, "temp", 50 * S) == pytest.approx(80 - 60 * np.exp(-1))
