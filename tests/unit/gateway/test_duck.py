import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

from core.catalog import Catalog
from core.clock import NS
from core.command import Cause, Command, CommandResult, Event
from core.errors import StoreError
from core.finding import Finding, Prognosis, WorkOrder
from core.quality import BAD, GOOD
from core.spec import ChannelSpec, LayoutSpec, StreamSpec
from core.tables import from_table, schema
from gateway.stores.duck import DuckConfig, DuckStore
from gateway.stores.extra import Extra
from tests.unit.gateway.world import PUMP, device, rows

NOTES = [
    Event("s/a/p1", "failure", "고장", 10, "alarm"),
    Command("c", "s/a/p1", "stop", "rule:x", 11, 12, {"a": 1.0}, Cause("s/a/p1/main", 7, 3, 9)),
    CommandResult("c", "s/a/p1", "done", "ok", 13),
    Finding("f", "s/a/p1", "ewma", 14, 5.0, 3.0, "warning", "high", True, {"rms": 2.0}),
    Prognosis("s/a/p2", "rul", 15, 0.5, 3600.0, 100.0, 50.0, 200.0),
    WorkOrder("w", "s/a/p2", "replace", "predictive", 16, 99, "wear", ("bearing",), 2, 60.0),
]


def store(tmp_path, catalog: Catalog | None = None) -> DuckStore:
    made = DuckStore(
        DuckConfig(), tmp_path / "t.duckdb", Catalog([device("p1"), device("p2")]) if catalog is None else catalog
    )
    made.open()
    return made


def test_many_notes_come_in_one_go(tmp_path):
    made = store(tmp_path)
    many = [Event(f"s/a/p{n % 3}", "state", f"state=held cause=잼-{n}", n) for n in range(1000)]
    made.write([], [*many, NOTES[1]], 1)
    assert made.reader().notes(Event, 0, 1000) == many
    assert made.reader().notes(Command, 0, 100) == [NOTES[1]]


def test_rows_and_position_come_back_after_reopening(tmp_path):
    made = store(tmp_path)
    batch = rows(range(5), flow=np.array([1.0, np.nan, 3, 4, 5]))
    batch.q[1, 0] = BAD
    made.write([batch, rows(range(3), stream=1)], NOTES, 42, Extra({0: 5, 1: 3}, "stages"))
    made.close()
    catalog = Catalog()
    again = store(tmp_path, catalog)
    assert (again.position(), again.state()) == (42, "stages")
    assert again.counts() == {"s/a/p1/main": 5, "s/a/p2/main": 3}
    assert [e.path for e in catalog.streams] == ["s/a/p1/main", "s/a/p2/main"]
    assert catalog.devices["s/a/p1"] == device("p1")
    table = again.reader().rows("pump.main", 0, 10 * NS, ["s/a/p1"])
    assert table.schema.equals(schema(PUMP))
    back = from_table(table, PUMP)
    np.testing.assert_array_equal(back.x, batch.x)
    np.testing.assert_array_equal(back.q, batch.q)
    assert again.reader().rows("pump.main", 2 * NS, 4 * NS).num_rows == 3
    again.close()


@pytest.mark.parametrize("note", NOTES, ids=lambda n: type(n).__name__)
def test_notes_come_back_as_they_were(tmp_path, note):
    made = store(tmp_path)
    made.write([], NOTES, 1)
    reader = made.reader()
    assert reader.notes(type(note), 0, 100) == [note]
    assert reader.notes(type(note), 0, 100, note.device) == [note]
    assert reader.notes(type(note), 0, 100, "s/a/p9") == []
    assert reader.notes(type(note), note.t + 1, 100) == []
    made.close()


