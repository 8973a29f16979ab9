from __future__ import annotations

import inspect

import core.errors
from core.errors import ConfigError, DecodeError, RejectedError, TestbedError


def tree(kind: type[Exception]) -> list[str]:
    return [name for sub in kind.__subclasses__() for name in [sub.__name__, *tree(sub)]]


def test_the_drawn_tree_names_every_error() -> None:
    drawn = core.errors.__doc__ or ""
    defined = {n for n, c in inspect.getmembers(core.errors, inspect.isclass) if c.__module__ == "core.errors"}
    assert defined == {TestbedError.__name__, *tree(TestbedError)} & defined
    assert [n for n in sorted(defined) if n != "RejectedError" and n not in drawn] == []


def test_a_config_error_is_one_line_for_a_person() -> None:
    assert (
        str(ConfigError("s.yaml:a.b", "unknown key", "did you mean c?")) == "s.yaml:a.b: unknown key (did you mean c?)"
    )
    assert str(ConfigError("s.yaml", "no such file")) == "s.yaml: no such file"


def test_a_rejection_keeps_its_code() -> None:
    error = RejectedError("unit", "kPa does not measure temperature")
    assert isinstance(error, DecodeError)
    assert error.reason == "unit"
    assert str(error) == "unit: kPa does not measure temperature"
    assert str(DecodeError("json")) == "json"
