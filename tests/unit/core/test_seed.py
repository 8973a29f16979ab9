from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import seed

KEYS = st.integers(0, 2**63 - 1)


def splitmix(key: int, index: int) -> int:
    """The finaliser in plain integers, as published."""
    mask = (1 << 64) - 1
    z = (key + (index + 1) * 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def column(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_the_first_numbers_of_splitmix64() -> None:
    """Published test vector: seed 1234567."""
    got = seed.bits(column(1234567), np.arange(3, dtype=np.int64))
    assert got.tolist() == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(key=KEYS, index=st.integers(-(2**63), 2**63 - 1))
def test_bits_are_the_hash_of_key_and_index(key: int, index: int) -> None:
    assert int(seed.bits(column(key), column(index))[0]) == splitmix(key, index)


@given(key=KEYS, start=st.integers(-(2**62), 2**62), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_any_cutting_of_time_gives_the_same_bits(key: int, start: int, cuts: list[int]) -> None:
    index = start + np.arange(200, dtype=np.int64)
    for draw in (seed.uniform, seed.normal):
        whole = draw(column(key), index)
        parts = [draw(column(key), part) for part in np.split(index, sorted(cuts))]
        assert whole.tobytes() == np.concatenate(parts).tobytes()


def test_keys_and_indices_broadcast() -> None:
    keys, index = column(1, 2, 3), np.arange(5, dtype=np.int64)
    block = seed.normal(keys[:, None], index[None, :])
    assert block.shape == (3, 5)
    assert block[1].tobytes() == seed.normal(column(2), index).tobytes()


def test_keys_never_change() -> None:
    """Recorded runs name their world by these numbers."""
    assert seed.key(42) == 4410206093815208491
    assert seed.key(42, "pump", 1, "noise") == 6556853804792471102


def test_generators_never_change() -> None:
    assert seed.generator(42, "line").integers(0, 1000, 4).tolist() == [23, 116, 754, 291]


def test_normals_never_change() -> None:
    got = seed.normal(column(seed.key(42, "noise")), np.arange(4, dtype=np.int64))
    assert got == pytest.approx(
        [2.2269916381324135, 0.7914764957127681, -1.4032424374969708, -0.7695613408061172], abs=1e-12
    )


@given(root=st.integers(0, 2**32), names=st.lists(st.text(max_size=5), max_size=3))
def test_keys_are_63_bits_and_follow_their_names(root: int, names: list[str]) -> None:
    key = seed.key(root, *names)
    assert 0 <= key < 2**63
    assert key == seed.key(root, *names)
    assert key != seed.key(root, *names, "more")
    assert key != seed.key(root + 1, *names)


N = 200_000
INDEX = np.arange(N, dtype=np.int64)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_uniforms_are_flat(name: str) -> None:
    u = seed.uniform(column(seed.key(7, name)), INDEX)
    assert u.min() >= 0
    assert u.max() < 1
    counts, _ = np.histogram(u, bins=64, range=(0, 1))
    chi2 = float(((counts - N / 64) ** 2 / (N / 64)).sum())
    assert chi2 < 63 + 5 * np.sqrt(2 * 63)  # 5 standard deviations of chi-squared with 63 degrees of freedom


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_normals_are_standard(name: str) -> None:
    from scipy import stats

    z = seed.normal(column(seed.key(7, name)), INDEX)
    assert abs(z.mean()) < 5 / np.sqrt(N)
    assert abs(z.std() - 1) < 5 / np.sqrt(2 * N) + 1e-3  # the table's own error is below 1e-3
    assert abs(stats.skew(z)) < 5 * np.sqrt(6 / N)
    assert stats.kstest(z, "norm").pvalue > 1e-4
    assert 3.5 < np.abs(z).max() < 4.1


def test_neighbours_are_uncorrelated() -> None:
    """Lag, neighbouring keys and a whole field of both."""
    z = seed.normal(np.arange(50, dtype=np.int64)[:, None], np.arange(4000, dtype=np.int64)[None, :])
    bound = 5 / np.sqrt(4000)
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(z[0, :-lag], z[0, lag:])[0, 1]) < bound
    between = np.corrcoef(z) - np.eye(50)
    assert np.abs(between).max() < bound


def test_another_name_gives_another_stream() -> None:
    a = seed.generator(1, "a").random(1000)
    b = seed.generator(1, "b").random(1000)
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / np.sqrt(1000)
    assert a.tolist() == seed.generator(1, "a").random(1000).tolist()
