"""The accounts of a drill find what is wrong: a loss, a double, a report that names too little or too much."""

import numpy as np
import pytest

from core.batch import NO_SEQ, Batch
from core.catalog import Catalog
from core.command import Event
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.gaps import Loss, loss_text, read_loss_text
from gateway.stores.duck import DuckConfig, DuckStore
from testbed.drill import account as module
from testbed.drill.account import account, failed
from testbed.drill.streams import Watched

LAYOUT = LayoutSpec("m.main", (ChannelSpec("x", "temperature", "Cel"),))
PATH, SID = "s/a/d/main", 9


def device():
    return DeviceSpec(
        "s", "a", "d", "m", "own", "n", Identity("A", "1", "urn:d"), (StreamSpec("main", LAYOUT, 10**9),), ()
    )


def rows(numbers, sid=SID, times=None):
    n = len(numbers)
    t = np.array(times or [10**9 * k for k in numbers], np.int64)
    seq = np.array(numbers if times is None else [NO_SEQ] * n, np.int64)
    return Batch(
        LAYOUT,
        np.zeros(n, np.int32),
        np.full(n, sid, np.int64),
        seq,
        t,
        np.ones((n, 1)),
        np.full((n, 1), 192, np.uint8),
    )


@pytest.fixture
def judged(tmp_path, monkeypatch):
    def judge(batch, *, group="kept", protocol="mqtt", emitted=5, lost=(), text=""):
        path = tmp_path / f"{group}.duckdb"
        path.unlink(missing_ok=True)
        store = DuckStore(DuckConfig(), path, Catalog())
        store.open()
        store.catalog.add(device())
        store.catalogue([device()])
        told = [text] if text else []
        if lost:
            told.append(loss_text(PATH, Loss(0, SID, tuple(lost), False)))
        store.write([batch], [Event("s/a/d", "gap", one, 1, "warning") for one in told], 1)
        monkeypatch.setattr(module, "open_store", lambda _: (None, store))
        found = account(None, {PATH: emitted}, {PATH: Watched(group, protocol, False)})
        return found[group], failed(found)

    return judge


def test_whole(judged):
    found, faults = judged(rows([0, 1, 2, 3, 4]))
    assert (found.emitted, found.stored, found.lost, faults) == (5, 5, 0, [])


def test_a_loss_and_a_double_of_a_device_that_keeps_rows_fail(judged):
    found, faults = judged(rows([0, 1, 3, 3, 4]))
    assert (found.lost, found.duplicated, found.unreported) == (1, 1, 1)
    assert len(faults) == 2


@pytest.mark.parametrize(
    ("lost", "unreported", "over"),
    [([(2, 3)], 0, 0), ([(2, 2)], 1, 0), ([(1, 3)], 0, 1), ([(2, 2), (3, 3)], 0, 0), ((), 2, 0)],
)
def test_a_report_is_exact_or_not(judged, lost, unreported, over):
    found, faults = judged(rows([0, 1, 4]), group="bare", lost=lost)
    assert (found.lost, found.unreported, found.overreported) == (2, unreported, over)
    assert bool(faults) == bool(unreported or over)


def test_slots_of_polled_devices_lie_between_the_first_and_the_last(judged):
    found, faults = judged(rows([10, 11, 14]), group="polled", protocol="modbus", emitted=0, lost=[(12, 13), (15, 15)])
    assert (found.emitted, found.stored, found.reported, faults) == (6, 3, 3, [])
    found, faults = judged(rows([10, 11, 14]), group="polled", protocol="modbus", emitted=0, lost=[(12, 12)])
    assert (found.unreported, len(faults)) == (1, 1)


def test_rows_of_opc_ua_are_known_by_their_time(judged):
    found, faults = judged(rows([0, 0, 0], 0, [1, 2, 2]), group="history", protocol="opcua", emitted=3)
    assert (found.stored, found.duplicated, found.lost, len(faults)) == (2, 1, 1, 2)


def test_the_words_of_a_loss_read_back():
    loss = Loss(0, 12, ((3, 5), (9, 9)), True)
    told = read_loss_text(loss_text(PATH, loss))
    assert (told.path, told.sid, told.rows, told.spans) == (PATH, 12, 4, ((3, 5), (9, 9)))
    assert read_loss_text("something else") is None
