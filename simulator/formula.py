"""Safe formulas: one expression over named quantities, compiled once, evaluated on whole arrays.

    20 + 6 * heat - 4 * (vent == 'open') * env.wind
    where(hour < 6, night, day)

A formula is read with Python's ``ast`` and turned into closures; nothing of Python itself can be reached from it. Only
element-wise numpy is used, so rows have the same bits however time is cut. Dotted names (``env.wind``) are names as any
other. Text in quotes is a state of the channel it is compared with.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Value = NDArray[Any] | float
Values = Callable[[str], Value]
#: state names by code, of a channel
StatesOf = Callable[[str], Mapping[int, str] | None]
_Node = Callable[[Values], Value]

#: function -> (numpy function, number of arguments or -1 for two and more, keeps the unit of its arguments)
FUNCTIONS: dict[str, tuple[Callable[..., Any], int, bool]] = {
    "abs": (np.abs, 1, True),
    "floor": (np.floor, 1, True),
    "round": (np.rint, 1, True),
    "min": (np.minimum, -1, True),
    "max": (np.maximum, -1, True),
    "clip": (lambda x, low, high: np.minimum(np.maximum(x, low), high), 3, True),
    "where": (lambda test, yes, no: np.where(np.asarray(test, dtype=np.bool_), yes, no), 3, True),
    "sign": (np.sign, 1, False),
    "sqrt": (np.sqrt, 1, False),
    "exp": (np.exp, 1, False),
    "log": (np.log, 1, False),
    "sin": (np.sin, 1, False),
    "cos": (np.cos, 1, False),
    "tanh": (np.tanh, 1, False),
}
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide,
    ast.Pow: np.power, ast.Mod: np.mod,
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal,
    ast.Eq: np.equal, ast.NotEq: np.not_equal,
}  # fmt: skip
_LONGEST = 2000
_DEEPEST = 40
PI = "pi"


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """A compiled expression; ``names`` are the quantities that it reads, in order of appearance."""

    text: str
    names: tuple[str, ...]
    tree: ast.expr
    _run: _Node

    def __call__(self, values: Values) -> Value:
        """Return its value; ``values`` gives each name's number or array (shapes broadcast)."""
        with np.errstate(all="ignore"):  # both sides of a `where` are computed
            return self._run(values)


