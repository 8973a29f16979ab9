"""Randomness: named generators for events, hashed noise for samples.

Every stochastic part takes its own key from the root seed and its own name, so adding a part never shifts
another's numbers. Noise of samples is a pure function of (key, integer sample index): any cutting of time
into quanta gives the same bits, and any sample can be made without those before it. The hash is the
splitmix64 finaliser (Steele, Lea, Flood 2014, doi:10.1145/2660193.2660195); normals come from a table of
the inverse distribution, since ``log`` and ``cos`` are not bit-stable across array lengths everywhere.
"""

from __future__ import annotations

import hashlib
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_TABLE_BITS = 13


def key(root: int, *names: str | int) -> int:
    """Return a 63-bit key of a root seed and a path of names; stable across machines and versions."""
    text = "\x1f".join([str(root), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def generator(root: int, *names: str | int) -> np.random.Generator:
    """Return the generator that belongs to a name; for events, never for samples."""
    return np.random.Generator(np.random.PCG64(key(root, *names)))


def bits(keys: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return 64 hashed bits of each (key, index); shapes broadcast."""
    with np.errstate(over="ignore"):
        z = np.asarray(np.asarray(keys).astype(np.uint64) + (np.asarray(index).astype(np.uint64) + _ONE) * _GOLDEN)
        shifted = np.empty_like(z)
        for shift, factor in ((np.uint64(30), _MIX1), (np.uint64(27), _MIX2)):
            np.right_shift(z, shift, out=shifted)
            np.bitwise_xor(z, shifted, out=z)
            np.multiply(z, factor, out=z)
        np.right_shift(z, np.uint64(31), out=shifted)
        return np.asarray(np.bitwise_xor(z, shifted, out=z), dtype=np.uint64)


def uniform(keys: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return uniforms in [0, 1) of each (key, index); shapes broadcast."""
    return (bits(keys, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(keys: NDArray[np.int64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return standard normals of each (key, index), cut at about 3.8 sigma; shapes broadcast."""
    z = bits(keys, index)
    low, rise = _normal_table()
    cell = (z >> np.uint64(64 - _TABLE_BITS)).astype(np.intp)
    np.right_shift(z, np.uint64(8), out=z)
    np.bitwise_and(z, np.uint64(0xFFFFFFFF), out=z)
    out = z.astype(np.float64)
    out *= 2.0**-32
    out *= rise.take(cell)
    out += low.take(cell)
    return out


@cache
def _normal_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the inverse normal distribution at the low edges of 2**13 equal cells (ends drawn in), and its rises."""
    n = 1 << _TABLE_BITS
    inverse = NormalDist().inv_cdf
    edges = [inverse(i / n) for i in range(1, n)]
    end = inverse(0.5 / n) * 1.05
    table = np.array([end, *edges, -end], dtype=np.float64)
    return table[:-1].copy(), np.diff(table)
