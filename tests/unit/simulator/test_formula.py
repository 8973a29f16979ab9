"""Safe formulas: right values on arrays, nothing but arithmetic, units."""

from __future__ import annotations

import numpy as np
import pytest

from simulator import formula

X = np.array([[1.0, 4.0], [9.0, 16.0]])
VALUES = {"x": X, "env.wind": 3.0, "mode": np.array([[0.0, 1.0]])}
STATES = {"mode": {0: "off", 1: "on"}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sqrt(x) + 2 * env.wind", np.sqrt(X) + 6),
        ("-x ** 2 % 7", -(X**2) % 7),
        ("1 < x <= 9", (X > 1) & (X <= 9)),
        ("where(mode == 'on', x, 0)", np.where([[False, True]], X, 0.0)),
        ("x if mode != 'on' else -1", np.where([[True, False]], X, -1.0)),
        ("clip(x, 2, min(10, 12, 11)) / pi", np.clip(X, 2, 10) / np.pi),
        ("not (x > 4 and x < 10) or x == 9", ~((X > 4) & (X < 10)) | (X == 9)),
    ],
)
def test_values(text: str, expected: np.ndarray) -> None:
    made = formula.compiled(text, STATES.get)
    np.testing.assert_array_equal(made(VALUES.__getitem__), expected)


@pytest.mark.parametrize(
    "text",
    [
        "x.__class__.__mro__", "().__class__", "[x for x in y]", "lambda: 1", "open('f')", "x[0]", "f'{x}'", "x := 3",
        "__import__('os').system('ls')", "sqrt(x, out=x)", "min(*x)", "x @ x", "True", "1j", "x; x", "", "sum(x)",
        "'on' + 1", "+".join(["x"] * 600), "(" * 90 + "x" + ")" * 90 + "-" * 60 + "x",
    ],
)  # fmt: skip
def test_what_is_no_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        formula.compiled(text)


def test_names_are_told_once() -> None:
    assert formula.compiled("x + env.wind * x - pi").names == ("x", "env.wind")


@pytest.mark.parametrize(
    ("text", "unit"),
    [("a + 3", "Cel"), ("max(a, b)", "Cel"), ("a * 2", None), ("where(p > 2, a, b)", "Cel"), ("a + 2 * p", None)],
)
def test_units_that_can_be_told(text: str, unit: str | None) -> None:
    units = {"a": "Cel", "b": "Cel", "p": "bar"}
    assert formula.unit_of(formula.parse(text), units.get) == unit


@pytest.mark.parametrize("text", ["a + p", "a < p", "clip(a, 0, p)", "2 * (a - p)", "sin(a + p)"])
def test_units_that_do_not_fit(text: str) -> None:
    with pytest.raises(ValueError, match=r"a \(Cel\) and p \(bar\)"):
        formula.unit_of(formula.parse(text), {"a": "Cel", "p": "bar"}.get)
