"""Numbers in registers: values to words and back, with saturation and what follows for the quality."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from core.quality import BAD, BAD_DEVICE, BAD_SENSOR, GOOD, MAJOR, UNCERTAIN, UNCERTAIN_RANGE
from wire.modbus.config import STATUS_PER_WORD, Register, Word

FLOAT_MAX = struct.unpack(">f", bytes.fromhex("7f7fffff"))[0]
_FLOAT_LEAST = -struct.unpack(">f", bytes.fromhex("7f7ffffe"))[0]  # below it lies only the missing number
_LIMITS: dict[str, tuple[int, int]] = {
    "int16": (-32_768, 32_767),
    "uint16": (0, 65_535),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "bool": (0, 1),
}
_MISSING: dict[str, int] = {"int16": -32_768, "uint16": 65_535, "int32": -(2**31), "uint32": 2**32 - 1}
_STATUS_OF = {0: GOOD, 1: UNCERTAIN_RANGE, 2: BAD_SENSOR, 3: BAD_DEVICE}


def missing_of(register: Register) -> int | None:
    """Return the raw number that says "no value", None where there is none."""
    if register.missing == "none" or register.counter or register.type == "bool":
        return None
    return _MISSING.get(register.type) if register.missing == "default" else register.missing


def limits(register: Register) -> tuple[int, int]:
    """Return the least and the greatest raw number that stand for values."""
    low, high = _LIMITS[register.type]
    missing = missing_of(register)
    return low + (missing == low), high - (missing == high)


def steps(scale: float) -> float:
    """Return steps a unit where they are whole (scale 0.1: 10), else 0: dividing by 10 gives 60.4, times 0.1 not."""
    fine = 1.0 / scale
    whole = round(fine)
    return float(whole) if whole and abs(fine - whole) < 1e-9 * abs(whole) else 0.0


def to_value(raw: float, word: Word) -> float:
    """Return the value of a raw number."""
    fine = steps(word.scale)
    return (raw / fine if fine else raw * word.scale) + word.offset


def to_raw(value: float, word: Word) -> int:
    """Return the nearest raw number of a value, not yet limited; huge ones stay finite."""
    fine = steps(word.scale)
    at = (value - word.offset) * fine if fine else (value - word.offset) / word.scale
    return round(max(-1e18, min(1e18, at)))


def encode(value: float, quality: int, register: Register) -> tuple[list[int], int]:
    """Return the words (or bit) of a value and the quality that a reader can learn from them.

    A missing or BAD value becomes the missing number; what does not fit is saturated and uncertain; a counter
    begins again at 0.
    """
    if math.isnan(value) or quality & MAJOR == BAD:
        return _words_of_missing(register), quality if quality & MAJOR == BAD else BAD_SENSOR
    if register.type == "float32":
        scaled = (value - register.offset) / register.scale
        kept = max(_FLOAT_LEAST, min(FLOAT_MAX, scaled))
        return _order(_float_words(kept), register.order), quality if kept == scaled else _uncertain(quality)
    if math.isinf(value):
        value = math.copysign(1e18, value)
    raw = to_raw(value, register)
    low, high = limits(register)
    if register.counter:
        return _order(_int_words(raw % (high + 1), register), register.order), quality
    kept_raw = max(low, min(high, raw))
    return _order(_int_words(kept_raw, register), register.order), quality if kept_raw == raw else _uncertain(quality)


def encode_argument(value: float, word: Word) -> list[int] | None:
    """Return the words of a command's argument, None where it does not fit."""
    if not math.isfinite(value):
        return None
    if word.type == "float32":
        scaled = (value - word.offset) / word.scale
        return _order(_float_words(scaled), word.order) if abs(scaled) <= FLOAT_MAX else None
    raw, (low, high) = to_raw(value, word), _LIMITS[word.type]
    return _order(_int_words(raw, word), word.order) if low <= raw <= high else None


def raw_of(words: Sequence[int], word: Word) -> float | int:
    """Return the raw number of words (float32: the number itself, NaN and infinities as they lie there)."""
    if word.type == "bool":
        return int(bool(words[0]))
    data = b"".join((w & 0xFFFF).to_bytes(2, "big") for w in _order(words, word.order))
    if word.type == "float32":
        return float(struct.unpack(">f", data)[0])
    return int.from_bytes(data, "big", signed=word.type.startswith("int"))


def decode(words: Sequence[int], register: Register) -> tuple[float, int]:
    """Return value and quality of a channel's words; a counter's value is that of its raw number."""
    raw = raw_of(words, register)
    if register.type == "float32":
        if not math.isfinite(raw) or raw <= -FLOAT_MAX:
            return math.nan, BAD_SENSOR
        value = raw * register.scale + register.offset
        return (value, GOOD) if math.isfinite(value) else (math.nan, BAD_SENSOR)
    if raw == missing_of(register):
        return math.nan, BAD_SENSOR
    low, high = limits(register)
    ends = register.type != "bool" and not register.counter and register.states is None
    saturated = ends and (raw == high or (raw == low and low < 0))
    return to_value(raw, register), UNCERTAIN_RANGE if saturated else GOOD


def argument_of(words: Sequence[int], word: Word) -> float:
    """Return the value of a command's argument (NaN where the words are no number)."""
    raw = raw_of(words, word)
    return to_value(raw, word) if word.type != "float32" else float(raw) * word.scale + word.offset


def pack_status(qualities: Sequence[int]) -> list[int]:
    """Return status words: two bits a channel, the first channel in the lowest bits."""
    words = [0] * -(-len(qualities) // STATUS_PER_WORD)
    for i, quality in enumerate(qualities):
        words[i // STATUS_PER_WORD] |= _status(quality) << (2 * (i % STATUS_PER_WORD))
    return words


def unpack_status(words: Sequence[int], count: int) -> list[int]:
    """Return the qualities of ``count`` channels."""
    return [_STATUS_OF[(words[i // STATUS_PER_WORD] >> (2 * (i % STATUS_PER_WORD))) & 3] for i in range(count)]


def worst(one: int, two: int) -> int:
    """Return the worse of two qualities."""
    return min(one, two, key=lambda q: (q & MAJOR, q == BAD))


def _status(quality: int) -> int:
    major = quality & MAJOR
    if major == BAD:
        return 2 if quality == BAD_SENSOR else 3
    return 0 if major == GOOD else 1


def _uncertain(quality: int) -> int:
    return quality if quality & MAJOR == UNCERTAIN else UNCERTAIN_RANGE


def _words_of_missing(register: Register) -> list[int]:
    if register.type == "float32":
        return _order(_float_words(-FLOAT_MAX), register.order)
    missing = missing_of(register)
    return _order(_int_words(0 if missing is None else missing, register), register.order)


def _int_words(raw: int, word: Word) -> list[int]:
    return [raw & 0xFFFF] if word.width == 1 else [(raw >> 16) & 0xFFFF, raw & 0xFFFF]


def _float_words(value: float) -> list[int]:
    data = struct.pack(">f", max(-FLOAT_MAX, min(FLOAT_MAX, value)))
    return [int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")]


def _order(words: Sequence[int], order: str) -> list[int]:
    return list(words) if order == "big" else list(reversed(words))
