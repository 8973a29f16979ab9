from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import core.clock
from core.clock import NS, RunClock, mono_ns, parse_duration, wall_ns
from core.errors import TestbedError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", 90 * NS),
        ("1h30m", 5400 * NS),
        ("1 h 30 min", 5400 * NS),
        ("250ms", 250_000_000),
        ("1.5s", 1_500_000_000),
        ("30d", 30 * 86_400 * NS),
        ("7ns", 7),
        ("3us", 3000),
        (2, 2 * NS),
        (0, 0),
        (0.1, 100_000_000),
    ],
)
def test_durations(text: str | float, expected: int) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "  ", "90", "s", "1x", "1h30", "-5s", "1,5s", "1H", True, -1, math.inf, -math.inf, math.nan]
)
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(TestbedError, match="duration"):
        parse_duration(text)


@given(days=st.integers(0, 1000), hours=st.integers(0, 23), ms=st.integers(0, 999))
def test_parts_add_up(days: int, hours: int, ms: int) -> None:
    assert parse_duration(f"{days}d{hours}h{ms}ms") == ((days * 24 + hours) * 3600 * 1000 + ms) * 1_000_000


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The wall clock, to be set."""
    now = [1_763_791_200 * NS]
    monkeypatch.setattr(core.clock, "wall_ns", lambda: now[0])
    return now


def test_run_time_is_wall_time_at_speed_1(wall: list[int]) -> None:
    clock = RunClock(wall[0], wall[0], 1.0)
    wall[0] += 3 * NS
    assert clock.is_wall
    assert clock.now() == wall[0]


def test_run_time_runs_at_its_speed(wall: list[int]) -> None:
    clock = RunClock(0, wall[0], 60.0)
    wall[0] += 2 * NS
    assert not clock.is_wall
    assert clock.now() == 120 * NS


def test_nanoseconds_stay_exact_after_a_month(wall: list[int]) -> None:
    clock = RunClock(wall[0], wall[0], 1.0)
    wall[0] += 30 * 86_400 * NS + 1
    assert clock.now() == wall[0]


def test_at_speed_max_there_is_no_now() -> None:
    assert RunClock(0, 0, 0).now() is None
    assert not RunClock(0, 0, 0).is_wall


def test_another_start_is_not_wall_time(wall: list[int]) -> None:
    assert not RunClock(wall[0] - 2 * NS, wall[0], 1.0).is_wall
    assert RunClock(wall[0] - NS // 2, wall[0], 1.0).is_wall


def test_clocks_move_forward() -> None:
    before = mono_ns()
    assert wall_ns() > 1_700_000_000 * NS
    assert mono_ns() >= before
