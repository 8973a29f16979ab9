import numpy as np
import pytest

from core.catalog import Catalog
from core.clock import NS, wall_ns
from core.command import Command, Event
from core.errors import StoreError, StoreUnavailable
from core.quality import BAD_SENSOR
from core.tables import from_table
from gateway.stores.extra import Extra
from gateway.stores.influx import InfluxStore
from tests.unit.gateway.test_duck import NOTES
from tests.unit.gateway.world import PUMP, device, rows

T0 = wall_ns() // NS * NS - 100 * NS


@pytest.fixture
def store(influx, tmp_path):
    made = InfluxStore(influx, tmp_path, Catalog([device("p1"), device("p2")]))
    made.open()
    yield made
    made.close()


def batch():
    made = rows(range(5), t0=T0 + 123, flow=np.array([1.0, np.nan, 3, 4, 5]))
    made.q[1, 0] = BAD_SENSOR
    return made


def test_rows_come_back_with_nanoseconds_quality_and_numbers(store):
    store.write([batch(), rows(range(3), t0=T0, stream=1)], [], 7, Extra({0: 5, 1: 3}, "s"))
    back = from_table(store.reader().rows("pump.main", T0, T0 + 100 * NS, ["s/a/p1"]), PUMP)
    want = batch()
    for name in ("stream", "sid", "seq", "t", "x", "q"):
        np.testing.assert_array_equal(getattr(back, name), getattr(want, name))
    assert store.reader().rows("pump.main", T0, T0 + 100 * NS).num_rows == 8
    assert store.reader().rows("pump.main", T0 + 2 * NS, T0 + 4 * NS, ["s/a/p2"]).num_rows == 1
    assert store.reader().rows("pump.main", T0, T0 + 2 * NS, ["s/a/p2"]).num_rows == 2
    assert store.reader().rows("pump.main", T0, T0).num_rows == 0


def test_writing_again_after_a_kill_doubles_nothing(store, influx, tmp_path):
    store.write([batch()], [], 7, Extra({0: 5}))
    again = InfluxStore(influx, tmp_path, store.catalog)
    again.open()
    assert (again.position(), again.counts()) == (7, {"s/a/p1/main": 5})
    again.write([batch()], [], 8)
    assert again.reader().rows("pump.main", T0, T0 + 100 * NS).num_rows == 5
    again.close()


def test_series_are_reduced_to_buckets(store):
    store.write([rows(range(10), t0=T0, flow=np.arange(10.0))], [], 1)
    reader = store.reader()
    assert reader.series("s/a/p1", "flow", T0, T0 + 3 * NS).column("value").to_pylist() == [0, 1, 2]
    wide = reader.series("s/a/p1", "main/flow", T0, T0 + 100 * NS, every=100 * NS).to_pylist()
    assert sum(1 for _ in wide) in (1, 2)
    assert max(b["high"] for b in wide) == 9.0
    assert min(b["low"] for b in wide) == 0.0
    assert reader.series("s/a/p2", "flow", T0, T0 + NS).num_rows == 0
    with pytest.raises(KeyError):
        reader.series("s/a/p1", "nothing", T0, T0 + NS)


def test_notes_come_back_as_they_were(store):
    store.write([], list(NOTES), 1)
    for note in NOTES:
        assert store.reader().notes(type(note), 0, 100) == [note]
    assert store.reader().notes(Event, 0, 100, "s/a/p9") == []
    assert len(store.reader().notes(Command, 0, 100, "s/a/p1")) == 1


def test_a_refusal_and_an_outage_are_told_apart(store, influx, tmp_path):
    lost = InfluxStore(
        influx.model_copy(update={"url": "http://127.0.0.1:9", "timeout_s": 1.0}), tmp_path / "x", store.catalog
    )
    lost.open()
    with pytest.raises(StoreUnavailable):
        lost.write([batch()], [], 1)
    assert lost.position() == 0
    lost.close()
    with pytest.raises(StoreError) as caught:
        store._post("this is not, line protocol")
    assert not isinstance(caught.value, StoreUnavailable)


def test_many_rows_go_in_several_requests(store):
    n = 12_000
    store.write([rows(range(n), t0=T0, step=1000)], [], 1)
    assert store.reader().rows("pump.main", T0, T0 + NS).num_rows == n


def test_a_history_is_loaded_once_and_read_back(store, tmp_path):
    import pyarrow.parquet as pq

    from core.tables import to_table
    from gateway.stores.history import load_points

    folder, theirs = tmp_path / "history", Catalog([device("p2"), device("p1")])  # numbers its streams its own way
    (folder / PUMP.name).mkdir(parents=True)
    theirs.save(folder / "catalog.json")
    made = rows(range(200), stream=theirs.index("s/a/p1/main"), t0=T0 - 1000 * NS)
    pq.write_table(to_table(made), folder / PUMP.name / "0.parquet")
    assert load_points(store, folder) == 200
    assert load_points(store, folder) == 0, "once is enough"
    found = from_table(store.reader().rows(PUMP.name, T0 - 1000 * NS, T0, ["s/a/p1"]), PUMP)
    assert found.seq.tolist() == list(range(200))
    assert {store.catalog.streams[i].path for i in found.stream.tolist()} == {"s/a/p1/main"}
