import subprocess
import sys

import numpy as np
import pytest

from simulator import recursion


@pytest.mark.parametrize("shape", [(500,), (300, 3), (200, 2, 2)])
def test_both_ways_give_the_same_bits(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], seed: int) -> None:
    draw = np.random.default_rng(seed)
    x, carried = draw.normal(size=shape), draw.normal(size=shape[1:])
    monkeypatch.setattr(recursion, "_lfilter", None)
    looped = recursion.first_order(x, 0.3, 0.95, carried)
    recursion.use_lfilter()
    filtered = recursion.first_order(x, 0.3, 0.95, carried)
    assert looped.tobytes() == filtered.tobytes()


def test_a_live_world_starts_without_what_takes_long() -> None:
    code = "import sys, testbed.roles.simulator; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ("scipy", "sklearn", "asyncua", "duckdb", "influxdb_client", "pyarrow.parquet", "fastapi")
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
