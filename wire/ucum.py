"""UCUM unit codes: tells whether a code is plausible, and what it measures.

A code is read into a dimension vector, so that any unit that measures the quantity fits it: ``ug/m3`` and
``mg/m3`` are both mass per volume. Covers the case-sensitive codes that measuring equipment uses
(UCUM 2.1, tables 1 to 6), with prefixes, exponents, ``.``, ``/`` and annotations.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: exponents of metre, second, gram, kelvin, ampere, mole, candela, decibel, radian, bit
Dimension = tuple[int, ...]

_BASE = ("m", "s", "g", "K", "A", "mol", "cd", "dB", "rad", "bit")
_PREFIXES = ("da", "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "d", "c", "m", "u", "n", "p", "f", "a")
_METRIC = {
    "m": "m",
    "s": "s",
    "g": "g",
    "K": "K",
    "A": "A",
    "mol": "mol",
    "cd": "cd",
    "B": "dB",
    "B[SPL]": "dB",
    "B[V]": "dB",
    "B[mV]": "dB",
    "B[W]": "dB",
    "B[10.nV]": "dB",
    "B[mW]": "dB",  # not in the tables, but their pattern: radios speak of dBm
    "rad": "rad",
    "sr": "rad2",
    "bit": "bit",
    "By": "bit",
    "Cel": "K",
    "Hz": "s-1",
    "Bd": "s-1",
    "Bq": "s-1",
    "N": "m g s-2",
    "Pa": "g m-1 s-2",
    "bar": "g m-1 s-2",
    "J": "m2 g s-2",
    "eV": "m2 g s-2",
    "W": "m2 g s-3",
    "V": "m2 g s-3 A-1",
    "Ohm": "m2 g s-3 A-2",
    "S": "m-2 g-1 s3 A2",
    "F": "m-2 g-1 s4 A2",
    "C": "s A",
    "H": "m2 g s-2 A-2",
    "Wb": "m2 g s-2 A-1",
    "T": "g s-2 A-1",
    "G": "g s-2 A-1",
    "lm": "cd rad2",
    "lx": "cd rad2 m-2",
    "Gy": "m2 s-2",
    "Sv": "m2 s-2",
    "l": "m3",
    "L": "m3",
    "t": "g",
    "ar": "m2",
    "cal": "m2 g s-2",
    "eq": "mol",
    "VA": "m2 g s-3",
    "var": "m2 g s-3",
    "m[H2O]": "g m-1 s-2",
    "m[Hg]": "g m-1 s-2",
    "[g]": "m s-2",
}
_PLAIN = {
    "min": "s",
    "h": "s",
    "d": "s",
    "wk": "s",
    "mo": "s",
    "a": "s",
    "deg": "rad",
    "'": "rad",
    "''": "rad",
    "gon": "rad",
    "%": "",
    "[ppth]": "",
    "[ppm]": "",
    "[ppb]": "",
    "[pptr]": "",
    "[pH]": "",
    "[degF]": "K",
    "[psi]": "g m-1 s-2",
    "atm": "g m-1 s-2",
    "[in_i]": "m",
    "[ft_i]": "m",
    "[mi_i]": "m",
    "[kn_i]": "m s-1",
    "[gal_us]": "m3",
    "[lb_av]": "g",
    "[HP]": "m2 g s-3",
    "[NTU]": "",
    "[RIU]": "",
    "[CFU]": "",
    "har": "m2",
}
_TERM = re.compile(r"([+-]?\d+)$")
_NOTE = re.compile(r"\{[\x21-\x7a\x7c\x7e ]*\}")
_NUMBER = re.compile(r"\d+(?:\*[+-]?\d+|\^[+-]?\d+)?")
_MAX = 64


def _vector(text: str) -> Dimension:
    exponents = dict.fromkeys(_BASE, 0)
    for part in text.split():
        match = _TERM.search(part)
        name = part[: match.start()] if match else part
        exponents[name] += int(match[1]) if match else 1
    return tuple(exponents.values())


_METRIC_DIM = {code: _vector(text) for code, text in _METRIC.items()}
_PLAIN_DIM = {code: _vector(text) for code, text in _PLAIN.items()}
NONE: Dimension = _vector("")


@lru_cache(maxsize=4096)
def dimension(code: str) -> Dimension | None:
    """Return what a UCUM code measures, None where it is not a plausible code."""
    if not code or len(code) > _MAX:
        return None
    body = _NOTE.sub("\x01", code)
    if "{" in body or "}" in body:
        return None
    try:
        dim, rest = _expression(body)
    except ValueError:
        return None
    return dim if not rest else None


def _expression(text: str) -> tuple[Dimension, str]:
    """Read terms joined by ``.`` and ``/`` (left to right), down to the end or a closing bracket."""
    total, sign = NONE, 1
    if text.startswith("/"):
        text, sign = text[1:], -1
    while True:
        dim, text = _component(text)
        total = tuple(a + sign * b for a, b in zip(total, dim, strict=True))
        if not text or text[0] == ")":
            return total, text
        if text[0] not in "./":
            raise ValueError(text)
        sign = 1 if text[0] == "." else -1
        text = text[1:]


def _component(text: str) -> tuple[Dimension, str]:
    if text.startswith("("):
        dim, rest = _expression(text[1:])
        if not rest.startswith(")"):
            raise ValueError(text)
        return dim, rest[1:]
    end, depth = 0, 0
    while end < len(text) and (depth or text[end] not in "./)("):
        depth += {"[": 1, "]": -1}.get(text[end], 0)
        end += 1
    return _atom(text[:end]), text[end:]


def _atom(text: str) -> Dimension:
    noted = text.endswith("\x01")
    text = text[:-1] if noted else text
    if (not text and noted) or _NUMBER.fullmatch(text):
        return NONE
    power = 1
    match = _TERM.search(text)
    if match:
        text, power = text[: match.start()], int(match[1])
    dim = _PLAIN_DIM.get(text) or _METRIC_DIM.get(text) or _prefixed(text)
    return tuple(power * e for e in dim)


def _prefixed(text: str) -> Dimension:
    for prefix in _PREFIXES:
        if text.startswith(prefix) and text[len(prefix) :] in _METRIC_DIM:
            return _METRIC_DIM[text[len(prefix) :]]
    raise ValueError(text)