def parse(text: str) -> ast.expr:
    """Return the syntax tree of a formula; raises ValueError for what no formula may hold."""
    if len(text) > _LONGEST:
        raise ValueError(f"a formula may have {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None)
        raise ValueError(f"not a formula{f' (near character {at})' if at else ''}: {text!r}") from error
    _check(tree, 0)
    return tree


def names_of(tree: ast.expr) -> tuple[str, ...]:
    """Return the names that a formula reads, each once."""
    return tuple(dict.fromkeys(_names(tree)))


def compiled(text: str, states: StatesOf = lambda name: None) -> Formula:
    """Return a formula ready to run; ``states`` tells which channels are enumerations. Raises ValueError."""
    tree = parse(text)
    return Formula(text, names_of(tree), tree, _Compiler(states).node(tree))


def _names(node: ast.expr) -> Iterator[str]:
    name = _name(node)
    if name is not None:
        if name != PI:
            yield name
        return
    parts = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    for part in parts:
        if isinstance(part, ast.expr):
            yield from _names(part)


def _name(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return None


def _check(node: ast.AST, depth: int) -> None:
    """Raise ValueError for anything but numbers, names, operators and known functions."""
    if depth > _DEEPEST:
        raise ValueError("the formula is nested too deeply")
    if isinstance(node, ast.Call):
        _check_call(node)
        for part in node.args:
            _check(part, depth + 1)
        return
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, (int, float, str)):
            raise ValueError(f"{node.value!r} is no number")
        return
    if isinstance(node, ast.expr) and _name(node) is not None:
        return
    known = (ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.IfExp)
    parts = (*_BINARY, *_COMPARE, ast.USub, ast.UAdd, ast.Not, ast.And, ast.Or)
    if not isinstance(node, known) and type(node) not in parts:
        raise ValueError(f"{type(node).__name__.lower()} is not allowed in a formula")
    for child in ast.iter_child_nodes(node):
        _check(child, depth + 1)


def _check_call(node: ast.Call) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in FUNCTIONS:
        raise ValueError(f"unknown function {name}(); known: {', '.join(FUNCTIONS)}")
    wanted = FUNCTIONS[name][1]
    if node.keywords or (len(node.args) != wanted if wanted > 0 else len(node.args) < 2):
        raise ValueError(f"{name}() takes {wanted if wanted > 0 else 'two or more'} arguments")


class _Compiler:
    """Turns a checked tree into closures."""

    def __init__(self, states: StatesOf) -> None:
        self._states = states

    def node(self, node: ast.expr) -> _Node:
        name = _name(node)
        if name is not None:
            return (lambda values: np.pi) if name == PI else (lambda values: values(name))
        if isinstance(node, ast.Constant):
            return self._number(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.BinOp):
            return _joined(_BINARY[type(node.op)], self.node(node.left), self.node(node.right))
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return _chained(join, [self.node(v) for v in node.values])
        if isinstance(node, ast.IfExp):
            return _called(FUNCTIONS["where"][0], [self.node(n) for n in (node.test, node.body, node.orelse)])
        assert isinstance(node, ast.UnaryOp)
        inner = self.node(node.operand)
        if isinstance(node.op, ast.Not):
            return lambda values: np.logical_not(inner(values))
        return (lambda values: np.negative(inner(values))) if isinstance(node.op, ast.USub) else inner

    def _number(self, node: ast.Constant) -> _Node:
        if isinstance(node.value, str):
            raise ValueError(f"{node.value!r} must stand beside == or != and a channel with states")
        number = float(node.value)  # type: ignore[arg-type]  # checked before
        return lambda values: number

    def _call(self, node: ast.Call) -> _Node:
        assert isinstance(node.func, ast.Name)
        function, wanted, _ = FUNCTIONS[node.func.id]
        parts = [self.node(part) for part in node.args]
        return _called(function, parts) if wanted > 0 else _chained(function, parts)

    def _compare(self, node: ast.Compare) -> _Node:
        sides = [node.left, *node.comparators]
        tests = [
            _joined(_COMPARE[type(op)], self._side(left, right), self._side(right, left))
            for op, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True)
        ]
        return tests[0] if len(tests) == 1 else _chained(np.logical_and, tests)

    def _side(self, node: ast.expr, other: ast.expr) -> _Node:
        """Return a side of a comparison; text is looked up among the states of the other side."""
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            return self.node(node)
        name = _name(other)
        states = self._states(name) if name else None
        if states is None:
            raise ValueError(f"{node.value!r} is compared with what has no states")
        code = next((float(code) for code, text in states.items() if text == node.value), None)
        if code is None:
            raise ValueError(f"{name} has no state {node.value!r}; it has {', '.join(states.values())}")
        return lambda values: code


def _joined(function: Callable[[Any, Any], Any], left: _Node, right: _Node) -> _Node:
    return lambda values: function(left(values), right(values))


def _called(function: Callable[..., Any], parts: list[_Node]) -> _Node:
    return lambda values: function(*[part(values) for part in parts])


def _chained(function: Callable[..., Any], parts: list[_Node]) -> _Node:
    def run(values: Values) -> Value:
        out = parts[0](values)
        for part in parts[1:]:
            out = function(out, part(values))
        return out

    return run


def unit_of(node: ast.expr, units: Callable[[str], str | None]) -> str | None:
    """Return the unit of a formula as far as it can be told: None where it cannot, e.g. after a product.

    Raises
    ------
    ValueError
        Where different units are added or compared.
    """
    name = _name(node)
    if name is not None:
        return units(name)
    if isinstance(node, ast.UnaryOp):
        return unit_of(node.operand, units)
    if isinstance(node, ast.IfExp):
        return _common([node.body, node.orelse], units, "chosen from")
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, (ast.Add, ast.Sub)):
            return _common([node.left, node.right], units, "added")
        _ = unit_of(node.left, units), unit_of(node.right, units)
        return None
    if isinstance(node, ast.Compare):
        _common([node.left, *node.comparators], units, "compared")
        return None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        parts = node.args[1:] if node.func.id == "where" else node.args
        if FUNCTIONS[node.func.id][2]:
            return _common(list(parts), units, "used together")
        for part in parts:
            unit_of(part, units)
    return None


def _common(parts: list[ast.expr], units: Callable[[str], str | None], how: str) -> str | None:
    """Return the one unit of several terms; numbers take that of their neighbours."""
    found = {unit: part for part in parts if (unit := unit_of(part, units)) is not None}
    if len(found) > 1:
        (one, a), (two, b) = list(found.items())[:2]
        raise ValueError(f"{ast.unparse(a)} ({one}) and {ast.unparse(b)} ({two}) are {how}, but have different units")
    # a term whose unit is unknown (a product) makes the sum's unknown too
    known = all(isinstance(p, ast.Constant) or unit_of(p, units) is not None for p in parts)
    return next(iter(found), None) if known else None
