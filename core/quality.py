"""Quality of one value in one byte: GOOD, UNCERTAIN or BAD, with a reason.

The byte follows the classic OPC Data Access layout QQSSSSLL: two bits of major quality, four bits of
sub-status (the reason), two limit bits that are always zero here. ``code & MAJOR`` gives 192, 64 or 0.
OPC UA status codes (OPC 10000-4) follow the table of classic status codes in OPC 30140, 6.8.1.3, which is
one-to-one where the DA mapping of OPC 10000-8, A.3.2.3 is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAJOR = 0xC0

GOOD = 192
UNCERTAIN = 64
UNCERTAIN_LAST_USABLE = 68
UNCERTAIN_NOT_ACCURATE = 80
UNCERTAIN_RANGE = 84
UNCERTAIN_SUBNORMAL = 88
BAD = 0
BAD_CONFIG = 4
BAD_NOT_CONNECTED = 8
BAD_DEVICE = 12
BAD_SENSOR = 16
BAD_LAST_KNOWN = 20
BAD_COMM = 24
BAD_OUT_OF_SERVICE = 28

#: code -> (major quality, reason as written in guideline JSON, OPC UA status code)
_TABLE: dict[int, tuple[int, str, int]] = {
    GOOD: (192, "", 0x00000000),
    UNCERTAIN: (64, "", 0x40000000),
    UNCERTAIN_LAST_USABLE: (64, "last-usable", 0x40900000),
    UNCERTAIN_NOT_ACCURATE: (64, "not-accurate", 0x40930000),
    UNCERTAIN_RANGE: (64, "range", 0x40940000),
    UNCERTAIN_SUBNORMAL: (64, "subnormal", 0x40950000),
    BAD: (0, "", 0x80000000),
    BAD_CONFIG: (0, "config", 0x80890000),
    BAD_NOT_CONNECTED: (0, "not-connected", 0x808A0000),
    BAD_DEVICE: (0, "device", 0x808B0000),
    BAD_SENSOR: (0, "sensor", 0x808C0000),
    BAD_LAST_KNOWN: (0, "last-known", 0x80050000),
    BAD_COMM: (0, "comm", 0x80310000),
    BAD_OUT_OF_SERVICE: (0, "out-of-service", 0x808D0000),
}
CODES: tuple[int, ...] = tuple(_TABLE)
_MAJORS = frozenset({GOOD, UNCERTAIN, BAD})
_FROM_REASON = {(major, reason): code for code, (major, reason, _) in _TABLE.items()}
_FROM_OPCUA = {status: code for code, (_, _, status) in _TABLE.items()}


def reason(code: int) -> str:
    """Return the short reason of a quality code, empty where there is none."""
    return _TABLE.get(code, (0, "", 0))[1]


def from_reason(major: int, text: str) -> int:
    """Return the code of a major quality (0, 64, 192) and a reason; an unknown reason keeps the major.

    Any other major (DA reserves 128) is BAD: who cannot say how good a value is has not said it is good.
    """
    if major not in _MAJORS:
        return BAD
    return _FROM_REASON.get((major, text), major)


def to_opcua(code: int) -> int:
    """Return the OPC UA status code of a quality code."""
    known = _TABLE.get(code) or _TABLE.get(code & MAJOR) or _TABLE[BAD]
    return known[2]


def from_opcua(status: int) -> int:
    """Return the quality code of an OPC UA status code; the severity bits decide for unknown ones."""
    known = _FROM_OPCUA.get(status & 0xFFFF0000)
    if known is not None:
        return known
    return {0: GOOD, 1: UNCERTAIN}.get(status >> 30, BAD)


def is_good(q: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return where a quality array (any shape) is GOOD."""
    return np.asarray((q & MAJOR) == GOOD, dtype=np.bool_)
