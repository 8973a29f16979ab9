"""How deep JSON nests, told before anything is decoded."""

from __future__ import annotations

import re

import numpy as np

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


def too_deep(payload: bytes, most: int) -> bool:
    """Tell whether arrays and objects nest deeper than ``most``; brackets inside texts do not count."""
    if payload.count(b"[") + payload.count(b"{") <= most:
        return False
    marks = np.frombuffer(_STRING.sub(b"", payload), np.uint8)
    opens = (marks == ord("[")) | (marks == ord("{"))
    closes = (marks == ord("]")) | (marks == ord("}"))
    steps = opens.astype(np.int8) - closes.astype(np.int8)
    steps = steps[steps != 0]
    return bool(len(steps)) and int(np.cumsum(steps, dtype=np.int64).max()) > most
