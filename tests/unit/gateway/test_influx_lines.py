"""Line protocol and the judgement of answers, without a server."""

import http.server
import threading

import numpy as np
import pytest

from core.catalog import Catalog
from core.command import Event
from core.errors import StoreError, StoreUnavailable
from core.quality import BAD_SENSOR
from gateway.stores.extra import Busy
from gateway.stores.influx import InfluxConfig, InfluxStore
from gateway.stores.lines import note_line, row_lines
from tests.unit.gateway.world import device, rows

CATALOG = Catalog([device("p 1,x")])


def test_a_row_becomes_one_line():
    (line,) = row_lines(rows([3], t0=5, flow=0.1, temp=-2.0), CATALOG, {})
    assert line == (r"pump.main,site=s,area=a,device=p\ 1\,x,stream=main sid=7i,seq=3i,flow=0.1,temp=-2.0 3000000005")


def test_missing_values_are_left_out_and_quality_is_written_where_it_is_not_good():
    batch = rows([0, 1], flow=np.array([np.nan, 2.0]))
    batch.q[0, 0] = BAD_SENSOR
    first, second = row_lines(batch, CATALOG, {})
    assert first.split(" ")[-2] == f"sid=7i,seq=0i,flow__q={BAD_SENSOR}i,temp=20.0"
    assert second.split(" ")[-2] == "sid=7i,seq=1i,flow=2.0,temp=20.0"


def test_a_note_keeps_quotes_and_backslashes():
    line = note_line(Event("s/a/p1", "odd name", "x", 5), "events", '{"text": "a\\\\b"}')
    assert line == r'events,device=s/a/p1,id=odd\ name body="{\"text\": \"a\\\\b\"}" 5'


@pytest.fixture
def answering(tmp_path):
    """A store whose server gives the answers it is told to."""
    answers: list[tuple[int, dict[str, str]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    config = InfluxConfig(url=f"http://127.0.0.1:{server.server_port}", token="t")
    store = InfluxStore(config, tmp_path, CATALOG)
    store.open()
    yield store, answers
    store.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_servers_wish_for_a_pause_is_honoured(answering):
    store, answers = answering
    answers += [(429, {"Retry-After": "7"}), (503, {}), (401, {}), (422, {}), (204, {})]
    with pytest.raises(Busy) as caught:
        store.write([rows([0])], [], 1)
    assert caught.value.wait_s == 7.0
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            store.write([rows([0])], [], 1)
    with pytest.raises(StoreError) as refused:
        store.write([rows([0])], [], 1)
    assert not isinstance(refused.value, StoreUnavailable)
    assert store.position() == 0
    store.write([rows([0])], [], 1)
    assert store.position() == 1
    assert answers == []
