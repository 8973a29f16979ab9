from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from core.spec import CommandSpec, StreamSpec, dump, dump_layouts, load, load_layouts
from tests.unit.core.builders import device, layout


def test_devices_survive_json() -> None:
    pump = device("p1", StreamSpec("state", layout()))
    assert load(json.loads(json.dumps(dump([pump])))) == [pump]


def test_layouts_survive_json() -> None:
    layouts = [layout("one"), layout("two", "z")]
    assert load_layouts(json.loads(json.dumps(dump_layouts(layouts)))) == layouts


@pytest.mark.parametrize("broken", [None, {}, [{}], [{"site": 1}], "devices"])
def test_anything_else_is_refused(broken: object) -> None:
    with pytest.raises(ValidationError):
        load(broken)


def test_paths() -> None:
    pump = device("p1")
    assert pump.path == "seoul/plant/p1"
    assert pump.stream_path("state") == "seoul/plant/p1/state"


@pytest.mark.parametrize(
    ("period_ns", "rate", "fast"),
    [(0, 0.0, False), (1_000_000_000, 1.0, False), (100_000_000, 10.0, False), (99_000_000, 1000 / 99, True)],
)
def test_a_stream_over_10_hz_is_fast(period_ns: int, rate: float, fast: bool) -> None:
    stream = StreamSpec("s", layout(), period_ns)
    assert stream.rate_hz == pytest.approx(rate)
    assert stream.fast is fast


def test_columns() -> None:
    assert layout("x", "a", "b").columns == ("a", "b")
    assert layout("x", "a", "b").column("b") == 1
    with pytest.raises(ValueError):
        layout("x", "a").column("z")


def test_commands_do_not_share_their_arguments() -> None:
    assert CommandSpec("a").args is not CommandSpec("b").args
