"""kill -9 in the middle of everything: nothing is lost, nothing is double, no command gets a second id."""

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from core.catalog import Catalog
from gateway.reader import BufferReader
from gateway.stores.duck import DuckConfig, DuckStore
from tests.integration.gateway.victim import MESSAGES, ROWS, STREAMS

ROOT = Path(__file__).parents[3]
WANTED = [(s, i) for s in range(STREAMS) for i in range(MESSAGES * ROWS)]


def start(role: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.gateway.victim", role, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str]) -> None:
    out, _ = child.communicate(timeout=90)
    assert (child.returncode, out) == (0, "finished\n")


def kill(child: subprocess.Popen[str]) -> bool:
    """Kill a child; tell whether it was still at work."""
    child.kill()
    out, _ = child.communicate(timeout=10)
    return out == ""


def wait_for(child: subprocess.Popen[str], path: Path, more_than: int) -> None:
    """Wait until a file holds a larger number, or the child has ended."""
    while child.poll() is None:
        try:
            if int(path.read_text()) > more_than:
                return
        except (OSError, ValueError):
            pass
        time.sleep(0.002)


def buffered(folder: Path) -> tuple[list[tuple[int, int]], int]:
    reader, found, at = BufferReader(folder / "buffer"), [], 0
    while records := reader.read(at, 5_000):
        for record in records:
            if not isinstance(record.content, list):
                batch = record.content
                found += zip(batch.stream.tolist(), batch.seq.tolist(), strict=True)
        at = records[-1].position
    end = reader.end()
    reader.close()
    return found, end


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_gateway_loses_and_doubles_nothing(tmp_path, seed):
    chance = random.Random(seed)
    kills, at = 0, 0
    for _ in range(4):
        child = start("gateway", tmp_path)
        at += chance.randint(150, 500)
        wait_for(child, tmp_path / "acks", at)
        time.sleep(chance.random() * 0.02)
        kills += kill(child)
    assert kills >= 2, "the gateway was too fast to be killed at work"
    finish(start("gateway", tmp_path))
    found, _ = buffered(tmp_path)
    assert sorted(found) == WANTED
    moved = Counter(line.split()[0] for line in (tmp_path / "moved").read_text().splitlines())
    # what was committed and not answered (this device never answers) is sent again, under the same id, by each process
    # that follows: none is lost, none is new
    assert len(moved) == MESSAGES // 100 * STREAMS
    assert max(moved.values()) <= kills + 1


def test_a_killed_platform_loses_and_doubles_nothing(tmp_path):
    finish(start("gateway", tmp_path))
    chance = random.Random(3)
    kills = 0
    for _ in range(3):
        child = start("drain", tmp_path)
        wait_for_position(child, tmp_path / "buffer" / "drained.json")
        time.sleep(chance.random() * 0.05)
        kills += kill(child)
    assert kills >= 2
    finish(start("drain", tmp_path))
    catalog = Catalog()
    store = DuckStore(DuckConfig(), tmp_path / "store" / "test.duckdb", catalog)
    store.open()
    assert store.reader().sizes() == {"pump.main": len(WANTED)}
    assert store.reader().duplicates() == 0
    assert sum(store.counts().values()) == len(WANTED)
    assert store.position() == buffered(tmp_path)[1]
    table = store.reader().rows("pump.main", 0, 2**62)
    pairs = zip(table.column("stream").to_pylist(), table.column("seq").to_pylist(), strict=True)
    assert sorted(pairs) == WANTED
    store.close()


def wait_for_position(child: subprocess.Popen[str], path: Path) -> None:
    before = path.read_text() if path.exists() else ""
    while child.poll() is None:
        if path.exists() and path.read_text() != before:
            return
        time.sleep(0.002)
