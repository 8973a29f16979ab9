import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.catalog import Catalog
from core.errors import StoreUnavailable
from gateway.stores.parquet import ParquetConfig, ParquetStore
from tests.unit.gateway.test_stages import wave
from tests.unit.gateway.world import device


def archive(tmp_path, **config) -> ParquetStore:
    catalog = Catalog([device("p1", wave=True)])
    made = ParquetStore(ParquetConfig.model_validate(config), tmp_path / "raw", catalog)
    made.open()
    return made


def seqs(tmp_path) -> list[int]:
    files = sorted((tmp_path / "raw").rglob("*.parquet"))
    return sorted(s for f in files for s in pq.read_table(f).column("seq").to_pylist())


def test_the_position_waits_for_the_file(tmp_path):
    made = archive(tmp_path, rows=150)
    made.write([], [], 5)
    assert made.position() == 5
    made.write([wave(np.ones(100))], [], 6)
    assert made.position() == 0, "rows only in memory are not held yet"
    made.write([wave(np.ones(100), first=100)], [], 7)
    assert made.position() == 7
    assert seqs(tmp_path) == list(range(200))


def test_a_kill_before_the_journal_forgets_and_after_it_finishes(tmp_path):
    made = archive(tmp_path)
    made.write([wave(np.ones(10))], [], 1)
    made.flush()
    (final,) = (tmp_path / "raw").rglob("*.parquet")
    final.rename(f"{final}.part")  # killed between journal and rename
    (final.parent / "9-9.parquet.part").write_bytes(b"half")  # killed before the journal
    again = archive(tmp_path)
    assert again.position() == 1
    assert seqs(tmp_path) == list(range(10))
    assert list((tmp_path / "raw").rglob("*.part")) == []


def test_old_files_go(tmp_path):
    made = archive(tmp_path, keep="10s")
    for i in range(4):
        made.write([wave(np.ones(10), first=i * 1000)], [], i + 1)
        made.flush()
    assert min(seqs(tmp_path)) == 2000
    small = archive(tmp_path, limit_mb=0.0)
    small.write([wave(np.ones(10), first=9000)], [], 9)
    small.flush()
    assert seqs(tmp_path) == []


def test_the_archive_reads_alone(tmp_path):
    made = archive(tmp_path)
    made.catalogue([device("p1", wave=True)])
    assert Catalog.read(tmp_path / "raw" / "catalog.json").find("s/a/p1/vibration").index == 1


def test_a_place_that_cannot_be_written_is_worth_a_retry(tmp_path):
    made = archive(tmp_path)
    made.write([wave(np.ones(10))], [], 1)
    (tmp_path / "raw" / "pump.vibration").write_text("in the way")
    with pytest.raises(StoreUnavailable):
        made.flush()
    (tmp_path / "raw" / "pump.vibration").unlink()
    made.close()
    assert seqs(tmp_path) == list(range(10))
    assert json.loads((tmp_path / "raw" / "position.json").read_text())["position"] == 1
