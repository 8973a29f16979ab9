"""Mutations: what a broken, hostile or merely different device may send."""

from __future__ import annotations

import random
import re
from typing import Any

_TOKEN = re.compile(rb'-?\d+(?:\.\d+)?|"[^"]*"|null|true|false|[{}\[\],:]')
_STRANGE = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-0",
    b"99999999999999999999999",
    b"9007199254740993",
    b"-1",
    b"1e-320",
    b"null",
    b"true",
    b'""',
    b'"\\ud800"',
    b'"\xff\xfe"',
    b"[]",
    b"{}",
    b"[[[[[[[[[[[[1]]]]]]]]]]]]",
    b'{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{}}}}}}}}}',
)
_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    float("nan"),
    "",
    "x" * 300,
    [],
    {},
    [None],
    {"": None},
    "1e9s",
    "../..",
)


def text(rng: random.Random, payload: bytes) -> bytes:
    """Change a JSON text: its tokens, or its bytes."""
    if rng.random() < 0.4:
        return binary(rng, payload)
    tokens = list(_TOKEN.finditer(payload))
    for token in rng.sample(tokens, min(len(tokens), rng.choice((1, 1, 2, 4)))):
        payload = payload[: token.start()] + rng.choice(_STRANGE) + payload[token.end() :]
    return payload


def binary(rng: random.Random, payload: bytes) -> bytes:
    """Change bytes: flip, cut, drop, repeat, insert."""
    data = bytearray(payload)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 2, 8, 64)))
        match rng.randrange(5):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                del data[at:]
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end]
            case _:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 8)))
    return bytes(data)


def topic(rng: random.Random, name: str) -> str:
    """Change a topic, now and then; wildcards and NUL never get past a broker."""
    if rng.random() < 0.9:
        return name
    levels = name.split("/")
    at = rng.randrange(len(levels))
    levels[at : at + 1] = rng.choice(([], ["x" * 300], ["", levels[at]], ["Ä b"], [levels[at].upper()], ["..", ".."]))
    return "/".join(levels) or "x"


def value(rng: random.Random, tree: Any) -> Any:
    """Return a tree of dicts and lists (a YAML file) with one thing in it changed."""
    if isinstance(tree, dict) and tree and rng.random() < 0.9:
        key = rng.choice(list(tree))
        if rng.random() < 0.15:
            return {k: v for k, v in tree.items() if k != key}
        if rng.random() < 0.15:
            return {**tree, rng.choice(("", "x", "kind", f"{key}s")): tree[key]}
        return {**tree, key: value(rng, tree[key])}
    if isinstance(tree, list) and tree and rng.random() < 0.9:
        at = rng.randrange(len(tree))
        return [*tree[:at], value(rng, tree[at]), *tree[at + (rng.random() < 0.9) :]]
    return rng.choice(_ODD)
