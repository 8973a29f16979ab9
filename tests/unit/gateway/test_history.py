import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.catalog import Catalog
from core.clock import NS
from core.command import Event
from core.errors import StoreError
from core.tables import to_table
from gateway.stages.downsample import Downsample, DownsampleConfig
from gateway.stores.duck import DuckConfig, DuckStore
from gateway.stores.extra import Extra
from gateway.stores.history import load_history
from tests.unit.gateway.test_stages import wave
from tests.unit.gateway.world import device, rows


@pytest.fixture
def folder(tmp_path):
    """A history of two devices, whose streams are numbered otherwise than in the store."""
    out = tmp_path / "history"
    theirs = Catalog([device("p2", wave=True), device("p1", wave=True)])
    theirs_index = theirs.index
    for layout, batches in {
        "pump.main": [rows(range(100), stream=theirs_index(f"s/a/{d}/main")) for d in ("p1", "p2")],
        "pump.vibration": [wave(np.ones(100), stream=theirs_index("s/a/p1/vibration"))],
    }.items():
        (out / layout).mkdir(parents=True)
        with pq.ParquetWriter(out / layout / "part-0.parquet", to_table(batches[0]).schema) as writer:
            for batch in batches:
                writer.write_table(to_table(batch))
    theirs.save(out / "catalog.json")
    event = {"is": "Event", "device": "s/a/p1", "name": "failure", "text": "x", "t": 5, "severity": "alarm"}
    (out / "events.jsonl").write_text(json.dumps(event) + "\n")
    return out


def opened(tmp_path) -> DuckStore:
    made = DuckStore(DuckConfig(), tmp_path / "t.duckdb", Catalog([device("p1", wave=True)]))
    made.open()
    return made


def test_history_is_loaded_with_the_stores_own_numbers_once(tmp_path, folder):
    made, seen = opened(tmp_path), []
    made.write([rows([1000])], [], 1)
    assert load_history(made, folder, progress=seen.append) == 300
    assert seen[-1] == 300
    reader = made.reader()
    assert reader.rows("pump.main", 0, 200 * NS, ["s/a/p1"]).num_rows == 100
    assert reader.rows("pump.main", 0, 200 * NS, ["s/a/p2"]).num_rows == 100
    assert set(reader.rows("pump.main", 0, 2**62, ["s/a/p1"]).column("stream").to_pylist()) == {0}
    assert reader.sizes()["pump.vibration"] == 100
    assert reader.notes(Event, 0, 10) == [Event("s/a/p1", "failure", "x", 5, "alarm")]
    assert load_history(made, folder) == 0
    assert made.counts() == {}, "history is not counted as live rows"
    made.close()


def test_waveforms_may_be_reduced_on_the_way(tmp_path, folder):
    made = opened(tmp_path)
    load_history(made, folder, [Downsample(DownsampleConfig(), made.catalog)])
    assert made.reader().sizes() == {"pump.main": 200, "pump.vibration": 0, "pump.vibration.features": 1}
    assert made.reader().series("s/a/p1", "ax_rms", 0, NS).column("value").to_pylist() == [1.0]
    made.close()


def test_live_rows_are_stored_while_history_is_loaded(tmp_path, folder):
    made = opened(tmp_path)
    load_history(made, folder, progress=lambda n: made.write([rows([10_000 + n])], [], n, Extra({0: 1})))
    assert made.reader().sizes()["pump.main"] == 203
    assert made.counts() == {"s/a/p1/main": 3}
    made.close()
    again = opened(tmp_path)
    assert (again.position(), load_history(again, folder)) == (300, 0)
    again.close()


def test_a_history_that_cannot_be_read_leaves_nothing_behind(tmp_path, folder):
    made = opened(tmp_path)
    (folder / "pump.vibration" / "part-0.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(StoreError, match="cannot be loaded"):
        load_history(made, folder)
    assert made.reader().rows("pump.main", 0, 2**62).num_rows == 0
    with pytest.raises(StoreError, match=r"catalog\.json"):
        load_history(made, tmp_path / "nowhere")
    made.close()
