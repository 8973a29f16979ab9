"""Data types of Sparkplug B, and how Python values stand in the fields of a payload.

Whole numbers are unsigned on the wire: negative ones go as two's complement of their width. Arrays (types 22 to
34, new in 3.0) are little-endian bytes; booleans are bits, the highest first, behind a count; texts end with a
zero byte (Sparkplug 3.0.0, 6.4.16 and 6.4.17).
"""

from __future__ import annotations

import struct
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from core.errors import RejectedError


class DataType(IntEnum):
    """Codes of the specification."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTYSET = 20
    PROPERTYSETLIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


D = DataType
#: bits of whole numbers; negative: signed
BITS: dict[int, int] = {
    D.INT8: -8, D.INT16: -16, D.INT32: -32, D.INT64: -64,
    D.UINT8: 8, D.UINT16: 16, D.UINT32: 32, D.UINT64: 64, D.DATETIME: 64,
}  # fmt: skip
TEXTS: frozenset[int] = frozenset({D.STRING, D.TEXT, D.UUID})
NUMBERS: frozenset[int] = frozenset({*BITS, D.FLOAT, D.DOUBLE, D.BOOLEAN})
ARRAYS: dict[int, str] = {
    D.INT8_ARRAY: "i1", D.INT16_ARRAY: "<i2", D.INT32_ARRAY: "<i4", D.INT64_ARRAY: "<i8",
    D.UINT8_ARRAY: "u1", D.UINT16_ARRAY: "<u2", D.UINT32_ARRAY: "<u4", D.UINT64_ARRAY: "<u8",
    D.FLOAT_ARRAY: "<f4", D.DOUBLE_ARRAY: "<f8", D.DATETIME_ARRAY: "<i8",
}  # fmt: skip
#: the field a value of a type is written to
FIELD: dict[int, str] = {
    **dict.fromkeys((D.INT8, D.INT16, D.INT32, D.UINT8, D.UINT16), "int_value"),
    **dict.fromkeys((D.INT64, D.UINT32, D.UINT64, D.DATETIME), "long_value"),
    D.FLOAT: "float_value",
    D.DOUBLE: "double_value",
    D.BOOLEAN: "boolean_value",
    **dict.fromkeys(TEXTS, "string_value"),
    **dict.fromkeys((D.BYTES, D.FILE, *ARRAYS, D.BOOLEAN_ARRAY, D.STRING_ARRAY), "bytes_value"),
}
Raw = bool | int | float | str | bytes
Array = NDArray[np.int64] | NDArray[np.float64] | NDArray[np.generic] | list[str]


def to_wire(datatype: int, value: object) -> Raw:
    """Return what stands in the field of a type; raises RejectedError ``bad-value`` for what does not fit it."""
    try:
        if datatype in BITS:
            return _whole(datatype, value)
        if datatype in (D.FLOAT, D.DOUBLE):
            return float(value)  # type: ignore[arg-type]
        if datatype == D.BOOLEAN:
            return bool(value)
        if datatype in TEXTS:
            return str(value)
        if datatype in (D.BYTES, D.FILE):
            return bytes(value)  # type: ignore[call-overload, no-any-return]
        return pack_array(datatype, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise RejectedError("bad-value", f"{value!r:.80} as type {datatype}: {error}") from error


def from_wire(datatype: int, raw: Raw) -> Raw | Array:
    """Return the value of a field read as a type; raises RejectedError ``bad-type`` where the two do not agree.

    Writers choose different fields for the same type (a UInt32 as int or long): any number field will do.
    """
    if datatype in BITS:
        if isinstance(raw, int) and not isinstance(raw, bool):
            bits = abs(BITS[datatype])
            low = raw & ((1 << bits) - 1)
            return low - (1 << bits) if BITS[datatype] < 0 and low >> (bits - 1) else low
    elif datatype in (D.FLOAT, D.DOUBLE):
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            return float(raw)
    elif datatype == D.BOOLEAN:
        if isinstance(raw, (bool, int)):
            return bool(raw)
    elif datatype in TEXTS:
        if isinstance(raw, str):
            return raw
    elif isinstance(raw, bytes):
        return raw if datatype in (D.BYTES, D.FILE) else unpack_array(datatype, raw)
    raise RejectedError("bad-type", f"a {type(raw).__name__} cannot be of type {datatype}")


def _whole(datatype: int, value: object) -> int:
    number, bits = int(value), abs(BITS[datatype])  # type: ignore[call-overload]
    low = -(1 << (bits - 1)) if BITS[datatype] < 0 else 0
    if not low <= number < low + (1 << bits):
        raise ValueError(f"outside {bits} bits")
    return int(number) & ((1 << (64 if bits == 64 else 32)) - 1)


def pack_array(datatype: int, value: object) -> bytes:
    """Return the bytes of an array."""
    if datatype in ARRAYS:
        return np.ascontiguousarray(value, dtype=ARRAYS[datatype]).tobytes()
    if datatype == D.BOOLEAN_ARRAY:
        bits = np.asarray(value, dtype=np.bool_)
        return struct.pack("<I", len(bits)) + np.packbits(bits).tobytes()
    if datatype == D.STRING_ARRAY:
        return b"".join(str(text).encode() + b"\0" for text in value)  # type: ignore[attr-defined]
    raise ValueError("no such type")


def unpack_array(datatype: int, raw: bytes) -> Array:
    """Return an array; raises RejectedError ``bad-array`` for bytes that are cut short."""
    try:
        if datatype in ARRAYS:
            return np.frombuffer(raw, dtype=ARRAYS[datatype])
        if datatype == D.BOOLEAN_ARRAY:
            (count,) = struct.unpack_from("<I", raw)
            if (count + 7) // 8 != len(raw) - 4:
                raise ValueError(f"{count} bits in {len(raw) - 4} bytes")
            return np.unpackbits(np.frombuffer(raw, np.uint8, offset=4), count=count).astype(np.bool_)
        if datatype == D.STRING_ARRAY:
            return [text.decode() for text in raw.split(b"\0")[:-1]]
    except (ValueError, struct.error) as error:
        raise RejectedError("bad-array", f"type {datatype}: {error}") from error
    raise RejectedError("bad-type", f"bytes cannot be of type {datatype}")