def test_a_write_that_fails_leaves_rows_and_position_as_they_were(tmp_path):
    made = store(tmp_path)
    made.write([rows([0])], [], 1, Extra({0: 1}))
    other = LayoutSpec("pump.main", (ChannelSpec("flow", "flow"), ChannelSpec("__bad", "x")))
    made._tables[other.name] = other.columns
    wrong = replace(rows([2]), layout=other)
    with pytest.raises(StoreError):
        made.write([rows([1]), wrong], list(NOTES), 2, Extra({0: 2}))
    assert made.position() == 1
    assert made.counts() == {"s/a/p1/main": 1}
    made._tables["pump.main"] = PUMP.columns
    assert made.reader().rows("pump.main", 0, 10 * NS).num_rows == 1
    assert made.reader().notes(Event, 0, 100) == []
    made.write([rows([1])], [], 2)
    assert made.reader().rows("pump.main", 0, 10 * NS).num_rows == 2
    made.close()


def test_series_leave_out_bad_values_and_fill_buckets(tmp_path):
    made = store(tmp_path)
    batch = rows(range(10), flow=np.arange(10.0))
    batch.q[3, 0] = BAD
    made.write([batch], [], 1)
    reader = made.reader()
    raw = reader.series("s/a/p1", "flow", 0, 20 * NS)
    assert raw.column("value").to_pylist() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    wide = reader.series("s/a/p1", "main/flow", 0, 20 * NS, every=5 * NS)
    assert wide.to_pylist() == [
        {"t": 0, "value": 1.75, "low": 0.0, "high": 4.0},
        {"t": 5 * NS, "value": 7.0, "low": 5.0, "high": 9.0},
    ]
    with pytest.raises(KeyError):
        reader.series("s/a/p1", "nothing", 0, 1)
    made.close()


def test_latest_values_of_a_device(tmp_path):
    made = store(tmp_path)
    made.write([rows(range(3), flow=np.array([1.0, 2, 3]))], [], 1)
    assert made.reader().latest("s/a/p1") == {"main": (2 * NS, {"flow": 3.0, "temp": 20.0})}
    assert made.reader().latest("s/a/p2") == {}
    made.close()


def test_a_known_layout_without_rows_reads_empty_and_an_unknown_one_is_an_error(tmp_path):
    made = store(tmp_path)
    assert made.reader().rows("pump.main", 0, 1).num_rows == 0
    with pytest.raises(KeyError):
        made.reader().rows("nothing", 0, 1)
    made.close()


def test_doubled_rows_are_counted(tmp_path):
    made = store(tmp_path)
    made.write([rows(range(5)), rows(range(3, 6))], [], 1)
    assert made.reader().duplicates() == 2
    made.close()


def test_a_reborn_device_with_other_channels_gets_a_table_of_its_own(tmp_path):
    made = store(tmp_path)
    made.write([rows([0])], [], 1)
    wider = LayoutSpec("pump.main", (*PUMP.channels, ChannelSpec("rpm", "speed", "/min")))
    settled = made.catalog.add(replace(device("p1"), streams=(StreamSpec("main", wider),)))
    batch = rows([1])
    x = np.ones((1, 3))
    made.write([replace(batch, layout=settled.streams[0].layout, x=x, q=np.full((1, 3), GOOD, np.uint8))], [], 2)
    assert sorted(made.reader().sizes().values()) == [1, 1]
    assert made.reader().series("s/a/p1", "rpm", 0, 9 * NS).num_rows == 1
    made.close()


def test_readers_work_in_other_threads_while_rows_are_written(tmp_path):
    made = store(tmp_path)
    made.write([rows([0])], [], 1)
    reader, errors, stop = made.reader(), [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                n = reader.rows("pump.main", 0, 2**62).num_rows
                assert n % 100 == 1
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                errors.append(error)
                return

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(20):
        made.write([rows(range(1 + i * 100, 101 + i * 100))], [], 2 + i)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert made.reader().sizes() == {"pump.main": 2001}
    made.close()


def test_a_file_that_another_process_holds_gives_one_clear_line(tmp_path):
    path = tmp_path / "t.duckdb"
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(StoreError) as caught:
            store(tmp_path)
    finally:
        holder.communicate("\n", timeout=10)
    text = str(caught.value)
    assert "in use by process" in text
    assert "--data-dir" in text
    assert "\n" not in text
